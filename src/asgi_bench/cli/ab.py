"""`asgi-bench ab`: baseline against candidate, interleaved, one verdict."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from asgi_bench.analysis.ab.counts import agreement_words, counts_verdict
from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.analysis.ab.rule import ORDER
from asgi_bench.analysis.ab.vetoes import P50_SAMPLES
from asgi_bench.cli.count import CONNECTIONS, counted_text, refuse_loads
from asgi_bench.cli.flags import FailOnUndecided, MeasuringFlags
from asgi_bench.cli.measuring import dry_run_text, warn_of_load
from asgi_bench.cli.progress import RunProgress
from asgi_bench.cli.report import exit_code_of, print_ab
from asgi_bench.cli.streams import say
from asgi_bench.counting.run import carry_out_counts
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import compared_by_default, load_ab_plan
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.flags import (
    CHANGES,
    DURATION,
    HOW_LONG,
    OUTPUT,
    SIDES,
    SWITCH,
    VERDICT,
    Flag,
    Kind,
    Nested,
    whole,
)
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.model import AbReport, Duration, Gate, Plan, Setup
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import COUNTED, LEAST_INSTRUCTIONS_CHANGE, judged_by_time
from asgi_bench.quantities import Changes
from asgi_bench.reporting.ab import render_ab
from asgi_bench.reporting.wording import plain
from asgi_bench.setups.build import built_setups
from asgi_bench.setups.install import prepare
from asgi_bench.setups.interpreters import with_environments
from asgi_bench.setups.releases import upgrade_of
from asgi_bench.setups.spec import Asked
from asgi_bench.store.counts import read_lives
from asgi_bench.store.runs import read_run, write_verdict

# A block costs 1.3 s for starting, opening and stopping three servers, whatever it measures;
# with so much time under load for each side its slices tell as much as its starts (METHODOLOGY).
BLOCK_DURATION_S = 0.6
# More than any budget has time for: it's the budget that ends an A/B.
MOST_BLOCKS = 1000
COUNTS_BUDGET_S = 60.0


class AbFlags(MeasuringFlags, frozen=True, kw_only=True):
    """The flags of `ab`: what they don't set for one side is the same on both."""

    # How an A/B divides its time is the rule's, not the project's, and what an A/B can't do must
    # not make every one a fault of usage.
    not_from_project: ClassVar[frozenset[str]] = frozenset(
        ("rounds", "duration", "sweep", "slo", "client", "locustfile")
    )
    baseline: Annotated[Asked, Nested(side="baseline")] = Asked("baseline")
    candidate: Annotated[Asked, Nested(side="candidate")] = Asked("candidate")
    gate: Annotated[Gate, Nested()] = Gate()
    min_change: Annotated[
        Changes | None,
        Flag(
            "--min-change",
            VERDICT,
            CHANGES,
            "Smallest change that matters. Default: 1.5%; with --count, 0.3% of instructions. For "
            "some metrics alone: METRIC=SHARE,…, such as throughput_rps=3%; with --count, "
            "instructions and syscalls.",
            is_key=False,
        ),
    ] = None
    budget_s: Annotated[
        float | None,
        Flag(
            "--budget",
            HOW_LONG,
            DURATION,
            "Run for at most TIME. A timed comparison ends sooner if every cell is decided; "
            "--count counts in at least four memory layouts. Default: 1m40s; with --count, 1m.",
            is_common=True,
            is_key=False,
        ),
    ] = None
    count: Annotated[
        bool,
        Flag(
            "--count",
            VERDICT,
            SWITCH,
            "Compare instructions and system calls per request instead of time. A busy machine "
            "does not change them.",
            is_key=False,
        ),
    ] = False
    explain: Annotated[
        bool,
        Flag(
            "--explain",
            VERDICT,
            SWITCH,
            "With --count: show which shared objects, C functions, Python functions and system "
            "calls differ. Takes some 10 s more.",
            needs=("count",),
            needs_words="--explain shows where counts differ: add --count",
            is_key=False,
        ),
    ] = False
    time: Annotated[
        bool,
        Flag(
            "--time",
            VERDICT,
            SWITCH,
            "With --count: compare by time as well.",
            needs=("count",),
            needs_words="--time adds timing to --count; without --count, ab compares by time "
            "anyway",
            is_key=False,
        ),
    ] = False
    upgrade: Annotated[
        bool,
        Flag(
            "--upgrade",
            SIDES,
            SWITCH,
            "Give the candidate the newest releases of the server and of the packages its "
            "runner file requires.",
            conflicts={
                "candidate": "--upgrade already chooses the candidate: leave --candidate out"
            },
            is_common=True,
            is_key=False,
        ),
    ] = False
    duration_s: Duration = BLOCK_DURATION_S
    rounds: Annotated[
        int | None,
        Flag(
            "--rounds",
            HOW_LONG,
            whole(),
            "Measure at most N blocks; --budget usually ends the comparison first.",
        ),
    ] = MOST_BLOCKS
    fail_on_undecided: FailOnUndecided = False
    summary: Annotated[
        Path | None,
        Flag(
            "--summary",
            OUTPUT,
            Kind("FILE", lambda text, _: Path(text)),
            "Also write the verdict as one screen of Markdown, for example to "
            "$GITHUB_STEP_SUMMARY.",
            is_key=False,
        ),
    ] = None


