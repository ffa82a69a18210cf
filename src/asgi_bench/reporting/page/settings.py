"""What each server was started with, and what it proved to be."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from asgi_bench.model import PlannedCell, Proof, Run, Scenario
from asgi_bench.reporting.wording import plain


class Setting(NamedTuple):
    """A server, variant and worker count: version, argv as a shell takes it, what really ran."""

    key: str
    server: str
    workers: int
    version: str
    command: str
    env: tuple[str, ...]
    working_dir: str
    proof: str
    note: str


class Request(NamedTuple):
    """A scenario: the request, and the answer that alone counts."""

    name: str
    description: str
    app: str
    request: str
    answer: str


def settings_of(run: Run, proofs: Sequence[Proof]) -> tuple[Setting, ...]:
    """Each server setting of the plan once, in its order."""
    by_setting = {proof.setting: proof for proof in proofs}
    found: dict[str, Setting] = {}
    for planned in run.header.plan.cells:
        cell = planned.cell
        key = f"{cell.server}/{cell.variant}/w{cell.workers}"
        if key not in found:
            found[key] = _setting(key, planned, by_setting)
    return tuple(found.values())


def requests_of(scenarios: Sequence[Scenario]) -> tuple[Request, ...]:
    """The scenarios in the plan's order."""
    return tuple(
        Request(
            name=plain(scenario.name),
            description=plain(scenario.description),
            app=plain(scenario.app),
            request=_request(scenario),
            answer=", ".join(_answer(scenario)),
        )
        for scenario in scenarios
    )


def _setting(key: str, planned: PlannedCell, proofs: Mapping[str, Proof]) -> Setting:
    """One setting."""
    proof = proofs.get(key)
    return Setting(
        key=plain(key),
        server=plain(planned.cell.server),
        workers=planned.cell.workers,
        version=plain(planned.server_version or "version unknown"),
        command=plain(shlex.join(planned.command)),
        env=tuple(plain(f"{name}={value}") for name, value in planned.env.items()),
        working_dir=plain(planned.working_dir),
        proof="" if proof is None else "; ".join(_proven(proof)),
        note=plain(planned.skip_reason or ""),
    )


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
            yield f"{name} {plain(value)}"
    if proof.tcp_nodelay is not None:
        yield f"TCP_NODELAY {'on' if proof.tcp_nodelay else 'off'}"
    for fault in (proof.fault, proof.unproven):
        if fault is not None:
            yield plain(fault)


def _request(scenario: Scenario) -> str:
    """The request line and headers, and how long its body is."""
    headers = "".join(f"; {name}: {value}" for name, value in scenario.headers.items())
    size = len(scenario.content)
    body = f"; {size} bytes of body" if size else ""
    return plain(f"{scenario.method} {scenario.path}{headers}{body}")


def _answer(scenario: Scenario) -> Iterator[str]:
    """What a right answer has."""
    yield f"status {scenario.expect_status}" if scenario.expect_status else "status not stated"
    content = scenario.expected_content
    if content is not None:
        yield f"a body of exactly these {len(content)} bytes"
    if scenario.expect_pattern is not None:
        yield plain(f"a body that matches {scenario.expect_pattern}")
