"""What the stages of a calibration work with: running servers, sessions, slices of load."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.load.generator import LoadSession
from asgi_bench.load.messages import Closed, Load, Loaded
from asgi_bench.measurement.block import on_cpus
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.running_servers import RunningServer, RunningServers
from asgi_bench.model import (
    HOST,
    Cell,
    ClosedLoop,
    Plan,
    PlannedCell,
    Scenario,
)
from asgi_bench.serving import null_server

# What a run uses where nothing else is asked for.
CONNECTIONS = 64
WARMUP_S = 0.2

NULL_SCENARIO = Scenario(name="null", app="", expect_body=null_server.BODY.decode())
NULL_SERVER = PlannedCell(
    Cell("null-server", "default", 1, NULL_SCENARIO.name, ClosedLoop(CONNECTIONS)),
    command=(sys.executable, "-I", "-S", null_server.__file__, HOST, "{port}"),
)


class CalibrationStep(msgspec.Struct, frozen=True):
    """The progress of a calibration: its stage in words, and how much of the load is done."""

    stage: str
    loaded_s: float
    planned_s: float


class CalibrationFault(BenchError):
    """A server could not be measured: what rests on it is unknown."""


class CalibrationContext:
    """Servers on their CPUs and one load process on its own; sessions have names.

    `plan` has CPUs, seed, time-outs and scenarios; `folder` gets the logs; `planned_s` is the load
    of all stages together.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        processes: LoadProcesses,
        planned_s: float,
        tell: Callable[[CalibrationStep], None],
    ) -> None:
        self.plan = plan
        self._folder = folder
        self._processes = processes
        self._planned_s = planned_s
        self._tell = tell
        self._stage = ""
        self._loaded_s = 0.0
        self._blocks = 0
        self._sessions: dict[str, LoadSession] = {}

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self._stage = stage
        self._tell(CalibrationStep(stage, self._loaded_s, self._planned_s))

    @contextmanager
    def servers(self, cells: Sequence[PlannedCell]) -> Iterator[dict[str, RunningServer]]:
        """Fresh servers by process key, up inside the block; their sessions end with it.

        Raises CalibrationFault if one can't be measured.
        """
        self._blocks += 1
        block = self._blocks
        with RunningServers(self.plan, cells, self._log_path, round=0, block=block) as running:
            with on_cpus(self.plan.load_cpus):
                for server in running.servers:
                    if server.fault is not None:
                        raise CalibrationFault(f"{name_of(server.cells[0])}: {server.fault}")
                yield {server.cells[0].cell.process_key: server for server in running.servers}
                # Connections go before servers do: a server waits for the ones that are open.
                for name in list(self._sessions):
                    self.close(name)
            running.stop()

    def open(self, name: str, server: RunningServer, connections: int = CONNECTIONS) -> float:
        """Open a session, warmed up; return the throughput that it ended with."""
        session = self._sessions[name] = self._processes.session(name)
        endpoint = server.process.endpoint
        opened = session.open(server.scenario, endpoint, connections, warmup_s=WARMUP_S)
        return opened.throughput_rps

    def load(self, command: Load) -> Loaded:
        """Load a session for one slice.

        Raises CalibrationFault for a wrong response, or none: nothing rests on such a slice.
        """
        loaded = self._sessions[command.name].load(command)
        if loaded.errors.total or not loaded.requests:
            raise CalibrationFault(
                f"{command.name}: {loaded.errors.total} of {loaded.sent} responses in a slice "
                "were wrong or missing"
            )
        self._loaded_s += command.duration_s
        self._tell(CalibrationStep(self._stage, self._loaded_s, self._planned_s))
        return loaded

    def visit(self, command: Load) -> None:
        """Load a session for its effect on what follows; its responses are ignored."""
        self._sessions[command.name].load(command)

    def close(self, name: str) -> Closed:
        """End a session and return its histograms."""
        return self._sessions.pop(name).close()

    def _log_path(self, cell_key: str, round: int, block: int) -> Path:
        return self._folder / f"{cell_key.replace('/', '-')}-{block}.log"


def name_of(planned: PlannedCell) -> str:
    """A calibration's name for a server."""
    return f"{planned.cell.server}/{planned.cell.variant}"
