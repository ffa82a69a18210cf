"""Load by Locust's own HTTP users or a user's own locustfile, one cell after another.

Such users can't be paused, so they can't be sliced: one slice per trial, marked as not interleaved.
"""

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from asgi_bench.errors import UsageError
from asgi_bench.load.generator import (
    LoadFault,
    LoadProcess,
    LoadSession,
    Refusal,
    stock_arguments,
    stock_environment,
)
from asgi_bench.load.messages import SCENARIO_VARIABLE, Load
from asgi_bench.machine.sockets import connection_owners, outgoing
from asgi_bench.machine.tcp_sockets import address_text
from asgi_bench.measurement.block import LoadedCell
from asgi_bench.measurement.load_processes import enter, settle
from asgi_bench.measurement.meters.edges import SliceMeters
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.slice_loader import WARMUP_S
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Endpoint, Plan, Scenario
from asgi_bench.store.folders import safe_name
from asgi_bench.store.runs import RunWriter

# Users are up before their connections are: a FastUser opens one in this time.
RAMP_S = 0.003
# 128 KiB by the kernel's MAX_ARG_STRLEN, the name included.
LONGEST_VARIABLE_BYTES = 100_000
# Of a locustfile that is only looked at: no user starts, so nothing is sent there.
NO_PORT = 1


def check_locustfile(plan: Plan, folder: Path) -> None:
    """Load a plan's locustfile as every cell will, up to its users; the log goes to `folder`.

    Raises:
        UsageError: Locust can't load it, or no number of its users has a cell's connections.
    """
    if plan.locustfile is None:
        return
    loads = {planned.cell.load.connections for planned in plan.cells if not planned.skip_reason}
    for connections in sorted(loads):
        log = folder / f"locustfile-{connections}.log"
        arguments = stock_arguments(Endpoint.local(NO_PORT), connections, plan.locustfile)
        process = LoadProcess(arguments, log=log, is_users_own=True)
        try:
            with ExitStack() as stack:
                enter(stack, process).greet()
        except Refusal as refusal:
            raise UsageError(refusal.text) from refusal
        except LoadFault as fault:
            told = UsageError(f"--locustfile {plan.locustfile}: {fault}")
            told.account = log.read_text(errors="replace")
            raise told from fault


class StockLoader:
    """Loads each cell of a block with a Locust process of its own, in random order."""

    def __init__(self, plan: Plan, writer: RunWriter, progress: Progress) -> None:
        self._plan = plan
        self._writer = writer
        self._progress = progress
        self._meters = SliceMeters(plan)

    def load(self, cells: Sequence[LoadedCell], *, round: int, block: int) -> None:
        """Load one cell after another; if a cell's load process fails, its trial does."""
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
            _note_destinations(item.trial, process.pids, endpoint, item.server.process.pids)
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


def _note_destinations(
    trial: TrialBuilder, load_pids: Sequence[int], endpoint: Endpoint, server_pids: Sequence[int]
) -> None:
    """Note who holds the other ends of the connections that Locust users have now."""
    rows = outgoing(load_pids)
    ours = [
        row.local_port
        for row in rows
        if row.remote_port == endpoint.port and _is_loopback(row.remote_address)
    ]
    others = Counter(
        f"{address_text(row.remote_address)}:{row.remote_port}"
        for row in rows
        if row.local_port not in ours
    )
    owners = connection_owners(endpoint, ours, server_pids)
    trial.note_workers(len(owners.by_pid))
    trial.note(
        connections_by_process={str(pid): count for pid, count in owners.by_pid.items()},
        strangers=owners.strangers,
    )
    trial.note_users(
        connections_elsewhere=others.total(),
        connected_to=others.most_common(1)[0][0] if others else None,
    )


def _is_loopback(address: bytes) -> bool:
    return address_text(address).startswith("127.")
