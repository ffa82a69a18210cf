"""What a server that runs `apps/probe.py` reports about itself, and whether that is right."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from asgi_bench.model import (
    Endpoint,
    Proof,
    Request,
    Scenario,
)
from asgi_bench.serving.asking import ask_each, distinct
from asgi_bench.wire.client import Connection

PROBE_SCENARIO = Scenario(name="probe", app="asgi_bench_proof:app", expect_pattern='"loop"')
# What an app of the user's can change: these are compared with and without it.
CHANGEABLE = ("loop", "protocol", "parser")


class Told(msgspec.Struct, frozen=True):
    """One response of the probe app; the keys are `apps/probe.py`'s."""

    pid: int
    loop: str | None
    protocol: str | None
    parser: str | None
    transport: str | None
    http_version: str | None
    asgi_version: str | None
    asgi_spec_version: str | None
    tcp_nodelay: bool | None
    python: str
    packages: dict[str, str]
    debugging: tuple[str, ...] = ()
    socket_options: dict[str, int | str] = {}
    modules: dict[str, str] = {}
    gil: bool = True


def ask_workers(endpoint: Endpoint, workers: int, timeout_s: float) -> list[Told]:
    """What each worker reports about itself, perhaps several times; raises as `ask_each`."""
    return ask_each(endpoint, workers, _request_of, Told, timeout_s)


def _request_of(connection: Connection) -> Request:
    """By our own port the app knows its socket."""
    return Request(PROBE_SCENARIO.name, path=f"/?port={connection.client_port}")


def proof_of(setting: str, told: Sequence[Told], proves: Mapping[str, str]) -> Proof:
    """Return the proof of one server setting from its workers' responses.

    `proves` are patterns of class names, by part; if one doesn't match, `fault` says so.
    """
    first = told[0]
    nodelays = {one.tcp_nodelay for one in told}
    faults = [
        f"its {part} is {name or 'not to be found'}, but the variant states {pattern}"
        for one in distinct(told)
        for part, pattern in proves.items()
        if not fnmatchcase(name := getattr(one, part) or "", pattern)
    ]
    return Proof(
        setting=setting,
        loop=first.loop,
        protocol=first.protocol,
        parser=first.parser,
        transport=first.transport,
        http_version=first.http_version,
        asgi_version=first.asgi_version,
        asgi_spec_version=first.asgi_spec_version,
        # Worse on one connection is worse.
        tcp_nodelay=None if None in nodelays else all(nodelays),
        python=first.python,
        gil=any(one.gil for one in told),
        packages=first.packages,
        socket_options=first.socket_options,
        modules=first.modules,
        worker_pids=tuple(sorted({one.pid for one in told})),
        debugging=tuple(dict.fromkeys(name for one in told for name in one.debugging)),
        fault="; ".join(dict.fromkeys(faults)) or None,
    )


def changes(with_app: Proof, without: Proof) -> tuple[str, ...]:
    """Return what an app changes, as sentences, from the proofs with it and without it."""
    pairs = ((part, getattr(with_app, part), getattr(without, part)) for part in CHANGEABLE)
    return tuple(
        f"the app changes its {part}: {own or 'none to be found'} instead of {plain}"
        for part, own, plain in pairs
        if plain is not None and own != plain
    )
