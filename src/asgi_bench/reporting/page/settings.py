"""What each server was started with, and what it proved to be."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from asgi_bench.model import PlannedCell, Proof, Run, Scenario, WeightedRequest
from asgi_bench.model import Request as AnyRequest
from asgi_bench.reporting.wording import plain


class Start(NamedTuple):
    """How a setting is started with one worker count: argv as a shell takes it, or why not."""

    workers: int
    command: str
    skipped: str


class Setting(NamedTuple):
    """A server and variant: its version, its commands, its variables, what really ran."""

    name: str
    server: str
    version: str
    starts: tuple[Start, ...]
    env: tuple[str, ...]
    proofs: tuple[str, ...]


class Request(NamedTuple):
    """A scenario: the request, and the answer that alone counts."""

    name: str
    description: str
    app: str
    request: str
    answer: str


def settings_of(run: Run, proofs: Sequence[Proof]) -> tuple[Setting, ...]:
    """Each server and variant of the plan once, in its order."""
    by_setting = {proof.setting: proof for proof in proofs}
    found: dict[tuple[str, str], dict[int, PlannedCell]] = {}
    for planned in run.header.plan.cells:
        cell = planned.cell
        found.setdefault((cell.server, cell.variant), {}).setdefault(cell.workers, planned)
    return tuple(_setting(by_workers, by_setting) for by_workers in found.values())


def requests_of(scenarios: Sequence[Scenario]) -> tuple[Request, ...]:
    """The scenarios in the plan's order; of several requests each, with its weight."""
    return tuple(
        Request(
            name=plain(scenario.name if request is scenario else _weighted_name(request)),
            description=plain(scenario.description),
            app=plain(scenario.app),
            request=_request(request),
            answer=", ".join(_answer(request)),
        )
        for scenario in scenarios
        for request in scenario.requests or (scenario,)
    )


def _weighted_name(request: AnyRequest) -> str:
    weight = request.weight if isinstance(request, WeightedRequest) else 1.0
    return f"{request.name}, weight {weight:g}"


def _setting(by_workers: Mapping[int, PlannedCell], proofs: Mapping[str, Proof]) -> Setting:
    """One setting; what is the same for all worker counts is said once."""
    members = by_workers.values()
    cell = next(iter(members)).cell
    keys = [f"{cell.server}/{cell.variant}/w{workers}" for workers in by_workers]
    versions = (planned.server_version or "version unknown" for planned in members)
    env = (f"{name}={value}" for planned in members for name, value in planned.env.items())
    seen = ("; ".join(_proven(proofs[key])) for key in keys if key in proofs)
    return Setting(
        name=plain(f"{cell.server} {cell.variant}"),
        server=plain(cell.server),
        version=", ".join(_once(versions)),
        starts=tuple(
            Start(workers, plain(shlex.join(planned.command)), plain(planned.skip_reason or ""))
            for workers, planned in by_workers.items()
        ),
        env=_once(env),
        proofs=_once(seen),
    )


def _once(texts: Iterator[str]) -> tuple[str, ...]:
    """The texts, each once, fit to be shown."""
    return tuple(dict.fromkeys(map(plain, texts)))


def _proven(proof: Proof) -> Iterator[str]:
    """What the probe told from inside."""
    for name, value in (
        ("event loop", proof.loop),
        ("protocol", proof.protocol),
        ("parser", proof.parser),
        ("transport", proof.transport),
        ("HTTP", proof.http_version),
        ("ASGI", proof.asgi_version),
    ):
        if value is not None:
            yield f"{name} {value}"
    if proof.tcp_nodelay is not None:
        yield f"TCP_NODELAY {'on' if proof.tcp_nodelay else 'off'}"
    for fault in (proof.fault, proof.unproven):
        if fault is not None:
            yield fault


def _request(request: AnyRequest) -> str:
    """The request line and headers, and how long its body is."""
    headers = "".join(f"; {name}: {value}" for name, value in request.headers.items())
    size = len(request.content)
    body = f"; {size} bytes of body" if size else ""
    return plain(f"{request.method} {request.path}{headers}{body}")


def _answer(request: AnyRequest) -> Iterator[str]:
    """What a right answer has."""
    yield f"status {request.expect_status}" if request.expect_status else "status not stated"
    content = request.expected_content
    if content is not None:
        yield f"a body of exactly these {len(content)} bytes"
    if request.expect_pattern is not None:
        yield plain(f"a body that matches {request.expect_pattern}")
