"""A server that somebody else started: its responses are all that is known about it."""

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
    """Return the server of a cell, not yet started: in a place of its own, or where it is."""
    if planned.endpoint is not None:
        return ServerElsewhere(planned, endpoint=planned.endpoint, log_path=log_path)
    found = places.place(planned.cell, chance)
    return ServerProcess(planned, endpoint=found.endpoint, log_path=log_path, fill=found.fill)


class ServerElsewhere(ServerProcess):
    """A server that is neither started nor stopped, without known processes, and without a log."""

    is_ours: ClassVar[bool] = False

    @property
    def is_alive(self) -> bool:
        """True, as far as is known."""
        return True

    @property
    def exit_description(self) -> str | None:
        """None: its end can't be seen."""
        return None

    def live_pids(
        self, table: ProcessTable | None = None, *, search: bool = False
    ) -> tuple[int, ...]:
        """None are known."""
        return ()

    def census(self) -> Census:
        """Empty: nobody is known."""
        return NOBODY

    def start(self) -> None:
        """Nothing: it is already up."""
        self.started_s = time.monotonic()

    def request_stop(self, *, roots_only: bool = False) -> None:
        """Nothing: it is not ours to stop."""

    def poll_stop(self, table: ProcessTable | None = None) -> bool:
        """True: nothing of ours is left."""
        return True

    def finish_stop(self, deadline_s: float) -> StopReport:
        """Nothing to end."""
        return StopReport(0.0, was_killed=False)

    def kill(self) -> StopReport:
        """Nothing to end."""
        return StopReport(0.0, was_killed=False)
