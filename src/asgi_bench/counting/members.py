"""Servers that are counted, several side by side: how each is started, asked, and ended."""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from asgi_bench.counting.asker import Asker
from asgi_bench.counting.backends.counting import Counting
from asgi_bench.machine.mapped_code import mapped_code
from asgi_bench.machine.processes import are_asleep
from asgi_bench.measurement.interruption import uninterrupted
from asgi_bench.measurement.running_servers import HASH_SEED, with_what_it_lacks
from asgi_bench.model import PlannedCell, Scenario
from asgi_bench.model.counts import Life, Tally
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.readiness import Readiness, wait_for_all

# A layout is an environment: its length moves the stack, its strings what lies on the heap.
LAYOUT = "ASGI_BENCH_LAYOUT"
_MOST_PADDING = 4096
_MOST_WORDS, _LONGEST_WORD = 60, 120
# Silent workers are replaced after seconds; a start takes some under a backend.
_WORKER_TIMEOUT_S = 600
_POLL_S = 0.5
# How often to look whether a server that has answered sleeps, how long to wait until it does, and
# after how many waits in vain not to wait for it any more.
_SETTLE_POLL_S = 0.0005
_MOST_SETTLING_S = 0.5
_MOST_SLEEPLESS = 5
# Threads and processes may come later: they are looked for again after so many answers.
_ANSWERS_A_LOOK = 100


class Asked(msgspec.Struct, frozen=True):
    """A server to be counted, with its layout and the number of responses to request."""

    planned: PlannedCell
    scenario: Scenario
    layout: int
    answers: int
    log_path: Path
    log: str = ""
    """The same from the run's folder on."""
    tells_code: bool = False
    """Whether it is to tell what machine code it ran."""


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


class Member:
    """One of the servers that are counted side by side; `fault` once something went wrong."""

    def __init__(self, asked: Asked, backend: Counting, folder: Path, places: Places) -> None:
        folder.mkdir()
        self.asked = asked
        self.goal = asked.answers
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
        self.sent_s = 0.0
        self.probes = 0
        self.code: dict[str, str] = {}
        self.answered_s: float | None = None
        self.pids: tuple[int, ...] = ()
        self.sleepless = 0

    def start(self) -> None:
        """Start its process."""
        try:
            self.process.start()
        except ServerFault as fault:
            self.fail(fault.reason)

    def settle(self, readiness: Readiness, request_timeout_s: float) -> None:
        """Take what became known when it was ready."""
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
        """Whether it has given as many answers as it was to give so far."""
        return self.asker is None or self.answered >= self.goal

    @property
    def answered(self) -> int:
        """How many requests it has answered, probes among them."""
        return self.probes + (0 if self.asker is None else self.asker.answered)

    def fileno(self) -> int:
        """The descriptor that its answer is awaited on."""
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
        """Send the next request."""
        assert self.asker is not None
        self.answered_s = None
        self.sent_s = time.monotonic()
        try:
            self.asker.send()
        except ServerFault as fault:
            self.fail(self.process.explained(fault.reason))

    def take(self) -> None:
        """Read what has arrived of its answer."""
        assert self.asker is not None
        try:
            is_whole = self.asker.take()
        except ServerFault as fault:
            self.fail(self.process.explained(fault.reason))
            return
        if is_whole:
            self.answered_s = time.monotonic()

    def fail(self, reason: str) -> None:
        """Note what went wrong, unless something had before, and end it."""
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
        """Close its connections."""
        if self.asker is not None:
            self.asker.close()

    def end(self) -> None:
        """End it at once, if it still runs."""
        self.part()
        self.process.kill()

    def life(self, requests: int, serving_s: float, tally: Tally | None = None) -> Life:
        """What is stored of it, whole or a window."""
        return Life(
            cell=self.asked.planned.cell.key,
            counter=self.backend.counter,
            backend=self.backend.backend,
            layout=self.asked.layout,
            requests=requests,
            serving_s=round(serving_s, 4),
            tally=tally,
            reason=self.fault,
            log=self.asked.log,
            code=self.code,
        )


@contextmanager
def started(
    asked: Sequence[Asked], backend: Counting, folder: Path, patience: Patience
) -> Iterator[list[Member]]:
    """Servers under the backend, side by side and ready; ended afterwards.

    `folder` is an empty one for what the backend writes. What goes wrong with a server is its own
    fault, and doesn't affect the others.
    """
    with ExitStack() as stack:
        places = stack.enter_context(Places())
        members: list[Member] = []
        for number, one in enumerate(asked):
            member = Member(one, backend, folder / f"{number:04}", places)
            members.append(member)
            with uninterrupted():
                stack.callback(member.end)
                member.start()
        _await_ready(members, patience, backend.patience)
        yield members


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


def _await_ready(members: Sequence[Member], patience: Patience, longer: float) -> None:
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


def ask(members: Sequence[Member], timeout_s: float) -> None:
    """Ask all that stand until each has its goal, side by side, each one request at a time."""
    for member in members:
        if member.fault is None and not member.is_done:
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


def fall_asleep(members: Sequence[Member]) -> None:
    """Wait until all that stand sleep: an answer is out before its server has done all for it."""
    for member in members:
        deadline_s = time.monotonic() + _MOST_SETTLING_S
        while member.fault is None and time.monotonic() < deadline_s:
            if are_asleep(member.pids):
                break
            time.sleep(_SETTLE_POLL_S)
