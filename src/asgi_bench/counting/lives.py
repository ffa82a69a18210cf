"""Lives of servers that are counted from start to end, several side by side.

The lives of one call serve for the same time, however many requests they get: timers then cost the
same in all, and cancel out in their differences as starting and stopping do.
"""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from asgi_bench.counting.asker import Asker
from asgi_bench.counting.backends.counting import Counting
from asgi_bench.machine.mapped_code import mapped_code
from asgi_bench.machine.processes import are_asleep
from asgi_bench.measurement.interruption import uninterrupted
from asgi_bench.measurement.running_servers import HASH_SEED, with_what_it_lacks
from asgi_bench.model import PlannedCell, Scenario
from asgi_bench.model.counts import Life
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess, stop_all
from asgi_bench.serving.readiness import Readiness, wait_for_all

# A layout is an environment: its length moves the stack, its strings what lies on the heap.
LAYOUT = "ASGI_BENCH_LAYOUT"
_MOST_PADDING = 4096
_MOST_WORDS, _LONGEST_WORD = 60, 120
# Until a server has noticed that its clients are gone.
_PARTING_S = 0.3
_STOP_TIMEOUT_S = 10.0
# Silent workers are replaced after seconds; a start takes some under a backend.
_WORKER_TIMEOUT_S = 600
_POLL_S = 0.5
# How often it is looked whether a server sleeps that has answered, until when one is waited for
# that doesn't, and how often in a row that is done for one that never does.
_SETTLE_POLL_S = 0.0005
_MOST_SETTLING_S = 0.5
_MOST_SLEEPLESS = 5
# Threads and processes may come later: they are looked for again after so many answers.
_ANSWERS_A_LOOK = 100


class Asked(msgspec.Struct, frozen=True):
    """One life to be counted, with its layout and the number of responses to request."""

    planned: PlannedCell
    scenario: Scenario
    layout: int
    answers: int
    log_path: Path
    log: str = ""
    """The same from the run's folder on."""
    tells_code: bool = False
    """Whether its life is to tell what machine code it ran."""


class Patience(msgspec.Struct, frozen=True):
    """The plan's time-outs."""

    startup_s: float
    request_s: float


def layout_variables(layout: int) -> dict[str, str]:
    """What a layout adds to the environment, and the hash seed; the first adds nothing.

    Its length moves the stack. Its many short strings move all small objects that Python creates
    after them, and so which of them collide when looked up by address.
    """
    if layout == 0:
        return {HASH_SEED: "0", LAYOUT: ""}
    chance = random.Random(layout)
    words = [chance.randrange(1, _LONGEST_WORD) for _ in range(chance.randrange(1, _MOST_WORDS))]
    return {
        HASH_SEED: str(layout),
        LAYOUT: "x" * chance.randrange(1, _MOST_PADDING),
        **{f"{LAYOUT}_{number:02}": "x" * length for number, length in enumerate(words)},
    }


def count_lives(
    asked: Sequence[Asked], backend: Counting, folder: Path, patience: Patience
) -> list[Life]:
    """Count lives side by side, from their start to their end; returned in their order.

    `folder` is an empty one for what the backend writes. What goes wrong with a server is the
    reason of its own life, and doesn't affect the others.
    """
    with ExitStack() as stack:
        places = stack.enter_context(Places())
        members: list[_Member] = []
        for number, one in enumerate(asked):
            member = _Member(one, backend, folder / f"{number:04}", places)
            members.append(member)
            with uninterrupted():
                stack.callback(member.end)
                member.start()
        _await(members, patience, backend.patience)
        _ask(members, patience.request_s * backend.patience)
        for member in members:
            member.look()
        _stop(members, _STOP_TIMEOUT_S * backend.patience)
    return [member.life() for member in members]


