"""A server that somebody else has started: all that is known of it is what it answers."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import ClassVar

from asgi_bench.machine.processes import ProcessTable
from asgi_bench.model import PlannedCell
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess, StopReport
from asgi_bench.serving.process_tree import NOBODY, Census


def server_process(
    planned: PlannedCell, places: Places, chance: random.Random, log_path: Path
) -> ServerProcess:
    """Return the server of a cell, not yet started: at a place of its own, or where it is."""
    if planned.endpoint is not None:
        return ServerElsewhere(planned, endpoint=planned.endpoint, log_path=log_path)
    found = places.place(planned.cell, chance)
    return ServerProcess(planned, endpoint=found.endpoint, log_path=log_path, fill=found.fill)


class ServerElsewhere(ServerProcess):
    """It is neither started nor stopped, has no processes that we know, and no log."""

    is_ours: ClassVar[bool] = False

    @property
    def is_alive(self) -> bool:
        """As far as we know."""
        return True

    @property
    def exit_description(self) -> str | None:
        """Nothing that we would see."""
        return None

    def live_pids(
        self, table: ProcessTable | None = None, *, search: bool = False
    ) -> tuple[int, ...]:
        """None that we know."""
        return ()

    def census(self) -> Census:
        """Nobody that we know."""
        return NOBODY

    def start(self) -> None:
        """It stands already."""
        self.started_s = time.monotonic()

    def request_stop(self, *, roots_only: bool = False) -> None:
        """It is not ours to stop."""

    def poll_stop(self, table: ProcessTable | None = None) -> bool:
        """Nothing of ours is left."""
        return True

    def finish_stop(self, deadline_s: float) -> StopReport:
        """Nothing is to be ended."""
        return StopReport(0.0, was_killed=False)

    def kill(self) -> StopReport:
        """Nothing is to be ended."""
        return StopReport(0.0, was_killed=False)
