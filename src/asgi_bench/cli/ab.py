"""`asgi-bench ab`: baseline against candidate, interleaved, one verdict."""

import functools
import os
import sys
import time
from pathlib import Path

import msgspec
import typer

from asgi_bench.analysis.ab_report import ab_report
from asgi_bench.analysis.doubts import P50_SAMPLES
from asgi_bench.cli.ab_options import (
    AA,
    Budget,
    FailOnUndecided,
    MinChange,
    Summary,
    exit_code_of,
    gate_of,
)
from asgi_bench.cli.measuring import dry_run_text, on_this_machine
from asgi_bench.cli.options import (
    DEFAULT_OUTPUT,
    DryRun,
    Label,
    Output,
    Wait,
    with_selection,
)
from asgi_bench.cli.progress import RunProgress
from asgi_bench.cli.report import print_ab
from asgi_bench.cli.run import say
from asgi_bench.cli.side_options import AskedSides, with_sides
from asgi_bench.definitions.ab_plan import load_ab_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.machine.fingerprint import busy_warning
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.model import AbReport
from asgi_bench.quantities import parse_duration
from asgi_bench.reporting.documents import render_ab
from asgi_bench.reporting.wording import plain
from asgi_bench.sides.building import built_sides
from asgi_bench.sides.given import Asked
from asgi_bench.store.runs import read_run, write_verdict

# A block costs 1.3 s for starting, opening and stopping three servers, whatever it measures;
# with so much time under load for each side its slices tell as much as its starts (METHODOLOGY).
BLOCK_DURATION = "600ms"
# More than any budget has time for: it's the budget that ends an A/B.
MOST_BLOCKS = 1000


@functools.partial(with_selection, defaults={"duration": BLOCK_DURATION, "rounds": MOST_BLOCKS})
@with_sides
def ab(
    selection: Selection,
    sides: AskedSides,
    min_change: MinChange = "2%",
    budget: Budget = "100s",
    aa: AA = False,
    fail_on_undecided: FailOnUndecided = False,
    summary: Summary = None,
    label: Label = None,
    output: Output = DEFAULT_OUTPUT,
    dry_run: DryRun = False,
    wait: Wait = None,
) -> None:
    """Compare a candidate with its baseline in one run, and say whether it is slower."""
    _check(selection, sides, aa=aa)
    _check_summary(summary)
    gate = gate_of(min_change, budget, is_aa=aa)
    wait_s = 0.0 if wait is None else parse_duration(wait, "--wait")
    asked = _with_itself(sides) if aa else sides
    with built_sides(
        asked.baseline,
        asked.candidate,
        python=selection.python,
        own_app=selection.own_app,
        announce=say,
    ) as built:
        # Environments are built once and then known: the budget is for what is measured.
        began_s = time.perf_counter()
        plan = load_ab_plan(on_this_machine(selection), *built, gate)
        if dry_run:
            print(dry_run_text(plan))
            return
        warning = busy_warning()
        if warning is not None:
            say(f"warning: {warning}")
        order = Order(
            plan,
            output,
            label,
            tuple(sys.argv[1:]),
            lock_wait_s=wait_s,
            prepared_s=time.perf_counter() - began_s,
        )
        report = _measured(order)
    # The verdict first: what becomes of the summary doesn't change it.
    print(plain(report.text))
    code = exit_code_of(report.verdict, fail_on_undecided=fail_on_undecided)
    if summary is not None and not _is_written(summary, report):
        code = code or ExitCode.FAILED
    raise typer.Exit(code)


def _check(selection: Selection, sides: AskedSides, *, aa: bool) -> None:
    """Raise UsageError for what an A/B can't do, or has nothing to compare for."""
    if selection.sweep:
        raise UsageError("--sweep: an A/B has no load curves; give --rate or --connections")
    if selection.client != "fast":
        raise UsageError("--client, --locustfile: an A/B needs slices, which only `fast` sends")
    _check_rates(selection)
    says_something = sides.candidate != Asked("candidate")
    if aa and says_something:
        raise UsageError("--aa compares the baseline with itself: leave --candidate… out")
    if not aa and not says_something and sides.baseline == Asked("baseline"):
        raise UsageError(
            "baseline and candidate are the same: say what --candidate… is, or --aa to compare "
            "the baseline with itself"
        )


def _check_rates(selection: Selection) -> None:
    """Raise UsageError for a rate that gives a block no median."""
    for rate in selection.rates:
        if rate.rate_rps is not None and rate.rate_rps * selection.duration_s < P50_SAMPLES:
            raise UsageError(
                f"--rate: {rate.rate_rps:g} a second for {selection.duration_s:g} s are too few "
                f"requests for a median, which takes {P50_SAMPLES}: give "
                f"--duration {2 * P50_SAMPLES / rate.rate_rps:.1f}s"
            )


def _with_itself(sides: AskedSides) -> AskedSides:
    again = msgspec.structs.replace(sides.baseline, role="candidate")
    return msgspec.structs.replace(sides, candidate=again)


def _measured(order: Order) -> AbReport:
    """Carry out an A/B and print it and its folder, that also after a failure."""
    folders: list[Path] = []
    try:
        with RunProgress(order.plan) as progress:
            carry_out(order, progress.observe, announce=say, folder_made=folders.append)
        report = ab_report(read_run(folders[0]))
        write_verdict(folders[0], report)
        print_ab(report, "text")
    finally:
        for folder in folders:
            print(folder)
    return report


def _check_summary(path: Path | None) -> None:
    """Raise UsageError for what can't be written, before a budget is spent on it."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise UsageError(f"--summary: {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"--summary: {path}: can't be written: permission denied")


def _is_written(path: Path, report: AbReport) -> bool:
    """Write the summary; where that fails after all, say so."""
    try:
        path.write_text(render_ab(report, "markdown"), encoding="utf-8")
    except OSError as fault:
        say(f"--summary: {path}: can't be written: {fault.strerror}")
        return False
    return True
