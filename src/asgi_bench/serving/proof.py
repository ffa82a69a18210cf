"""What a server that runs `apps/probe.py` tells of itself, and whether it is what it should be."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase

import msgspec

from asgi_bench.model import (
    Endpoint,
    Proof,
    Request,
    Scenario,
)
from asgi_bench.serving.faults import ServerFault
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import dialogue
from asgi_bench.wire.http1 import Response

PROBE_SCENARIO = Scenario(name="probe", app="asgi_bench_proof:app", expect_pattern='"loop"')
# A shared listener hands connections to whoever wakes first: with so many at once every worker
# nearly always gets one.
CONNECTIONS_PER_WORKER = 8
# So often they are asked where one of them did not get any, or more answer than there should be.
ASKINGS = 3
# What an app of the user's can change: these are compared with and without it.
CHANGEABLE = ("loop", "protocol", "parser")


class Told(msgspec.Struct, frozen=True):
    """One answer of the probe app; the keys are `apps/probe.py`'s."""

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


def ask_workers(endpoint: Endpoint, workers: int, timeout_s: float) -> list[Told]:
    """Ask over several connections at once, so that every worker gets to answer; again if not.

    Where more answer than should, they are asked again too, so that all are counted.

    Raises ServerFault where an answer doesn't come, or is not the probe app's.
    """
    told: list[Told] = []
    for _ in range(ASKINGS):
        told += _ask_once(endpoint, max(workers, len(_distinct(told))), timeout_s)
        if len(_distinct(told)) == workers:
            break
    return told


def _ask_once(endpoint: Endpoint, workers: int, timeout_s: float) -> list[Told]:
    """The answers over several connections that are open at the same time."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(Connection(endpoint))
            for _ in range(CONNECTIONS_PER_WORKER * workers)
        ]
        try:
            for connection in connections:
                connection.open(timeout_s)
            for connection in connections:
                path = f"/?port={connection.client_port}"
                request = Request(PROBE_SCENARIO.name, path=path)
                connection.send(dialogue(endpoint, request).exchanges[0])
            return [_told(connection.answer(timeout_s)) for connection in connections]
        except NoAnswer as fault:
            raise ServerFault(f"the app that tells what runs gave no answer: {fault}") from None


def proof_of(setting: str, told: Sequence[Told], proves: Mapping[str, str]) -> Proof:
    """Return the proof of one server setting from its workers' answers.

    `proves` are patterns of class names, by part; where one doesn't match, `fault` says so.
    """
    first = told[0]
    nodelays = {one.tcp_nodelay for one in told}
    faults = [
        f"its {part} is {name or 'not to be found'}, and the variant states {pattern}"
        for one in _distinct(told)
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
        f"the app changes its {part}: {own or 'none to be found'} in place of {plain}"
        for part, own, plain in pairs
        if plain is not None and own != plain
    )


def _distinct(told: Sequence[Told]) -> list[Told]:
    """One answer of each process."""
    return list({one.pid: one for one in told}.values())


def _told(response: Response) -> Told:
    try:
        return msgspec.json.decode(response.body, type=Told)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ServerFault(
            f"status {response.status} from something else than the app that tells what runs"
        ) from None
