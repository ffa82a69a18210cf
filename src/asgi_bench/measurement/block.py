"""One block of one round: its servers up at once, loaded, stopped, its trials finished."""

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from asgi_bench.load.generator import LoadFault
from asgi_bench.machine.affinity import move
from asgi_bench.machine.memory import file_pss_bytes
from asgi_bench.machine.sockets import watchers
from asgi_bench.measurement.held_streams import look_for_leftovers
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.running_servers import RunningServer, RunningServers
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Cell, Plan, PlannedCell, Trial
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.worker_count import serving_processes
from asgi_bench.store.runs import RunWriter

# A server that takes no connections any more may still be closing; then it ends.
ENDING_S = 1.0
ENDING_POLL_S = 0.02
# Masters look for workers that ended every half second (uvicorn) or second (gunicorn); then the
# new one has to import the app.
REPLACEMENT_S = 3.0
REPLACEMENT_POLL_S = 0.05


class LoadedCell:
    """One cell in a block: its server and its trial, from the first connection to the last.

    `duration_s` is its time under load. A loader calls `end` after a cell's last slice, while its
    connections are still open.
    """

    def __init__(
        self, cell: Cell, server: RunningServer, trial: TrialBuilder, duration_s: float
    ) -> None:
        self.cell = cell
        self.duration_s = duration_s
        self.server = server
        self.trial = trial

    def end(self) -> None:
        """Read what the load has left behind."""
        self.server.credit_late_cpu()
        process = self.server.process
        live = process.pids
        ended = self._ended()
        fate = _worker_fate(process, self.server.worker_pids, self.server.pids)
        self.trial.note_workers(serving_processes(process.endpoint, live, self.cell.workers))
        self.trial.note(
            server_pss_bytes=self.server.memory.read(live),
            server_pss_file_bytes=file_pss_bytes(live),
            workers_lost=fate.lost,
            workers_replaced=fate.replaced,
            server_ended=ended,
        )

    def _ended(self) -> str | None:
        """How the server ended under load; one that refuses connections is given time for it."""
        deadline_s = time.monotonic() + (ENDING_S if self.trial.was_refused else 0.0)
        while True:
            how = self.server.process.exit_description
            if how is not None or time.monotonic() >= deadline_s:
                return how
            time.sleep(ENDING_POLL_S)


class _WorkerFate(NamedTuple):
    """Of the workers that stood before the load: how many were lost, how many replaced."""

    lost: int = 0
    replaced: int = 0


def _worker_fate(
    process: ServerProcess, worker_pids: Collection[int], ready_pids: Collection[int]
) -> _WorkerFate:
    """Look which workers are gone, and whether others accept in their place.

    One that is about to be recycled itself accepts no more: as many processes as stood when the
    server was ready (`ready_pids`) will do.

    One that takes the place of another just now is waited for, as long as the server's own first
    process lives.
    """
    deadline_s = time.monotonic() + REPLACEMENT_S
    while True:
        live = set(process.pids)
        gone = set(worker_pids) - live
        if not gone:
            return _WorkerFate()
        accepting = watchers(process.endpoint, live) | (set(worker_pids) & live)
        fewer = min(len(worker_pids) - len(accepting), len(ready_pids) - len(live))
        lost = min(len(gone), max(0, fewer))
        if not lost or not process.is_alive or time.monotonic() >= deadline_s:
            return _WorkerFate(lost, len(gone) - lost)
        time.sleep(REPLACEMENT_POLL_S)


class Loader(Protocol):
    """Puts load on the running servers of a block; raises LoadFault if it can't go on."""

    def load(self, cells: Sequence[LoadedCell], *, round: int, block: int) -> None:
        """Load every cell and bring its slices, histograms and totals into its trial."""


def measure_block(
    plan: Plan,
    cells: Sequence[PlannedCell],
    loader: Loader,
    writer: RunWriter,
    progress: Progress,
    *,
    round: int,
    block: int,
) -> list[Trial]:
    """Start the servers of a block, load them, stop them, and return a trial for each cell.

    A cell whose server can't be measured becomes a failed trial; if the load process fails, so
    does every cell that was up. If a load host is lost, trials keep what they have measured.
    """
    progress.enter(round, block, "start")
    with RunningServers(plan, cells, writer.log_path, round=round, block=block) as running:
        everything = [
            LoadedCell(
                planned.cell,
                server,
                _trial(planned, server, writer, progress, round, block),
                planned.duration_s or plan.duration_s,
            )
            for server in running.servers
            for planned in server.cells
        ]
        live = [item for item in everything if item.server.is_ready]
        try:
            with on_cpus(plan.load_cpus):
                loader.load(live, round=round, block=block)
        except LoadFault as fault:
            for item in live:
                if plan.load_hosts:
                    item.trial.lose_load(str(fault))
                else:
                    item.trial.fail(str(fault))
        for server in running.servers:
            # With all connections closed: what is left is what the server keeps.
            server.pss_after_bytes = server.memory.read(server.process.pids)
        if plan.gate is None:
            # The many short blocks of an A/B would mostly wait.
            look_for_leftovers(running.servers, plan.request_timeout_s)
        progress.enter(round, block, "stop")
        running.stop()
    return [_finish(item, progress.epoch_s) for item in everything]


@contextmanager
def on_cpus(cpus: Collection[int]) -> Iterator[None]:
    """Keep the harness off the servers' CPUs: it sleeps during slices, but not between them.

    Only while there is load: what it starts inherits its CPUs, and starts faster on all of them.
    """
    own_cpus = os.sched_getaffinity(0)
    # All its threads: one looks after the servers' logs.
    move([os.getpid()], cpus or own_cpus)
    try:
        yield
    finally:
        move([os.getpid()], own_cpus)


def _trial(
    planned: PlannedCell,
    server: RunningServer,
    writer: RunWriter,
    progress: Progress,
    round: int,
    block: int,
) -> TrialBuilder:
    log = server.process.log.path.relative_to(writer.folder)
    trial = TrialBuilder(planned.cell, round=round, block=block, epoch_s=progress.epoch_s, log=log)
    if planned.target is not None:
        trial.note(target=planned.target, log=None)
    if planned is server.cells[0]:
        # What verified a server that several cells share was sent once.
        trial.note(sent_total=server.probes_sent, errors_total=server.probe_errors)
    return trial


def _finish(item: LoadedCell, epoch_s: float) -> Trial:
    server = item.server
    if server.fault is not None:
        item.trial.fail(server.fault)
    item.trial.note(
        startup_s=server.startup_s,
        stop_s=server.stop_s,
        stop_forced=server.stop_forced,
        log_bytes_cut=server.process.log.bytes_cut,
        server_pss_idle_bytes=server.pss_idle_bytes,
        server_pss_peak_bytes=server.memory.pss_bytes,
        server_pss_after_bytes=server.pss_after_bytes,
        leftovers=server.leftovers,
        memory_samples=tuple(server.memory.samples),
        server_cpus=server.cpus,
        server_life_s=server.life_s(epoch_s),
    )
    return item.trial.finish()
