"""The progress of a calibration on stderr: one line that changes, or one a stage and a tenth."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from asgi_bench.measurement.calibration.calibration_context import Step

REDRAW_EVERY_S = 0.5
# A log says how far it is at each of so many parts, and at each stage.
PARTS = 10


class CalibrationProgress:
    """Draws what `observe` is told, between slices alone; plain lines without a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._stage = ""
        self._drawn_s = 0.0
        self._part = 0
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.description}"),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("calibrating", total=1.0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def observe(self, step: Step) -> None:
        """Take in where the calibration stands; redraw where the last time is long enough ago."""
        share = min(step.loaded_s / step.planned_s, 1.0) if step.planned_s else 1.0
        is_new = step.stage != self._stage
        self._stage = step.stage
        if not self._console.is_terminal:
            part = int(share * PARTS)
            if is_new or part > self._part:
                self._part = part
                line = f"calibrating, {share:.0%} done: {step.stage}"
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        now_s = time.monotonic()
        if is_new or now_s - self._drawn_s > REDRAW_EVERY_S:
            self._drawn_s = now_s
            self._progress.update(self._task, completed=share, description=step.stage)
            self._progress.refresh()
