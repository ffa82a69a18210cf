"""The live display of a run, on stderr: round, cell, time left, last throughput.

It is drawn only between slices, from the harness's own thread: a display that refreshed itself
would take CPU from the load generator in the middle of a slice.
"""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from asgi_bench.measurement.progress import BehaviourBegun, Event, PhaseBegun, SliceDone, TrialDone
from asgi_bench.model import Plan
from asgi_bench.plain_text import harmless_lines

REDRAW_EVERY_S = 0.5
BEHAVIOURS = {
    "stop": "stopped under load",
    "overload": "under more load than it takes",
    "restart": "a worker killed",
    "idle": "idle connections",
}
WORDS = {
    "prove": "seeing what really runs",
    "start": "starting servers",
    "open": "opening connections",
    "load": "under load",
    "stop": "stopping servers",
}


class LiveBar:
    """A bar that is drawn on request, and not at all without a terminal."""

    def __init__(
        self, console: Console | None, columns: Sequence[ProgressColumn], words: str, **fields: Any
    ) -> None:
        self.console = console or Console(stderr=True)
        self._drawn_s = 0.0
        self._progress = Progress(
            *columns, console=self.console, auto_refresh=False, transient=True
        )
        self._task = self._progress.add_task(words, total=1.0, **fields)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._progress.stop()

    def update(self, **fields: Any) -> None:
        """Update what the next drawing shows."""
        self._progress.update(self._task, **fields)

    def draw(self, *, force: bool = False) -> None:
        """Redraw, unless the last drawing is too recent."""
        now_s = time.monotonic()
        if self.console.is_terminal and (force or now_s - self._drawn_s > REDRAW_EVERY_S):
            self._drawn_s = now_s
            self._progress.refresh()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(
            harmless_lines(text.rstrip()), markup=False, highlight=False, soft_wrap=True
        )


class RunProgress(LiveBar):
    """Draws what `observe` gets; plain lines, one per block, if stderr is no terminal.

    An A/B ends when it has seen enough: only the longest time that it may take is known.
    """

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        self._rounds = plan.most_rounds
        self._gate = plan.gate
        self._most = "at most " if plan.goal else ""
        ends = plan.gate or plan.goal
        self._budget_s = ends.budget_s if ends else None
        self._begun_s = time.monotonic()
        self._where = ""
        self._share = 0.0
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[last]}"),
        )
        super().__init__(console, columns, "getting ready", left="", last="")

    def observe(self, event: Event) -> None:
        """Record what happened; redraw, unless the last drawing is too recent."""
        match event:
            case PhaseBegun():
                self._enter(event)
            case SliceDone():
                self._share = self._done(event)
                self.update(
                    completed=self._share,
                    description=self._where,
                    left=self._time_left(),
                    last=f"{event.cell} {event.throughput_rps:,.0f}/s",
                )
                self.draw()
            case BehaviourBegun():
                self._behave(event)
            case TrialDone(trial=trial) if trial.outcome == "failed":
                self.say(f"{trial.cell}: failed: {trial.reason}")

    def _enter(self, event: PhaseBegun) -> None:
        number = event.round + 1
        where = f"block {number}" if self._gate else f"round {number}"
        if self._rounds is not None and not self._gate:
            where += f"/{self._rounds}"
        self._where = f"{where}: {WORDS[event.phase]}"
        self.update(description=self._where, left=self._time_left())
        self.draw(force=True)
        if event.phase == "start" and not self.console.is_terminal:
            if not self._gate:
                of = "" if self._rounds is None else f" of {self._most}{self._rounds}"
                where = f"round {number}{of}, block {event.block + 1}"
            self.say(f"{where} {self._time_left()}")

    def _behave(self, event: BehaviourBegun) -> None:
        words = f"behaviour of {event.setting}: {BEHAVIOURS[event.part]}"
        self.update(description=words, left="", last="")
        self.draw(force=True)
        if not self.console.is_terminal:
            self.say(words)

    def _done(self, event: SliceDone) -> float:
        """The share of the run that is over: of its load, or of its time where that ends it."""
        share = event.loaded_s / event.planned_s if event.planned_s else 1.0
        if self._budget_s is None:
            return share
        return min(max(share, (time.monotonic() - self._begun_s) / self._budget_s), 1.0)

    def _time_left(self) -> str:
        elapsed_s = time.monotonic() - self._begun_s
        if self._share < 0.02:
            return ""
        left_s = elapsed_s * (1 - self._share) / self._share
        left = f"{int(left_s) // 60}:{int(left_s) % 60:02d} left"
        return f"at most {left}" if self._gate else left
