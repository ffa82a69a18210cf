"""The run's load process: started before the first servers are, replaced when it fails."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from asgi_bench.load.generator import LoadProcess, slice_arguments
from asgi_bench.machine.affinity import move
from asgi_bench.measurement.interruption import uninterrupted
from asgi_bench.model import Plan


def spread(pids: Sequence[int], cpus: Sequence[int]) -> tuple[int, ...]:
    """Put load processes on CPUs, each on its own where there are enough; return those read back.

    A single one may use them all, as may each of more processes than there are CPUs.
    """
    if not 1 < len(pids) <= len(cpus):
        return move(pids, cpus)
    taken: set[int] = set()
    for pid, cpu in zip(pids, cpus, strict=False):
        taken.update(move([pid], [cpu]))
    return tuple(sorted(taken))


class LoadStand:
    """Holds one slice server ready; `folder` is the run's, where its log and table go."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._stack = ExitStack()
        self._process: LoadProcess | None = None
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, fault, trace)

    def prepare(self) -> None:
        """Start a load process, which takes a second or two; `current` waits for it."""
        self._start()

    def current(self) -> LoadProcess:
        """Return the load process, ready for commands and on its CPUs; raises LoadFault."""
        if self._process is not None and not self._process.is_alive:
            self.discard()
        process = self._process or self._start()
        if not process.pids:
            process.greet()
            process.cpus = spread(process.pids, self._plan.load_cpus)
            # The master of several carries no load, yet would do its work on the servers' CPUs.
            move(set(process.group_pids).difference(process.pids), self._plan.load_cpus)
        return process

    def discard(self) -> None:
        """End a process that failed; the next `current` starts another."""
        self._process = None
        self._stack.close()

    def _start(self) -> LoadProcess:
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        # Each process of a run has a table of its own: counts of one that failed aren't lost.
        suffix = f"-{self._started}" if self._started else ""
        self._started += 1
        process = LoadProcess(
            slice_arguments(self._plan.load_processes),
            log=logs / f"locust{suffix}.log",
            table=self._folder / f"locust{suffix}_stats.csv",
            web_ui=self._plan.web_ui,
        )
        with uninterrupted():
            self._process = self._stack.enter_context(process)
        return self._process
