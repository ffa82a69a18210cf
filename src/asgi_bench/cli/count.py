"""`asgi-bench count`: instructions and system calls per request."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, ClassVar, get_args

import msgspec

from asgi_bench.analysis.counts import counts_report
from asgi_bench.cli.flags import MeasuringFlags
from asgi_bench.cli.measuring import check_measurable, with_servers
from asgi_bench.cli.report import print_counts
from asgi_bench.cli.streams import say
from asgi_bench.counting.run import carry_out_counts
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import DEFAULT_VARIANTS, DEFAULT_WORKERS
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.flags import HOW_LONG, OUTPUT, SWITCH, Flag, choice, whole
from asgi_bench.machine.clocks import own_age_s
from asgi_bench.measurement.run import Order
from asgi_bench.model import Plan
from asgi_bench.reporting.counts import CountsFormat
from asgi_bench.store.counts import read_lives
from asgi_bench.store.runs import read_run

# Each moves the server's memory; so many show how far that moves the count.
LAYOUTS = 4
# One wakes a server up once for each request, whatever the machine does.
CONNECTIONS = (1,)


class CountFlags(MeasuringFlags, frozen=True, kw_only=True):
    """The flags of `count`."""

    # How long and under what load a project is measured is no part of a count.
    not_from_project: ClassVar[frozenset[str]] = frozenset(
        (
            *("rounds", "duration", "connections", "also-connections", "common-rate", "rate"),
            *("sweep", "slo", "client", "locustfile", "load-processes", "web-ui", "streams"),
        )
    )
    rounds: Annotated[
        int | None,
        Flag(
            "--rounds",
            HOW_LONG,
            whole(),
            "Count in N memory layouts, each with fresh processes.",
            is_common=True,
        ),
    ] = LAYOUTS
    explain: Annotated[
        bool,
        Flag(
            "--explain",
            OUTPUT,
            SWITCH,
            "Break a request down by Python function too. Takes some 10 s more.",
            is_key=False,
        ),
    ] = False
    format: Annotated[
        CountsFormat,
        Flag("--format", OUTPUT, choice(*get_args(CountsFormat)), "Output format.", is_key=False),
    ] = "text"


def count(asked: CountFlags) -> None:
    """Count what a request takes; print that, and the run's folder last."""
    plan = count_plan(asked)
    if asked.dry_run:
        print(counted_text(plan))
        return
    check_measurable(plan)
    order = Order(
        plan,
        asked.output,
        asked.label,
        tuple(sys.argv[1:]),
        lock_wait_s=asked.wait_s or 0.0,
        prepared_s=own_age_s(),
    )
    folders: list[Path] = []
    try:
        carry_out_counts(
            order,
            announce=say,
            folder_made=folders.append,
            explains=asked.explain,
        )
        report = counts_report(read_run(folders[0]).header, read_lives(folders[0]))
        print_counts(report, asked.format)
    finally:
        for folder in folders:
            # Who asks for JSON or CSV wants nothing else there.
            print(folder, file=sys.stderr if asked.format in ("json", "csv") else sys.stdout)
    failed = any(cell.outcome == "failed" for cell in report.cells)
    sys.exit(ExitCode.FAILED if failed else ExitCode.OK)


def count_plan(asked: CountFlags) -> Plan:
    """The plan of a count: default variants with one worker, over one connection."""
    refuse_loads(asked)
    built = with_servers(asked, say)
    return load_plan(
        msgspec.structs.replace(
            built,
            variants=asked.variants or DEFAULT_VARIANTS,
            workers=asked.workers or DEFAULT_WORKERS,
            connections=asked.connections or CONNECTIONS,
        )
    )


def counted_text(plan: Plan) -> str:
    """What would be counted: cells, and what starts their servers."""
    return "\n".join(
        f"{planned.cell.key}: "
        + (
            shlex.join(planned.counting_command)
            if planned.skip_reason is None
            else planned.skip_reason
        )
        for planned in plan.cells
        if planned.cell.setup != "control"
    )


def refuse_loads(asked: Selection) -> None:
    """Raise UsageError for loads and clients that a count can't use."""
    if asked.is_open or asked.common_rate_rps or asked.also_connections or asked.streams > 1:
        raise UsageError(
            "--rate, --sweep, --common-rate, --also-connections, --streams: count sends one "
            "request at a time, each as soon as the last is answered; leave them out"
        )
    if asked.client != "fast" or asked.load_processes > 1:
        raise UsageError(
            "--client, --locustfile, --load-processes: count has its own client; leave them out"
        )
