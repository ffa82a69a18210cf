"""The run's load process: started before the first servers are, replaced if it fails."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from asgi_bench.errors import BenchError
from asgi_bench.load.generator import (
    FAR_MASTER,
    FAR_START_TIMEOUT_S,
    START_TIMEOUT_S,
    LoadFault,
    LoadProcess,
    LoadSession,
    far_arguments,
    slice_arguments,
)
from asgi_bench.machine.affinity import move
from asgi_bench.measurement.interruption import uninterrupted
from asgi_bench.model import LoadHost, Plan
from asgi_bench.model.endpoint import TOKEN_VARIABLE


def spread(pids: Sequence[int], cpus: Sequence[int]) -> tuple[int, ...]:
    """Put load processes on CPUs, each on its own if there are enough; return the masks read back.

    A single process may use them all, as may each of more processes than there are CPUs.
    """
    if not 1 < len(pids) <= len(cpus):
        return move(pids, cpus)
    taken: set[int] = set()
    for pid, cpu in zip(pids, cpus, strict=False):
        taken.update(move([pid], [cpu]))
    return tuple(sorted(taken))


def enter(stack: ExitStack, process: LoadProcess) -> LoadProcess:
    """Start a load process that a stack ends, whatever interrupts us meanwhile."""
    with uninterrupted():
        return stack.enter_context(process)


def settle(process: LoadProcess, cpus: Sequence[int], timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until a load process is ready for commands and put it on its CPUs; raises LoadFault."""
    process.greet(timeout_s)
    process.cpus = spread(process.pids, cpus)
    # The master of several carries no load, yet would do its work on the servers' CPUs.
    move(set(process.group_pids).difference(process.pids), cpus)


class LoadProcesses:
    """Keeps one slice server ready; `folder` is the run's, where its log and table go.

    If the load comes from other hosts, it is their master, and they know it by the `token`. If
    such a host is lost, the run ends: nobody can take its part.
    """

    def __init__(self, folder: Path, plan: Plan, token: str | None = None) -> None:
        self._folder = folder
        self._plan = plan
        self._token = token
        self._lost: str | None = None
        self._stack = ExitStack()
        self._process: LoadProcess | None = None

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
        """Start a load process, which takes a second or two; its first user waits for it."""
        self._start()

    def await_hosts(self) -> None:
        """Wait for the load processes on other hosts, if any were requested.

        Raises BenchError if they don't come, or one of them was lost.
        """
        if not self._plan.load_hosts:
            return
        if self._lost is None:
            try:
                self._ready()
                return
            except LoadFault as fault:
                self._lost = str(fault)
        raise BenchError(
            f"the run ends here: {self._lost}; what is measured stays, and --resume goes on with "
            f"it, once load workers are started anew"
        )

    @contextmanager
    def in_use(self) -> Iterator[LoadProcess]:
        """Return the load process, ready for commands; if it fails inside the block, it is ended.

        Raises LoadFault, as its commands do; the next caller gets another process.
        """
        try:
            yield self._ready()
        except LoadFault as fault:
            self._lost = str(fault)
            self._discard()
            raise

    def survey(self) -> tuple[LoadHost, ...]:
        """See each load host's clock and the network to it; raises LoadFault. None of this one."""
        return self._ready().survey() if self._plan.load_hosts else ()

    def session(self, name: str) -> LoadSession:
        """Return a session of the process in use, on a target with that name."""
        return LoadSession(self._ready(), name, self._plan.request_timeout_s)

    def _ready(self) -> LoadProcess:
        if self._process is not None and not self._process.is_alive:
            self._discard()
            if self._plan.load_hosts:
                raise LoadFault("the master of the load hosts has died")
        process = self._process or self._start()
        if not process.is_ready:
            self._settle(process)
        return process

    def _settle(self, process: LoadProcess) -> None:
        """Wait until it is ready for commands; raises LoadFault."""
        count = self._plan.load_hosts
        timeout_s = FAR_START_TIMEOUT_S if count else START_TIMEOUT_S
        try:
            settle(process, self._plan.load_cpus, timeout_s)
        except LoadFault:
            if not count or not process.is_alive:
                raise
            late = f"not all of the {count} load workers came within {timeout_s / 60:g} minutes"
            raise LoadFault(late) from None

    def _discard(self) -> None:
        self._process = None
        self._stack.close()

    def _start(self) -> LoadProcess:
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        # Each process of a run has a table of its own: counts of one that failed aren't lost, nor
        # are those of the parts before this one.
        suffix = _free_suffix(logs)
        plan, listen = self._plan, self._plan.listen_at
        process = LoadProcess(
            slice_arguments(plan.load_processes)
            if listen is None
            else far_arguments(*listen, plan.load_hosts),
            log=logs / f"locust{suffix}.log",
            env={} if self._token is None else {TOKEN_VARIABLE: self._token},
            table=self._folder / f"locust{suffix}_stats.csv",
            web_ui=plan.web_ui,
            module=None if listen is None else FAR_MASTER,
        )
        self._process = enter(self._stack, process)
        return self._process


def _free_suffix(logs: Path) -> str:
    """What no load process of the run has had yet: nothing, `-1`, `-2`."""
    number = 0
    while (logs / f"locust{f'-{number}' if number else ''}.log").exists():
        number += 1
    return f"-{number}" if number else ""