def ab(asked: AbFlags) -> None:
    """Compare a candidate with its baseline in one run, and say whether it is slower."""
    _check(asked)
    _least_changes(asked)
    _check_summary(asked.summary)
    asked = with_environments(asked, say)
    sides: Sequence[Asked] = (asked.baseline, asked.candidate)
    if asked.upgrade:
        upgrade = upgrade_of(compared_by_default(asked))
        if not upgrade.candidate:
            print("no newer release of the packages the servers require: nothing to compare")
            return
        asked = msgspec.structs.replace(asked, servers=upgrade.servers)
        lines = ((*asked.baseline.texts, *upgrade.baseline), upgrade.candidate)
        sides = tuple(
            msgspec.structs.replace(side, texts=texts)
            for side, texts in zip(sides, lines, strict=True)
        )
    if asked.gate.is_aa:
        sides = (asked.baseline, msgspec.structs.replace(asked.baseline, role="candidate"))
    with built_setups(sides, python=asked.python, own_app=asked.own_app, announce=say) as built:
        baseline, candidate = built
        prepare(asked, (baseline.python, candidate.python), say)
        reports = []
        if asked.count:
            counted = _by_counts(asked, baseline, candidate)
            reports += [] if counted is None else [counted]
        if asked.time or not asked.count:
            timed = _by_time(asked, baseline, candidate)
            reports += [] if timed is None else [timed]
    if not reports:
        return
    # The verdict first: what becomes of the summary doesn't change it.
    last = min(reports, key=lambda report: ORDER.index(report.verdict))
    for report in reports:
        if report is not last:
            print(plain(report.text))
    if len(reports) > 1:
        print(agreement_words(*(report.verdict for report in reports)))
    print(plain(last.text))
    code = exit_code_of(last.verdict, fail_on_undecided=asked.fail_on_undecided)
    if asked.summary is not None and not _is_written(asked.summary, reports):
        code = code or ExitCode.FAILED
    sys.exit(code)


def _by_time(asked: AbFlags, baseline: Setup, candidate: Setup) -> AbReport | None:
    """The verdict by time; None where it is a dry run."""
    # Environments are built once and then known: the budget is for what is measured.
    began_s = time.perf_counter()
    gate = _gate(asked, Gate())
    plan = load_ab_plan(asked, baseline, candidate, gate)
    if asked.dry_run:
        print(dry_run_text(plan))
        return None
    warn_of_load()
    order = _order(asked, plan, began_s)

    def measure(folder_made: Callable[[Path], None]) -> None:
        with RunProgress(plan) as progress:
            carry_out(order, progress.observe, announce=say, folder_made=folder_made)

    return _judged(measure, lambda folder: ab_report(read_run(folder)))


def _by_counts(asked: AbFlags, baseline: Setup, candidate: Setup) -> AbReport | None:
    """The verdict by counts; None where it is a dry run."""
    refuse_loads(asked)
    began_s = time.perf_counter()
    counting = Gate(min_change=LEAST_INSTRUCTIONS_CHANGE, budget_s=COUNTS_BUDGET_S, looks=(1.0,))
    gate = _gate(asked, counting)
    chosen = msgspec.structs.replace(asked, connections=asked.connections or CONNECTIONS)
    plan = load_ab_plan(chosen, baseline, candidate, gate)
    if asked.dry_run:
        print(counted_text(plan))
        return None
    order = _order(asked, plan, began_s)

    def count(folder_made: Callable[[Path], None]) -> None:
        carry_out_counts(
            order,
            announce=say,
            folder_made=folder_made,
            budget_s=gate.budget_s,
            explains=asked.explain,
        )

    return _judged(
        count, lambda folder: counts_verdict(read_run(folder).header, read_lives(folder))
    )