class _Member:
    """One of the lives while it lasts."""

    def __init__(self, asked: Asked, backend: Counting, folder: Path, places: Places) -> None:
        folder.mkdir()
        self.asked = asked
        self.backend = backend
        self.folder = folder
        cell = asked.planned.cell
        # A port has five digits in every life: a longer command would be another layout.
        place = places.place(cell, random.SystemRandom())
        self.process = ServerProcess(
            _counted(asked, backend, folder),
            endpoint=place.endpoint,
            log_path=asked.log_path,
            fill=place.fill,
        )
        self.fault: str | None = None
        self.asker: Asker | None = None
        self.ready_s = 0.0
        self.stopped_s = 0.0
        self.sent_s = 0.0
        self.probes = 0
        self.code: dict[str, str] = {}
        self.answered_s: float | None = None
        self.pids: tuple[int, ...] = ()
        self.sleepless = 0

    def start(self) -> None:
        try:
            self.process.start()
        except ServerFault as fault:
            self.fail(fault.reason)

    def settle(self, readiness: Readiness, request_timeout_s: float) -> None:
        assert self.process.started_s is not None
        self.ready_s = self.process.started_s + readiness.startup_s
        self.probes = readiness.probes_sent
        self.pids = self.process.pids
        connections = self.asked.planned.cell.load.connections
        self.asker = Asker(
            self.process.endpoint, self.asked.scenario, connections, request_timeout_s
        )

    @property
    def is_done(self) -> bool:
        return self.asker is None or self.answered >= self.asked.answers

    @property
    def answered(self) -> int:
        return self.probes + (0 if self.asker is None else self.asker.answered)

    def fileno(self) -> int:
        assert self.asker is not None
        return self.asker.fileno()

    def send_once_asleep(self) -> None:
        """Send the next request where the server sleeps after its last answer.

        Sent at once, it may come before the server has looked whether there is anything to do, or
        after: that would be a turn of its event loop less for some requests, as timing has it.
        """
        assert self.answered_s is not None
        if self.answered % _ANSWERS_A_LOOK == 0:
            self.pids = self.process.pids
        if self.sleepless >= _MOST_SLEEPLESS:
            self.send()
        elif are_asleep(self.pids):
            self.sleepless = 0
            self.send()
        elif time.monotonic() - self.answered_s > _MOST_SETTLING_S:
            self.sleepless += 1
            self.send()

    def send(self) -> None:
        assert self.asker is not None
        self.answered_s = None
        self.sent_s = time.monotonic()
        try:
            self.asker.send()
        except ServerFault as fault:
            self.fail(self.process.explained(fault.reason))

    def take(self) -> None:
        assert self.asker is not None
        try:
            is_whole = self.asker.take()
        except ServerFault as fault:
            self.fail(self.process.explained(fault.reason))
            return
        if is_whole:
            self.answered_s = time.monotonic()

    def fail(self, reason: str) -> None:
        if self.fault is None:
            ended = self.process.exit_description
            self.fault = self.backend.fault(self.folder) or (
                self.process.explained(ended) if ended and ended not in reason else reason
            )
        self.end()

    def look(self) -> None:
        """Read what machine code it runs, if that is to be told: while it serves."""
        if self.asked.tells_code and self.fault is None:
            self.code = mapped_code(self.process.pids)

    def part(self) -> None:
        if self.asker is not None:
            self.asker.close()

    def end(self) -> None:
        self.part()
        self.process.kill()

    def life(self) -> Life:
        tally = None
        if self.fault is None:
            try:
                tally = self.backend.tally(self.folder)
            except ServerFault as fault:
                self.fault = self.backend.fault(self.folder) or fault.reason
        return Life(
            cell=self.asked.planned.cell.key,
            counter=self.backend.counter,
            backend=self.backend.backend,
            layout=self.asked.layout,
            requests=self.answered,
            serving_s=round(self.stopped_s - self.ready_s, 4),
            tally=tally,
            reason=self.fault,
            log=self.asked.log,
            code=self.code,
        )


def _counted(asked: Asked, backend: Counting, folder: Path) -> PlannedCell:
    """The cell as it is started: under the backend, with all that moves memory held."""
    planned = asked.planned
    # Not the same addresses in each life would be other collisions in each.
    fixed = ("setarch", os.uname().machine, "--addr-no-randomize")
    # One worker needs no supervisor, and older versions may not have the flag: where one has it all
    # the same, its runner file says so.
    silent = planned.worker_timeout_flag if planned.cell.workers > 1 else None
    longer = (silent, str(_WORKER_TIMEOUT_S)) if silent else ()
    return msgspec.structs.replace(
        planned,
        command=(*fixed, *backend.prefix(folder), *planned.counting_command, *longer),
        env={
            # Whoever is first would write what the others read.
            "PYTHONDONTWRITEBYTECODE": "1",
            **layout_variables(asked.layout),
            **planned.env,
        },
    )


def _await(members: Sequence[_Member], patience: Patience, longer: float) -> None:
    starting = [member for member in members if member.fault is None]
    outcomes = wait_for_all(
        [(one.process, one.asked.scenario, one.process.workers) for one in starting],
        patience.startup_s * longer,
        patience.request_s * longer,
    )
    for member, outcome in zip(starting, outcomes, strict=True):
        if isinstance(outcome, Readiness):
            member.settle(outcome, patience.request_s * longer)
        else:
            member.fail(with_what_it_lacks(outcome, member.asked.planned))


def _ask(members: Sequence[_Member], timeout_s: float) -> None:
    """Ask all that stand for their answers, side by side, each for one after the other."""
    for member in members:
        if member.fault is None:
            member.send()
    while True:
        waiting = [one for one in members if one.fault is None and not one.is_done]
        if not waiting:
            return
        for member in waiting:
            if member.answered_s is not None:
                member.send_once_asleep()
        asked = [one for one in waiting if one.fault is None and one.answered_s is None]
        poll_s = _POLL_S if len(asked) == len(waiting) else _SETTLE_POLL_S
        readable, _, _ = select.select(asked, [], [], poll_s)
        for member in readable:
            member.take()
        now_s = time.monotonic()
        for member in waiting:
            if member.fault is None and not member.is_done and now_s - member.sent_s > timeout_s:
                member.fail(
                    member.process.explained(f"no complete response within {timeout_s:g} s")
                )


def _stop(members: Sequence[_Member], timeout_s: float) -> None:
    """End all after the same time of serving: that of the one that was ready first, until now."""
    standing = [member for member in members if member.fault is None]
    now_s = time.monotonic()
    longest_s = max((now_s - one.ready_s for one in standing), default=0.0) + _PARTING_S
    for member in sorted(standing, key=lambda one: one.ready_s):
        ends_s = member.ready_s + longest_s
        time.sleep(max(0.0, ends_s - _PARTING_S - time.monotonic()))
        member.part()
        time.sleep(max(0.0, ends_s - time.monotonic()))
        member.stopped_s = time.monotonic()
        member.process.request_stop()
    reports = stop_all([member.process for member in standing], timeout_s)
    for member, report in zip(standing, reports, strict=True):
        if report.was_killed:
            member.fault = f"did not end within {timeout_s:g} s of SIGTERM"
        elif report.fault is not None:
            member.fault = report.fault
