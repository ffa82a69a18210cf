"""`asgi-bench load-worker`: load processes for a run on another machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec

from asgi_bench.cli.streams import say
from asgi_bench.definitions.load_hosts import given_token, parse_listen, read_token
from asgi_bench.errors import UsageError
from asgi_bench.flags import LOAD, Flag, Kind
from asgi_bench.load.generator import FAR_WORKER, load_environment
from asgi_bench.load.host_processes import run_all
from asgi_bench.machine.affinity import usable_count
from asgi_bench.model.endpoint import TOKEN_VARIABLE
from asgi_bench.quantities import parse_whole

# Locust's own word for it.
ONE_PER_CPU = -1


def _read_processes(text: str, where: str) -> int:
    number = parse_whole(text, where, least=ONE_PER_CPU)
    if not number:
        raise UsageError(f"{where}: 0 load processes send no load: give 1 or more, or -1")
    return number


class LoadWorkerFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `load-worker`."""

    address: Annotated[
        str,
        Flag(
            "ADDRESS",
            LOAD,
            Kind("ADDRESS[:PORT]", parse_listen),
            "What the run's --listen says. Default port: 5557.",
            is_key=False,
        ),
    ]
    token: Annotated[
        str | None,
        Flag(
            "--token",
            LOAD,
            Kind("TOKEN|@FILE", read_token),
            "The run's token, or better a file with it, because `ps` shows command lines. Default: "
            "the variable ASGI_BENCH_TOKEN.",
            is_key=False,
        ),
    ] = None
    processes: Annotated[
        int,
        Flag(
            "--processes",
            LOAD,
            Kind("N", _read_processes, int),
            "Number of load processes on this host, or -1 for one per CPU; the run's --load-hosts "
            "counts each of them.",
            is_key=False,
        ),
    ] = 1


def load_worker(asked: LoadWorkerFlags) -> None:
    """Become a load process, or run several; they end with their master."""
    token = given_token(asked.token)
    if token is None:
        raise UsageError(f"load-worker needs the run's token: --token @FILE, or {TOKEN_VARIABLE}")
    host, _, port = asked.address.partition(":")
    environment = load_environment(os.environ, home=Path.home()) | {TOKEN_VARIABLE: token}
    count = usable_count() if asked.processes == ONE_PER_CPU else asked.processes
    several = "" if count == 1 else f" with {count} load processes"
    say(f"waiting for the run at {asked.address}{several}")
    argv = [sys.executable, "-m", FAR_WORKER, host, port]
    if count > 1:
        sys.exit(run_all(argv, environment, count))
    os.execve(sys.executable, argv, environment)  # noqa: S606  (our own, without a shell)
