"""`asgi-bench run`: measure, store, and show what was found."""

import sys
import time
from contextlib import nullcontext
from pathlib import Path

from asgi_bench.analysis.continuation import complete_rounds, is_complete
from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import survey
from asgi_bench.cli.flags import RunFlags
from asgi_bench.cli.measuring import (
    check_measurable,
    dry_run_text,
    warn_of_few_rounds,
    warn_of_load,
    with_servers,
)
from asgi_bench.cli.progress import RunProgress
from asgi_bench.cli.report import print_report
from asgi_bench.cli.resume import say_complete, say_what_is_left
from asgi_bench.cli.streams import say
from asgi_bench.definitions.load_hosts import run_token
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.setups import plan_over_interpreters
from asgi_bench.errors import ExitCode, Interrupted, UsageError
from asgi_bench.load.generator import WEB_PAGE
from asgi_bench.machine.clocks import own_age_s
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.resume import carry_on, started_in
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.model import Plan, Resumption, Run
from asgi_bench.reporting.run.phases import phases_words
from asgi_bench.reporting.wording import plain
from asgi_bench.setups.interpreters import interpreter_setups
from asgi_bench.store.folders import CHARTS_FOLDER
from asgi_bench.store.runs import add_phases, read_run


def run(asked: RunFlags) -> None:
    """Measure as requested; print a ranked table, the charts, the page and the run's folder."""
    stored = None if asked.resume is None else read_run(Path(asked.resume))
    if stored is not None and is_complete(stored, has_behaviour=asked.behaviour):
        say_complete(stored)
        print(asked.resume)
        return
    with nullcontext() if stored is None else started_in(stored):
        plan = _plan(asked)
    if asked.behaviour and plan.client != "fast":
        raise UsageError(
            "--behaviour needs the client `fast`: the others can't tell which requests were lost"
        )
    idle_watch_s = asked.idle_watch_s if asked.behaviour else None
    if asked.dry_run:
        print(dry_run_text(plan, idle_watch_s))
        if stored is not None:
            print(f"{complete_rounds(stored)} rounds are already measured and will be kept")
        return
    check_measurable(plan)
    warn_of_load()
    if stored is None:
        warn_of_few_rounds(plan)
    if plan.web_ui:
        say(f"Locust's live page: {WEB_PAGE}")
    token = run_token(asked.token) if plan.load_hosts else None
    if token is not None and token.is_drawn:
        say(f"this run's token: {token.text}")
    order = Order(
        plan,
        asked.output,
        asked.label,
        tuple(sys.argv[1:]),
        fail_fast=asked.fail_fast,
        lock_wait_s=asked.wait_s or 0.0,
        idle_watch_s=idle_watch_s,
        prepared_s=own_age_s(),
        token=None if token is None else token.text,
    )
    report = measured(order) if stored is None else _gone_on(order, stored, asked.part_budget_s)
    sys.exit(exit_code(report, strict=asked.strict))


def _plan(asked: RunFlags) -> Plan:
    """The plan of what was asked, with the environments that it takes."""
    if asked.targets:
        return load_plan(asked)
    built = with_servers(asked, say)
    if len(built.interpreters) == 1:
        return load_plan(built)
    return plan_over_interpreters(built, interpreter_setups(asked, built))


def measured(order: Order) -> Report:
    """Measure and show what was found; the run's folder is printed last."""
    folders: list[Path] = []
    try:
        with RunProgress(order.plan) as progress:
            carry_out(order, progress.observe, announce=say, folder_made=folders.append)
        report = _shown(folders[0], order.prepared_s)
    finally:
        # Whatever happened: what was stored until then stands, and the last line says where.
        for folder in folders:
            # Out of budget, or cut: it can go on.
            say_what_is_left(folder, has_behaviour=order.idle_watch_s is not None)
            print(folder)
    return report


def _gone_on(order: Order, stored: Run, budget_s: float | None) -> Report:
    """Go on with a stored run and show what it has now; its folder is printed last."""
    folder = Path(stored.folder)
    # Its budget begins now.
    shown = Resumption("", 0, budget_s=budget_s).budgeted(order.plan)
    try:
        with RunProgress(shown) as progress:
            if not carry_on(order, folder, budget_s, progress.observe, announce=say):
                # Another one has completed it while this one waited.
                say_complete(read_run(folder))
                sys.exit(ExitCode.OK)
        report = _shown(folder, order.prepared_s)
        say_what_is_left(folder, has_behaviour=order.idle_watch_s is not None)
    except Interrupted:
        say_what_is_left(folder, has_behaviour=order.idle_watch_s is not None)
        raise
    finally:
        print(folder)
    return report


def _shown(folder: Path, prepared_s: float) -> Report:
    """Show what a run has found, and how long all took."""
    with orderly_interruption():
        began_s = time.monotonic()
        report = show(folder)
        phases_s = {"prepare": prepared_s, "report": time.monotonic() - began_s}
        say(phases_words(add_phases(folder, phases_s)))
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
    """Return the exit code of a run: a failed cell counts, an invalid one with `--strict`."""
    if any(cell.outcome == "failed" for cell in report.everything):
        return ExitCode.FAILED
    if strict and any(cell.validity == "invalid" for cell in report.everything):
        return ExitCode.INVALID
    return ExitCode.OK