def _gate(asked: AbFlags, default: Gate) -> Gate:
    """What is judged by: what the flags say, or else the default of this way to judge."""
    chosen = asked.min_change or Changes()
    return msgspec.structs.replace(
        asked.gate,
        min_change=default.min_change if chosen.share is None else chosen.share,
        min_changes=_least_changes(asked),
        budget_s=default.budget_s if asked.budget_s is None else asked.budget_s,
        looks=default.looks,
    )


def _least_changes(asked: AbFlags) -> dict[str, float]:
    """The smallest changes of single metrics, by name.

    Raises UsageError for one that isn't judged.
    """
    known: dict[str, Metric] = {}
    if asked.time or not asked.count:
        known |= judged_by_time()
    if asked.count:
        known |= COUNTED
    chosen = {} if asked.min_change is None else asked.min_change.of
    for name in chosen:
        if name not in known:
            raise UsageError(
                f"--min-change: {name!r} is not judged here; these are: {', '.join(known)}"
            )
    if "syscalls" in chosen and asked.gate.min_syscalls != Gate().min_syscalls:
        raise UsageError("--min-syscalls and --min-change syscalls=… say the same: leave one out")
    return {known[name].name: share for name, share in chosen.items()}


def _order(asked: AbFlags, plan: Plan, began_s: float) -> Order:
    return Order(
        plan,
        asked.output,
        asked.label,
        tuple(sys.argv[1:]),
        lock_wait_s=asked.wait_s or 0.0,
        prepared_s=time.perf_counter() - began_s,
    )


def _check(asked: AbFlags) -> None:
    """Raise UsageError for what an A/B can't do, or has nothing to compare for."""
    if asked.sweep:
        raise UsageError("--sweep: ab measures no load curves; use --rate or --connections")
    if asked.client != "fast":
        raise UsageError(
            "--client, --locustfile: ab needs short slices, and only the client `fast` can send "
            "them"
        )
    _check_rates(asked)
    says_something = asked.upgrade or asked.candidate != Asked("candidate")
    if asked.gate.is_aa and says_something:
        raise UsageError("--aa compares the baseline with itself: leave the --candidate… flags out")
    if not asked.gate.is_aa and not says_something and asked.baseline == Asked("baseline"):
        raise UsageError(
            "baseline and candidate are the same: name the candidate with a --candidate… flag, "
            "or add --aa to compare the baseline with itself"
        )


def _check_rates(selection: Selection) -> None:
    """Raise UsageError for a rate that gives a block no median."""
    for rate in selection.rates:
        if rate.rate_rps is not None and rate.rate_rps * selection.duration_s < P50_SAMPLES:
            raise UsageError(
                f"--rate: {rate.rate_rps:g} requests/s for {selection.duration_s:g} s are too "
                f"few for a median, which needs {P50_SAMPLES} requests: use --duration "
                f"{2 * P50_SAMPLES / rate.rate_rps:.1f}s"
            )


def _judged(
    measure: Callable[[Callable[[Path], None]], None], judge: Callable[[Path], AbReport]
) -> AbReport:
    """Carry out an A/B and print it and its folder, that also after a failure.

    The one is told whom to tell of the folder, the other makes the verdict of what is in it.
    """
    folders: list[Path] = []
    try:
        measure(folders.append)
        report = judge(folders[0])
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
        raise UsageError(f"--summary: {path}: the folder {path.parent} does not exist")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"--summary: {path}: can't write it: permission denied")


def _is_written(path: Path, reports: Sequence[AbReport]) -> bool:
    """Write the summary; where that fails after all, say so."""
    try:
        texts = [render_ab(report, "markdown") for report in reports]
        path.write_text("\n".join(texts), encoding="utf-8")
    except OSError as fault:
        say(f"--summary: {path}: can't write it: {fault.strerror}")
        return False
    return True
