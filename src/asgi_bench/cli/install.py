"""`asgi-bench install`: an environment of its own for each server that needs one."""

import sys
from itertools import product
from typing import Annotated

import msgspec

from asgi_bench.cli.streams import say
from asgi_bench.definitions.chosen import chosen_servers
from asgi_bench.definitions.folders import runner_folders
from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.selection import INTERPRETERS, Runners, Selection
from asgi_bench.definitions.servers import Server, load_servers
from asgi_bench.errors import ExitCode
from asgi_bench.flags import WHAT, Flag, many
from asgi_bench.reporting.wording import plain
from asgi_bench.setups.install import install
from asgi_bench.setups.interpreters import with_environments


class InstallFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `install`."""

    servers: Annotated[
        tuple[str, ...],
        Flag(
            "SERVER",
            WHAT,
            many("SERVER…"),
            "Servers to install: globs, or NAME==VERSION. '*' installs all.",
            is_key=False,
        ),
    ]
    interpreters: Annotated[
        tuple[str, ...],
        Flag(
            "--python",
            WHAT,
            INTERPRETERS,
            "Interpreters that will run the servers. Default: asgi-bench's own.",
        ),
    ] = (sys.executable,)
    runner_folders: Runners = ()


def install_(asked: InstallFlags) -> None:
    """Build an environment for each server, and print the result, one line per server."""
    servers = load_servers(runner_folders(asked.runner_folders))
    selection = Selection(
        servers=asked.servers,
        runner_folders=asked.runner_folders,
        interpreters=asked.interpreters,
    )
    is_failed = False
    for python, server in product(
        with_environments(selection, say).interpreters, chosen_servers(asked.servers, servers)
    ):
        packages = Installation(python)
        if not packages.missing(server.all_requirements):
            print(f"here      {_with_version(server, packages)}", flush=True)
            continue
        record = install(server, python, say)
        if record.fault is not None or record.environment is None:
            is_failed = True
            print(f"unusable  {server.name}: {plain(record.fault or '')}", flush=True)
        else:
            own = Installation(record.environment.python)
            print(f"own       {_with_version(server, own)}", flush=True)
    if is_failed:
        sys.exit(ExitCode.FAILED)


def _with_version(server: Server, packages: Installation) -> str:
    version = packages.version(server)
    return server.name if version is None else f"{server.name} {version}"
