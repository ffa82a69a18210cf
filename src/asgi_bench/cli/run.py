"""`asgi-bench run`: measure, store, and show what was found."""

import sys
import time
from pathlib import Path

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import survey
from asgi_bench.cli.flags import RunFlags
from asgi_bench.cli.measuring import check_measurable, dry_run_text, warn_of_load
from asgi_bench.cli.progress import RunProgress
from asgi_bench.cli.report import print_report
from asgi_bench.cli.streams import say
from asgi_bench.definitions.plan import load_plan
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.load.generator import WEB_PAGE
from asgi_bench.machine.clocks import own_age_s
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.reporting.run.phases import phases_words
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import CHARTS_FOLDER
from asgi_bench.store.runs import add_phases, read_run


def run(asked: RunFlags) -> None:
    """Measure what was asked; print a ranked table, the charts, the page and the run's folder."""
    plan = load_plan(asked)
    if asked.behaviour and plan.client != "fast":
        raise UsageError("--behaviour needs the fast client: others can't tell what was lost")
    idle_watch_s = asked.idle_watch_s if asked.behaviour else None
    if asked.dry_run:
        print(dry_run_text(plan, idle_watch_s))
        return
    check_measurable(plan)
    warn_of_load()
    if plan.web_ui:
        say(f"Locust's live page: {WEB_PAGE}")
    order = Order(
        plan,
        asked.output,
        asked.label,
        tuple(sys.argv[1:]),
        fail_fast=asked.fail_fast,
        lock_wait_s=asked.wait_s or 0.0,
        idle_watch_s=idle_watch_s,
        prepared_s=own_age_s(),
    )
    report = measured(order)
    sys.exit(exit_code(report, strict=asked.strict))


def measured(order: Order) -> Report:
    """Carry out an order and show what was found; the run's folder is printed last."""
    folders: list[Path] = []
    try:
        with RunProgress(order.plan) as progress:
            carry_out(order, progress.observe, announce=say, folder_made=folders.append)
        with orderly_interruption():
            began_s = time.monotonic()
            report = show(folders[0])
            phases_s = {"prepare": order.prepared_s, "report": time.monotonic() - began_s}
            say(phases_words(add_phases(folders[0], phases_s)))
    finally:
        # Whatever happened: what was stored until then stands, and the last line says where.
        for folder in folders:
            print(folder)
    return report


def show(folder: Path) -> Report:
    """Print a run's table, draw its charts and write its page, all from its stored files."""
    from asgi_bench.reporting.charts import draw
    from asgi_bench.reporting.pages import write_page

    found = survey(read_run(folder))
    print_report(found.report, "text")
    drawings = draw(found, folder / CHARTS_FOLDER)
    for drawing in drawings:
        if drawing.fault is not None:
            say(f"warning: {plain(drawing.account)}")
        for chart in drawing.files:
            if chart.suffix == ".png":
                print(chart)
    print(write_page(found, drawings))
    return found.report


def exit_code(report: Report, *, strict: bool) -> ExitCode:
    """Return what a run exits with: a failed cell counts, an invalid one with `--strict`."""
    if any(cell.outcome == "failed" for cell in report.everything):
        return ExitCode.FAILED
    if strict and any(cell.validity == "invalid" for cell in report.everything):
        return ExitCode.INVALID
    return ExitCode.OK
