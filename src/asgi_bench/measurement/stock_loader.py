"""Load by Locust's own HTTP users or a user's own locustfile, one cell after another.

Such users can't be paused, so they can't be sliced: one slice a trial, marked as not interleaved.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack

from asgi_bench.load.generator import (
    LoadFault,
    LoadProcess,
    LoadSession,
    stock_arguments,
    stock_environment,
)
from asgi_bench.load.messages import SCENARIO_VARIABLE, Load
from asgi_bench.measurement.block import LoadedCell
from asgi_bench.measurement.destinations import note_destinations
from asgi_bench.measurement.load_processes import enter, settle
from asgi_bench.measurement.meters.edges import SliceMeters
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.slice_loader import WARMUP_S
from asgi_bench.model import Plan, Scenario
from asgi_bench.store.folders import safe_name
from asgi_bench.store.runs import RunWriter

# Users are up before their connections are: a FastUser opens one in this time.
RAMP_S = 0.003
# 128 KiB by the kernel's MAX_ARG_STRLEN, the name included.
LONGEST_VARIABLE_BYTES = 100_000


class StockLoader:
    """Loads each cell of a block with a Locust process of its own, in random order."""

    def __init__(self, plan: Plan, writer: RunWriter, progress: Progress) -> None:
        self._plan = plan
        self._writer = writer
        self._progress = progress
        self._meters = SliceMeters(plan)

    def load(self, cells: Sequence[LoadedCell], *, round: int, block: int) -> None:
        """Load one cell after another; where a cell's load process fails, its trial does."""
        chance = random.Random(f"{self._plan.seed}/slices/{round}/{block}")
        self._progress.enter(round, block, "load")
        servers = tuple({id(item.server): item.server for item in cells}.values())
        for item in chance.sample(cells, len(cells)):
            try:
                self._load(item, round, servers)
            except LoadFault as fault:
                item.trial.fail(str(fault))

    def _load(self, item: LoadedCell, round: int, servers: Sequence[RunningServer]) -> None:
        item.trial.note(interleaved=False)
        key = item.cell.key
        endpoint, connections = item.server.process.endpoint, item.cell.load.connections
        arguments = stock_arguments(endpoint, connections, self._plan.locustfile)
        env = self._environment(item.server.scenario)
        log = self._writer.log_path(key, round).with_suffix(".locust.log")
        process = LoadProcess(
            arguments,
            log=log,
            env=env,
            web_ui=self._plan.web_ui,
            is_users_own=self._plan.locustfile is not None,
        )
        with ExitStack() as stack:
            settle(enter(stack, process), self._plan.load_cpus)
            session = LoadSession(process, key, self._plan.request_timeout_s)
            item.trial.note(load_cpus=session.cpus)
            session.start(WARMUP_S + connections * RAMP_S)
            self._meters.begin(item.server, servers)
            loaded = session.load(Load(key, self._plan.duration_s))
            self._meters.end(loaded, item.trial)
            note_destinations(item.trial, process.pids, endpoint, item.server.process.pids)
            item.end()
            item.trial.close(session.close())
        item.trial.note_users(exit_code=process.exit_code)
        self._progress.loaded(key, self._plan.duration_s, loaded.throughput_rps, loaded.duration_s)

    def _environment(self, scenario: Scenario) -> dict[str, str]:
        """Tell the load process its scenario, by a file where it's long: Linux bounds variables."""
        env = stock_environment(self._plan.client, scenario, self._plan.request_timeout_s)
        told = env[SCENARIO_VARIABLE].encode()
        if len(told) > LONGEST_VARIABLE_BYTES:
            path = self._writer.folder / "logs" / f"{safe_name(scenario.name)}.scenario.json"
            path.write_bytes(told)
            env[SCENARIO_VARIABLE] = f"@{path.absolute()}"
        return env
