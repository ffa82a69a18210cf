"""What the responses of a plan must be: learned from probes unless the user stated it."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import NamedTuple

import msgspec

from asgi_bench.errors import BenchError, UsageError
from asgi_bench.log_reasons import Rank
from asgi_bench.measurement.interruption import uninterrupted
from asgi_bench.measurement.running_servers import lifespan_words
from asgi_bench.model import Plan, PlannedCell, Preparation, Request, Scenario
from asgi_bench.serving.elsewhere import server_process
from asgi_bench.serving.expectation import (
    RequestT,
    Streamed,
    answer_of,
    learned,
    learned_stream,
    parts_compared,
    stream_of,
)
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.readiness import wait_for_all
from asgi_bench.wire.http1 import Response

PROBES = 3
# Two starts side by side tell what belongs to one process (its pid, a random key); three probes
# over more than a second tell what the clock writes into the body.
STARTS = 2
PROBE_PAUSE_S = 0.55
# A server may be at fault itself; an app that three servers can't serve is.
SERVERS_TRIED = 3
TOLD_LOG_LINES = 40


class Lesson(NamedTuple):
    """What was learned: requests by name with their correct responses, and how many were `sent`.

    They went to the servers of one cell, `cell` by key; to none if every cell is skipped.
    """

    requests: dict[str, Request]
    cell: str | None
    sent: int


NOTHING = Lesson({}, None, 0)


def learn_answers(plan: Plan, folder: Path, announce: Callable[[str], None]) -> Preparation:
    """Return every scenario of a plan with its correct responses, and what will be compared.

    Servers are started for a scenario whose status isn't known yet; their logs go to `folder`, and
    what they were sent counts for their cell. A locustfile decides itself which responses to its
    requests are correct, and a server that responds at all is ready for it.

    Raises:
        UsageError: none of the responses is correct, or they differ.
        BenchError: no server could serve the app.
    """
    if plan.locustfile is not None:
        return Preparation(plan.scenarios)
    with Places(plan.server_host) as places:
        return _learn_all(plan, folder, announce, places)


def _learn_all(
    plan: Plan, folder: Path, announce: Callable[[str], None], places: Places
) -> Preparation:
    scenarios: list[Scenario] = []
    asked: dict[str, int] = {}
    for scenario in plan.scenarios:
        members: tuple[Request, ...] = scenario.requests or (scenario,)
        unknown = [request for request in members if _is_unknown(request)]
        lesson = _learn(plan, scenario, unknown, folder, places) if unknown else NOTHING
        if lesson.cell is not None:
            asked[lesson.cell] = asked.get(lesson.cell, 0) + lesson.sent
        settled = [_settled(lesson.requests.get(request.name, request)) for request in members]
        for before, request in zip(members, settled, strict=True):
            if _is_unknown(before) or request.expect_pattern is not None:
                announce(_in_words(request))
        scenarios.append(_with_settled(scenario, settled))
    return Preparation(tuple(scenarios), asked)


def _is_unknown(request: Request) -> bool:
    """Whether probes have to tell what a right answer is, or whether a stream has an end."""
    is_open = request.stream is not None and request.stream.leave_after == 0
    return request.expect_status == 0 or is_open


def _settled(request: RequestT) -> RequestT:
    return msgspec.structs.replace(request, compared=parts_compared(request))


def _with_settled(scenario: Scenario, settled: Sequence[Request]) -> Scenario:
    """The scenario with what is known of its requests; its own is the first of them."""
    first = settled[0]
    if isinstance(first, Scenario):
        return first
    facts = {name: getattr(first, name) for name in Request.__struct_fields__ if name != "name"}
    return msgspec.structs.replace(scenario, requests=tuple(settled), **facts)


def _learn(
    plan: Plan,
    scenario: Scenario,
    unknown: Sequence[Request],
    folder: Path,
    places: Places,
) -> Lesson:
    """Find out the right answers to some of a scenario's requests."""
    first_fault: BenchError | None = None
    first_refusal: UsageError | None = None
    chance = random.SystemRandom()
    for number, planned in enumerate(_teachers(plan, scenario)):
        logs = [folder / f"{scenario.name}-{number}-{start}.log" for start in range(STARTS)]
        starts = [server_process(planned, places, chance, log) for log in logs]
        try:
            answers, sent = _answers(plan, starts, scenario, unknown)
        except ServerFault as fault:
            first_fault = first_fault or _no_server(starts[0], fault)
            continue
        try:
            is_of_file = bool(scenario.requests)
            found = {
                request.name: _learned(request, answers[request.name], is_of_file=is_of_file)
                for request in unknown
            }
            return Lesson(found, planned.cell.key, sent)
        except UsageError as fault:
            # It may not suit this server alone: one that serves it tells what is right.
            first_refusal = first_refusal or _refusal(starts[0], fault)
    if first_refusal is not None:
        raise first_refusal
    if first_fault is not None:
        raise first_fault
    return NOTHING  # Nothing will be measured: every cell is skipped with its reason.


