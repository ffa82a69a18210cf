"""Stand-ins for servers under load: what a loader touches of them, without any process."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from asgi_bench.measurement.block import LoadedCell
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Cell, ClosedLoop, Endpoint, Load, PlannedCell, Scenario
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.process_tree import NOBODY

# As a plan without other wishes has it.
DURATION_S = 2.0


def loaded_cell(
    name: str,
    *,
    load: Load | None = None,
    workers: int = 1,
    round: int = 0,
    block: int = 0,
    setup: str | None = None,
) -> LoadedCell:
    """A cell that is ready for its load, of a server that has no processes to look at."""
    cell = Cell(name, "default", workers, "hello", load or ClosedLoop(64), setup=setup)
    process = SimpleNamespace(
        endpoint=Endpoint.local(1),
        pids=(),
        census=lambda: NOBODY,
        exit_description=None,
        is_ours=True,
    )
    scenario = Scenario(name="hello", app="hello:app")
    server = RunningServer([PlannedCell(cell)], scenario, cast(ServerProcess, process))
    draft = TrialBuilder(cell, round=round, block=block, epoch_s=0.0, log=Path("log"))
    return LoadedCell(cell, server, draft, DURATION_S)
