"""What each server was started with, what it proved to be, and what was requested from it."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from asgi_bench.analysis.report import SettingReport
from asgi_bench.model import Proof, Request, Scenario, ServerEnvironment, WeightedRequest
from asgi_bench.reporting.document import (
    Aside,
    Block,
    Command,
    Entry,
    Facts,
    Item,
    Items,
    Notes,
    Section,
    Span,
    Words,
)
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import plain


def commands_section(source: Source) -> Section:
    """Each server's version, and its command for each worker count, with what really ran."""
    found: dict[str, list[SettingReport]] = {}
    for each in source.report.settings:
        found.setdefault(each.setting.rpartition("/")[0], []).append(each)
    header = source.run.header if source.run is not None else None
    scenarios = header.preparation.answered(header.plan).scenarios if header is not None else ()
    asked = tuple(fact for scenario in scenarios for fact in _asked(scenario))
    requests = (Aside((Entry("Requests", (Facts(asked),)),)),) if asked else ()
    entries = map(setting_entry, found.values())
    return Section("servers", "Commands and versions", (*entries, *requests))


def setting_entry(members: Sequence[SettingReport]) -> Entry:
    """A server and variant: commands with the variables in front, quoted for a shell."""
    first = members[0]
    versions = (each.server_version or "version unknown" for each in members)
    env = _once(
        f"{name}={shlex.quote(value)}" for each in members for name, value in each.env.items()
    )
    seen = (
        "; ".join(_proven(each.proof, each.workers)) for each in members if each.proof is not None
    )
    proofs = tuple(f"seen from inside: {proof}" for proof in _once(seen))
    starts = (block for each in members for block in _start(each, env))
    apart = _once(_environment_words(one) for each in members if (one := each.environment))
    variant = first.setting.removeprefix(f"{first.server}/").rpartition("/")[0]
    return Entry(
        title=f"{first.server} {variant}",
        # In a terminal they would hide the commands.
        blocks=(*starts, Aside((Notes((*apart, *proofs)),), least="markdown")),
        aside=", ".join(_once(versions)),
        facets={"server": plain(first.server)},
        is_brief=True,
    )


def _environment_words(environment: ServerEnvironment) -> str:
    """What a server has in an environment of its own."""
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    return f"in its own environment: {packages}"


def _start(setting: SettingReport, env: Iterable[str]) -> Iterator[Block]:
    """How it is started with one worker count, or why not."""
    label, facets = f"w{setting.workers}", {"workers": str(setting.workers)}
    if setting.reason:
        yield Items((Item(f"{label}: skipped, {setting.reason}", facets=facets),))
    if setting.command:
        yield Command(" ".join((*env, shlex.join(setting.command))), label, facets)


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts, each once, fit to be shown."""
    return tuple(dict.fromkeys(map(plain, texts)))


def _proven(proof: Proof, workers: int) -> Iterator[str]:
    """What the probe told from inside, and by how many of the workers where not by all."""
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
    if 0 < len(proof.worker_pids) < workers:
        yield f"reported by {len(proof.worker_pids)} of {workers} workers"
    for fault in (proof.fault, proof.unproven):
        if fault is not None:
            yield fault


def _asked(scenario: Scenario) -> Iterator[tuple[str, Words]]:
    """A scenario's requests, each with its weight, and the answer that alone counts."""
    for request in scenario.requests or (scenario,):
        name = scenario.name if request is scenario else _weighted_name(request)
        words = f", {scenario.description}" if scenario.description else ""
        answer = ", ".join(_answer(request))
        yield (
            name,
            (
                Span(_request(request), "code"),
                " of ",
                Span(scenario.app, "code"),
                f"{words}. Correct response: {answer}.",
            ),
        )


def _weighted_name(request: Request) -> str:
    weight = request.weight if isinstance(request, WeightedRequest) else 1.0
    return f"{request.name}, weight {weight:g}"


def _request(request: Request) -> str:
    """The request line and headers, and how long its body is."""
    headers = "".join(f"; {name}: {value}" for name, value in request.headers.items())
    size = len(request.content)
    how = " in chunks" if request.chunked else ""
    body = f"; {size} bytes of body{how}" if size else ""
    return plain(f"{request.method} {request.path}{headers}{body}")


def _answer(request: Request) -> Iterator[str]:
    """What a right answer has."""
    yield f"status {request.expect_status}" if request.expect_status else "status not stated"
    content = request.expected_content
    if request.messages:
        awaited = sum(message.times for message in request.messages if not message.is_sent)
        yield "the one message stated" if awaited == 1 else f"the {awaited} messages stated"
    if content is not None:
        coding = f", decoded from {request.expect_coding}" if request.expect_coding else ""
        yield f"a body of exactly these {len(content)} bytes{coding}"
    if request.expect_pattern is not None:
        yield plain(f"a body that matches {request.expect_pattern}")
