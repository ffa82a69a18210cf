"""`asgi-bench calibrate`: measure this machine and the load generator, and store what was found."""

from typing import Annotated

import msgspec
from rich.console import Console
from rich.progress import BarColumn, TextColumn

from asgi_bench.cli.flags import DEFAULT_OUTPUT, Output
from asgi_bench.cli.measuring import warn_of_load
from asgi_bench.cli.progress import LiveBar
from asgi_bench.cli.report import print_document
from asgi_bench.cli.streams import say
from asgi_bench.definitions.folders import runner_folders
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import LoadCpus, Seed, Selection, ServerCpus
from asgi_bench.definitions.servers import by_reference, load_servers
from asgi_bench.errors import UsageError
from asgi_bench.flags import DURATION, HOW_LONG, OUTPUT, SWITCH, Flag
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.calibration.calibrate import (
    FULL,
    QUICK,
    Extent,
    calibrate,
    extent_within,
)
from asgi_bench.measurement.calibration.calibration_context import CalibrationStep
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.model import Plan
from asgi_bench.reporting.calibrations import calibration_document
from asgi_bench.store.calibrations import write_calibration


class CalibrateFlags(msgspec.Struct, frozen=True):
    """The flags of `calibrate`."""

    quick: Annotated[
        bool,
        Flag(
            "--quick",
            HOW_LONG,
            SWITCH,
            "Measure only the generator's ceiling and timer, in about 5 s.",
            is_key=False,
        ),
    ] = False
    budget_s: Annotated[
        float | None,
        Flag(
            "--budget",
            HOW_LONG,
            DURATION,
            "Take about TIME. Default: 95s.",
            is_key=False,
        ),
    ] = None
    as_json: Annotated[
        bool,
        Flag(
            "--json",
            OUTPUT,
            SWITCH,
            "Print JSON, and the path of the stored file on stderr.",
            is_key=False,
        ),
    ] = False
    output: Output = DEFAULT_OUTPUT
    server_cpus: ServerCpus = ()
    load_cpus: LoadCpus = ()
    seed: Seed = None


def calibrate_(asked: CalibrateFlags) -> None:
    """Measure this machine and the load generator; runs in the same folder use the result."""
    extent = _extent(asked)
    plan = _plan(asked)
    warning = warn_of_load()
    notes = () if warning is None else (warning,)
    with orderly_interruption(), measuring_lock(), CalibrationProgress() as progress:
        found = calibrate(plan, describe_machine(), extent, progress.observe, notes)
        path = write_calibration(asked.output, found)
    if asked.as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        say(str(path))
    else:
        print_document(calibration_document(found))
        print(path)


def _extent(asked: CalibrateFlags) -> Extent:
    if asked.quick and asked.budget_s is not None:
        raise UsageError("--quick, --budget: use only one; a quick calibration has a fixed length")
    if asked.budget_s is not None:
        return extent_within(asked.budget_s)
    return QUICK if asked.quick else FULL


def _plan(asked: CalibrateFlags) -> Plan:
    """All servers with a worker each, the two first that others are compared with.

    Noise is measured on the first, ratios on both; the others are up beside them, as in a run.
    """
    plan = load_plan(
        Selection(
            variants=("default",),
            workers=(1,),
            seed=asked.seed,
            server_cpus=asked.server_cpus,
            load_cpus=asked.load_cpus,
        )
    )
    references = by_reference(load_servers(runner_folders()).values())
    names = [*references, *(one.cell.server for one in plan.cells)]
    cells = sorted(plan.cells, key=lambda one: names.index(one.cell.server))
    return msgspec.structs.replace(plan, cells=tuple(cells))


# A log says how far it is at each of so many parts, and at each stage.
PARTS = 10


class CalibrationProgress(LiveBar):
    """Draws what `observe` gets, only between slices; plain lines without a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._stage = ""
        self._part = 0
        columns = (
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.description}"),
        )
        super().__init__(console, columns, "calibrating")

    def observe(self, step: CalibrationStep) -> None:
        """Record how far the calibration has come."""
        share = min(step.loaded_s / step.planned_s, 1.0) if step.planned_s else 1.0
        is_new = step.stage != self._stage
        self._stage = step.stage
        if not self.console.is_terminal:
            part = int(share * PARTS)
            if is_new or part > self._part:
                self._part = part
                self.say(f"calibrating, {share:.0%} done: {step.stage}")
            return
        self.update(completed=share, description=step.stage)
        self.draw(force=is_new)