def _learned(
    request: RequestT, answers: Sequence[Response | Streamed], *, is_of_file: bool
) -> RequestT:
    streams = [each for each in answers if isinstance(each, Streamed)]
    if streams:
        return learned_stream(request, streams)
    plain = [each for each in answers if isinstance(each, Response)]
    return learned(request, plain, is_of_file=is_of_file)


def _refusal(process: ServerProcess, fault: UsageError) -> UsageError:
    planned = process.planned
    lack = "" if planned.has_lifespan else f"; {lifespan_words(planned)}"
    told = UsageError(f"{fault} (asked of {planned.cell.process_key}{lack})")
    told.account = _last_lines(process)
    return told


def _no_server(process: ServerProcess, fault: ServerFault) -> BenchError:
    name = process.planned.cell.process_key
    told = BenchError(f"no server could serve the app; {name}: {fault.reason}")
    if not process.is_ours:
        told = BenchError(f"--target: {fault.reason}")
    told.account = _last_lines(process)
    return told


def _teachers(plan: Plan, scenario: Scenario) -> list[PlannedCell]:
    """Cells to learn from: one of each server, with the fewest workers.

    Those that run the app's start-up come first, of them the reference's.
    """
    cells = [
        planned
        for planned in plan.cells
        if planned.skip_reason is None and planned.cell.scenario == scenario.name
    ]
    is_other = {one.cell.key: not one.cell.key.startswith(f"{plan.reference}/") for one in cells}
    cells.sort(key=lambda one: (not one.has_lifespan, is_other[one.cell.key], one.cell.workers))
    by_server: dict[str, PlannedCell] = {}
    for planned in cells:
        by_server.setdefault(planned.cell.server, planned)
    return list(by_server.values())[:SERVERS_TRIED]


def _answers(
    plan: Plan,
    processes: Sequence[ServerProcess],
    scenario: Scenario,
    unknown: Sequence[Request],
) -> tuple[dict[str, list[Response | Streamed]], int]:
    """Start the servers and ask each several times; also how much was sent in all.

    Raises ServerFault.
    """
    with ExitStack() as stack:
        for process in processes:
            with uninterrupted():
                stack.enter_context(process)
        awaited = [(process, scenario, process.workers) for process in processes]
        sent = PROBES * STARTS * len(unknown)
        for outcome in wait_for_all(awaited, plan.startup_timeout_s, plan.request_timeout_s):
            if isinstance(outcome, ServerFault):
                raise outcome
            sent += outcome.probes_sent
        answers: dict[str, list[Response | Streamed]] = {request.name: [] for request in unknown}
        for number in range(PROBES):
            time.sleep(PROBE_PAUSE_S if number else 0)
            for request, process in product(unknown, processes):
                try:
                    ask = answer_of if request.stream is None else stream_of
                    answer = ask(process.endpoint, request, plan.request_timeout_s)
                except ServerFault as fault:
                    told = process.explained(fault.reason, least=Rank.ERROR)
                    raise ServerFault(told) from None
                answers[request.name].append(answer)
        return answers, sent


def _last_lines(process: ServerProcess) -> str:
    """The end of what a server wrote until we stopped it."""
    lines = process.log.text().rstrip().splitlines()
    return "\n".join(lines[-TOLD_LOG_LINES:])


def _in_words(request: Request) -> str:
    size = request.expected_content
    how = {
        "body": f"body ({len(size or b'')} bytes)",
        "pattern": f"a match of {request.expect_pattern!r} in the body",
    }
    parts = [how.get(part, part) for part in request.compared]
    end = ""
    if request.stream is not None:
        after = request.stream.leave_after
        end = ", a stream that ends" if after is None else f", a stream, left after {after} parts"
    return (
        f"{request.method} {request.path} of {request.name} returns "
        f"{request.expect_status}{end}; compared in every response: {', '.join(parts)}"
    )
