"""`asgi-bench run`: measure, store, and show what was found."""

import sys
import time
from pathlib import Path

import msgspec
import typer

from asgi_bench.analysis.document import Report
from asgi_bench.analysis.summary import survey
from asgi_bench.cli.goal_options import Budget, Precision, Reference, check_goal, goal_of
from asgi_bench.cli.measuring import behaviour_text, check_measurable, dry_run_text, planned
from asgi_bench.cli.options import (
    DEFAULT_OUTPUT,
    Behaviour,
    DryRun,
    FailFast,
    IdleWatch,
    Label,
    Output,
    Strict,
    Wait,
    with_selection,
)
from asgi_bench.cli.progress import RunProgress
from asgi_bench.cli.report import print_report
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.load.generator import WEB_PAGE
from asgi_bench.machine.clocks import own_age_s
from asgi_bench.machine.fingerprint import busy_warning
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.quantities import parse_duration
from asgi_bench.reporting.phases import phases_words
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import CHARTS_FOLDER
from asgi_bench.store.runs import add_phases, read_run


@with_selection
def run(
    selection: Selection,
    reference: Reference = None,
    budget: Budget = None,
    precision: Precision = None,
    label: Label = None,
    output: Output = DEFAULT_OUTPUT,
    dry_run: DryRun = False,
    strict: Strict = False,
    fail_fast: FailFast = False,
    wait: Wait = None,
    behaviour: Behaviour = False,
    idle_watch: IdleWatch = "10s",
) -> None:
    """Measure servers under load; print a ranked table, the charts, the page, the run folder."""
    goal = goal_of(budget, precision)
    plan = planned(msgspec.structs.replace(selection, goal=goal, reference=reference))
    check_goal(plan)
    idle_watch_s = parse_duration(idle_watch, "--idle-watch")
    if behaviour and plan.client != "fast":
        raise UsageError("--behaviour needs the fast client: others can't tell what was lost")
    if dry_run:
        print(dry_run_text(plan))
        if behaviour:
            print(behaviour_text(plan, idle_watch_s))
        return
    check_measurable(plan)
    warning = busy_warning()
    if warning is not None:
        say(f"warning: {warning}")
    if plan.web_ui:
        say(f"Locust's live page: {WEB_PAGE}")
    wait_s = 0.0 if wait is None else parse_duration(wait, "--wait")
    prepared_s = own_age_s()
    order = Order(
        plan,
        output,
        label,
        tuple(sys.argv[1:]),
        fail_fast,
        wait_s,
        idle_watch_s if behaviour else None,
        prepared_s,
    )
    folders: list[Path] = []
    try:
        with RunProgress(plan) as progress:
            carry_out(order, progress.observe, announce=say, folder_made=folders.append)
        with orderly_interruption():
            shown_s = time.monotonic()
            report = show(folders[0])
            shown_s = time.monotonic() - shown_s
            say(phases_words(add_phases(folders[0], {"prepare": prepared_s, "report": shown_s})))
    finally:
        # Whatever happened: what was stored until then stands, and the last line says where.
        for folder in folders:
            print(folder)
    raise typer.Exit(exit_code(report, strict=strict))


def show(folder: Path) -> Report:
    """Print a run's table, draw its charts and write its page, all from its stored files."""
    from asgi_bench.reporting.charts import draw
    from asgi_bench.reporting.run.page import write_page

    stored = read_run(folder)
    found = survey(stored)
    print_report(found.report, "text")
    drawings = draw(found, folder / CHARTS_FOLDER)
    for drawing in drawings:
        if drawing.fault is not None:
            say(f"warning: {plain(drawing.account)}")
        for chart in drawing.files:
            if chart.suffix == ".png":
                print(chart)
    print(write_page(stored, found, drawings))
    return found.report


def exit_code(report: Report, *, strict: bool) -> ExitCode:
    """Return what a run exits with: a failed cell counts, an invalid one with `--strict`."""
    if any(cell.outcome == "failed" for cell in report.everything):
        return ExitCode.FAILED
    if strict and any(cell.validity == "invalid" for cell in report.everything):
        return ExitCode.INVALID
    return ExitCode.OK


def say(text: str) -> None:
    """Tell the user something beside the results."""
    print(text, file=sys.stderr)
