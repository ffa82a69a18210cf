"""`asgi-bench load-worker`: a load process for a run on another machine."""

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
from asgi_bench.model.endpoint import TOKEN_VARIABLE


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


def load_worker(asked: LoadWorkerFlags) -> None:
    """Become a load process, which ends with its master."""
    token = given_token(asked.token)
    if token is None:
        raise UsageError(f"load-worker needs the run's token: --token @FILE, or {TOKEN_VARIABLE}")
    host, _, port = asked.address.partition(":")
    environment = load_environment(os.environ, home=Path.home()) | {TOKEN_VARIABLE: token}
    say(f"waiting for the run at {asked.address}")
    argv = [sys.executable, "-m", FAR_WORKER, host, port]
    os.execve(sys.executable, argv, environment)  # noqa: S606  (our own, without a shell)
