"""`asgi-bench calibrate`: measure this machine and the load generator, and store what was found."""

from typing import Annotated

import msgspec
import typer

from asgi_bench.cli.calibration_progress import CalibrationProgress
from asgi_bench.cli.options import DEFAULT_OUTPUT, LoadCpus, Output, Seed, ServerCpus
from asgi_bench.cli.report import print_document
from asgi_bench.cli.run import say
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import UsageError
from asgi_bench.machine.affinity import parse_cpus, split_cpus
from asgi_bench.machine.fingerprint import busy_warning, describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.calibration import calibrate
from asgi_bench.measurement.calibration_extent import FULL, QUICK, Extent, extent_within
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.model import Plan
from asgi_bench.quantities import parse_duration
from asgi_bench.reporting.calibrations import calibration_document
from asgi_bench.store.calibrations import write_calibration

# The first is what noise is measured on; the second differs from it in all but the language. The
# other servers are up beside them, as they are in a run.
PAIR = ("uvicorn", "granian")

Quick = Annotated[
    bool, typer.Option("--quick", help="The generator's ceiling and timer alone: some 5 seconds.")
]
Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="TIME", help="About how long it may take. Else about 95s."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; the path goes to stderr.")]


def calibrate_(
    quick: Quick = False,
    within: Budget = None,
    as_json: AsJson = False,
    output: Output = DEFAULT_OUTPUT,
    server_cpus: ServerCpus = None,
    load_cpus: LoadCpus = None,
    seed: Seed = None,
) -> None:
    """Measure this machine and the load generator; runs in the same folder go by it."""
    extent = _extent(quick, within)
    plan = _plan(server_cpus, load_cpus, seed)
    warning = busy_warning()
    if warning is not None:
        say(f"warning: {warning}")
    notes = () if warning is None else (warning,)
    with orderly_interruption(), measuring_lock(), CalibrationProgress() as progress:
        found = calibrate(plan, describe_machine(), extent, progress.observe, notes)
        path = write_calibration(output, found)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        say(str(path))
    else:
        print_document(calibration_document(found))
        print(path)


def _extent(quick: bool, budget: str | None) -> Extent:
    if quick and budget is not None:
        raise UsageError("--quick, --budget: give one of them; a quick calibration has its length")
    if budget is not None:
        return extent_within(parse_duration(budget, "--budget"))
    return QUICK if quick else FULL


def _plan(server_cpus: str | None, load_cpus: str | None, seed: int | None) -> Plan:
    """All servers with a worker each, the one that noise is measured on first."""
    split = split_cpus(
        None if server_cpus is None else parse_cpus(server_cpus, "--server-cpus"),
        None if load_cpus is None else parse_cpus(load_cpus, "--load-cpus"),
    )
    plan = load_plan(
        Selection(
            variants=("default",),
            workers=(1,),
            seed=seed,
            server_cpus=split.server_cpus,
            load_cpus=split.load_cpus,
        )
    )
    names = [*PAIR, *(planned.cell.server for planned in plan.cells)]
    cells = sorted(plan.cells, key=lambda planned: names.index(planned.cell.server))
    return msgspec.structs.replace(plan, cells=tuple(cells))
