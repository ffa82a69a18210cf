"""A whole run: the machine locked and described, the folder made, the plan carried out."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from asgi_bench import __version__
from asgi_bench.analysis.ab.report import is_settled
from asgi_bench.analysis.stopping import is_enough
from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.installed import Installation
from asgi_bench.errors import BenchError
from asgi_bench.load.generator import WEB_PORT
from asgi_bench.machine.fingerprint import describe_machine, installed_packages
from asgi_bench.machine.limits import raise_descriptor_limit
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.machine.repository import source_of
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.measurement.behaviours.runner import MOST_CONNECTIONS
from asgi_bench.measurement.calibration.calibrate import calibration_for
from asgi_bench.measurement.expectations import learn_answers
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.progress import Observer
from asgi_bench.measurement.rounds import Enough, measure
from asgi_bench.measurement.stock_loader import check_locustfile
from asgi_bench.model import (
    Endpoint,
    Machine,
    Plan,
    Preparation,
    RunHeader,
)
from asgi_bench.serving.environment_variables import recorded_variables, server_environment
from asgi_bench.store.folders import run_id
from asgi_bench.store.runs import RunWriter


class Order(msgspec.Struct, frozen=True):
    """What to carry out, and where it goes: `parent` is the folder of all runs.

    With `idle_watch_s` the servers' behaviour is observed too, idle connections for that long.
    `prepared_s` of a budget went into its plan. `token` authenticates load hosts.
    """

    plan: Plan
    parent: Path
    label: str | None = None
    command_line: tuple[str, ...] = ()
    fail_fast: bool = False
    lock_wait_s: float = 0.0
    idle_watch_s: float | None = None
    prepared_s: float = 0.0
    token: str | None = None


def carry_out(
    order: Order,
    observer: Observer,
    *,
    announce: Callable[[str], None],
    folder_made: Callable[[Path], None],
) -> None:
    """Measure a plan into a new run folder; `folder_made` is called with it as soon as it exists.

    For an A/B, and for a run with a goal, the plan's rounds are the maximum: the one ends when
    nothing is open, the other when its goal is reached.

    Raises BenchError if another run holds the machine or another program the port of Locust's
    page, UsageError if a locustfile can't be run, Interrupted on a signal. What was stored until
    then is kept.
    """
    with orderly_interruption(), measuring_lock(order.lock_wait_s, announce=announce):
        plan = order.plan
        make_room(order)
        # Waiting for another run costs no budget: it says nothing about this one.
        began_s = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="asgi-bench-ask-") as logs:
            check_locustfile(plan, Path(logs))
            preparation = learn_answers(plan, Path(logs), announce)
        asked_s = time.perf_counter() - began_s
        answered = preparation.answered(plan)
        machine = describe_machine()
        calibration = None
        # Of load hosts nothing is known before they come.
        if plan.client == "fast" and not plan.load_hosts:
            calibration = calibration_for(order.parent, answered, machine, announce)
        calibrated_s = time.perf_counter() - began_s - asked_s
        # From here on the trials tell the time.
        spent_s = round(order.prepared_s + time.perf_counter() - began_s, 3)
        preparation = msgspec.structs.replace(preparation, calibration=calibration, spent_s=spent_s)
        with RunWriter(order.parent, header_of(order, machine, preparation)) as writer:
            folder_made(writer.folder)
            if plan.listen is not None:
                announce(waiting_words(plan.load_hosts, plan.listen))
            progress = measure(
                answered,
                writer,
                observer,
                calibration=calibration,
                fail_fast=order.fail_fast,
                enough=_ending(plan, spent_s),
                idle_watch_s=order.idle_watch_s,
                token=order.token,
            )
            phases_s = {"ask": asked_s, "calibrate": calibrated_s, **progress.phases_s}
            phases_s["prepare"] += progress.epoch_s - began_s - asked_s - calibrated_s
            writer.write_phases(phases_s)


def waiting_words(load_hosts: int, listen: str) -> str:
    """What a run says while it waits for load processes on other hosts."""
    return (
        f"waiting for {load_hosts} load worker{'' if load_hosts == 1 else 's'}: on each load host "
        f"run `asgi-bench load-worker {listen}` with this run's token"
    )


def make_room(order: Order) -> None:
    """Make sure that the run can open what it needs: Locust's page, and enough connections.

    Raises BenchError if another program has the page's port, or the system's limit is too low.
    """
    _check_page(order.plan)
    needed = _most_connections(order.plan)
    if order.idle_watch_s is not None:
        needed = max(needed, MOST_CONNECTIONS)
    raise_descriptor_limit(needed)


def header_of(order: Order, machine: Machine, preparation: Preparation) -> RunHeader:
    """Return the header of a run that begins now: its plan in today's surroundings."""
    plan = order.plan
    servers = None if plan.python is None else Installation(plan.python)
    started = datetime.now(UTC)
    unset = {pattern for planned in plan.cells for pattern in planned.unset}
    passed = {name for planned in plan.cells for name in planned.passed}
    return RunHeader(
        run_id=run_id(started, order.label),
        label=order.label,
        started_at=started.isoformat(timespec="seconds"),
        tool_version=__version__,
        plan=plan,
        machine=machine,
        preparation=preparation,
        packages=installed_packages(),
        command_line=order.command_line,
        server_packages={} if servers is None else servers.versions,
        server_python=None if servers is None else servers.python_version,
        source=source_of(app_folder(plan)),
        variables=recorded_variables(server_environment({}, "", unset, passed=passed)),
        started_in=str(Path.cwd()),
    )


def app_folder(plan: Plan) -> Path:
    """Return the folder of the measured app; with several setups the last one's, the candidate's.

    The shipped apps belong to no project: anyone who measures with them tracks the project of the
    current folder, as a server's developers do.
    """
    setup = plan.setups[-1].name if plan.setups else None
    folders = [
        Path(planned.app_dir or planned.working_dir)
        for planned in plan.cells
        if planned.working_dir and planned.cell.setup == setup
    ]
    own = [folder for folder in folders if folder != shipped_apps()]
    return own[0] if own else Path.cwd()


def _ending(plan: Plan, spent_s: float) -> Enough | None:
    """What may end a run before its last round; `spent_s` of its budget is gone."""
    if plan.gate is not None:
        return partial(is_settled, plan, spent_s=spent_s)
    return None if plan.goal is None else partial(is_enough, plan, spent_s=spent_s)


def _check_page(plan: Plan) -> None:
    """Raise BenchError where Locust's page was asked for and its port is taken."""
    if plan.web_ui and listening_inodes(Endpoint.local(WEB_PORT)):
        raise BenchError(
            f"--web-ui: another program uses port {WEB_PORT}, where Locust's page would be: "
            "stop it, or leave --web-ui out"
        )


def _most_connections(plan: Plan) -> int:
    """Return how many connections the load process holds at once: all cells of a block."""
    blocks: dict[int, int] = {}
    for planned in plan.cells:
        for block in planned.blocks:
            if planned.skip_reason is None:
                blocks[block] = blocks.get(block, 0) + planned.cell.load.connections
    return max(blocks.values(), default=0)
