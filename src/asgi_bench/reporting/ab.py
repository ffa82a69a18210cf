"""An A/B as a document: one screen, with the verdict first."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from asgi_bench.analysis.ab.wording import deciding, is_of_counts, least_words, repetitions
from asgi_bench.model import (
    AbReport,
    CellVerdict,
    Difference,
    DifferenceKind,
    Effect,
    MetricVerdict,
    Setup,
    Verdict,
)
from asgi_bench.model.metrics import (
    INSTRUCTIONS,
    P99,
    SYSCALLS,
    gated_of_total,
    metric_of,
)
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.document import (
    Alert,
    Document,
    Fold,
    Item,
    Items,
    Notes,
    Section,
    Span,
    Text,
    Tone,
)
from asgi_bench.reporting.explained import explained_section
from asgi_bench.reporting.render.post import render_post
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal
from asgi_bench.reporting.wording import plain

# What one screen of a comment has room for.
ROWS = 12
DIFFERENCES = 8
# From the worst on, as the whole run is judged; what isn't gated comes last.
ALERTS: dict[Verdict, Alert] = {
    "regression": "caution",
    "failed": "caution",
    "invalid": "warning",
    "undecided": "important",
    "improvement": "tip",
    "pass": "note",
}
SHOWN_ONLY = "not gated"
NO_STALLS = "no stalls seen"
TONES: Mapping[str, Tone] = {
    "regression": "bad",
    "failed": "bad",
    "invalid": "bad",
    "undecided": "warn",
    "improvement": "good",
    "pass": "good",
    SHOWN_ONLY: "faint",
    NO_STALLS: "faint",
}
COMMIT_LETTERS = 12
# Before the names of what differs; others tell it themselves.
KIND_WORDS: dict[DifferenceKind, str] = {
    "env": "variable ",
    "server": "server ",
    "socket": "socket option ",
    "module": "module ",
}

# A longer run than this many times is no advice: the machine is the limit.
MOST_TIMES_LONGER = 10

_STALLS = (
    "Look for what makes the candidate stall now and then: garbage collection, a blocking task, "
    "a slow start. `-r 50%` shows p99 at a fixed rate, where stalls can't hide."
)
_ADVICE: dict[Verdict, str] = {
    "regression": "Look for the cause among the differences between the sides. The same command "
    "with twice the budget narrows the interval. If the cost is intended, say so and merge: the "
    "gate remembers no run.",
    "failed": "This says nothing about speed: a side did not start, responded wrongly, or broke "
    "under load, and measuring again won't fix that. Its log is in the run's folder; `asgi-bench "
    "check` starts it alone, and `asgi-bench run` loads it alone.",
    "invalid": "This says nothing about the candidate, good or bad: the machine was too noisy. "
    "Stop everything else and measure again; a larger budget alone won't help.",
    "improvement": "Nothing needs to be done.",
    "pass": "Nothing needs to be done: a slowdown that matters is ruled out. Rare stalls are "
    "not; they show in p99 at a fixed rate (`-r 50%`).",
}
# By the code of what left it open, whatever the intervals are.
_OPEN_ADVICE: dict[str, str] = {
    "perhaps-stalls": f"Use a larger budget to be sure. {_STALLS}",
    "control-moved": "Two starts of the baseline differ in memory: find out what makes them "
    "differ.",
    "few-measured": "Use more --duration, or a higher rate.",
    "baseline-overloaded": "Use a lower rate, such as `-r 50%`: half of what the baseline reaches.",
    "perhaps-overloaded": "Use a larger budget to be sure, or a lower rate, such as `-r 50%`.",
}
_AA_ADVICE: dict[Verdict, str] = {
    "regression": "Both sides are the same, so this is a false alarm, or the machine shows "
    "differences where there are none. Don't gate on it before `--aa` passes.",
    "pass": "Both sides are the same, and the verdict agrees: this machine can be used as a gate.",
}


class AbRow(NamedTuple):
    """One metric of one cell, or a cell without any measurement."""

    cell: CellVerdict
    metric: MetricVerdict | None

    @property
    def verdict(self) -> str:
        """The word in the last column: a failed or invalid cell is so in each metric."""
        if self.metric is None or self.cell.verdict in ("failed", "invalid"):
            return self.cell.verdict
        return self.metric.verdict or (NO_STALLS if self.metric.is_total else SHOWN_ONLY)


def render_ab(
    report: AbReport,
    format: Literal["text", "markdown"],
    *,
    width: int = WIDTH,
    color: bool = False,
) -> str:
    """A judged A/B in a format; `width` in columns and `color` are the terminal's, for text."""
    if format == "text":
        return render_terminal(ab_document(report), width=width, color=color)
    return render_post(ab_document(report))


def ab_document(report: AbReport) -> Document:
    """The verdict and what to do next, then what they rest on."""
    blocks = (
        verdict_text(report.verdict, report.text),
        Text((Span("What to do next:", "strong"), f" {advice(report)}")),
        *ab_section(report).blocks,
    )
    sections = (Section("verdict", "", blocks), explained_section(report.explanations))
    return Document("", (), sections)


def ab_section(report: AbReport) -> Section:
    """The table, the sides and what differs; details are folded."""
    rows = ab_rows(report)
    # One cell's name stands above already; several are folded.
    has_names = len({row.cell.cell for row in rows}) > 1
    return Section(
        "ab",
        "Baseline and candidate",
        (
            table_of(COLUMNS, rows, at_once=ROWS),
            Text((Span("Baseline", "strong"), f" {side_words(report.baseline)}")),
            Text((Span("Candidate", "strong"), f" {side_words(report.candidate)}")),
            _differences(report),
            Fold(
                "Details",
                (
                    listing("Findings", reasons(report)),
                    table_of(DETAILS if has_names else DETAILS[1:], rows),
                    Notes(
                        (*notes(report), f"{effort_words(report)}.", f"Run {plain(report.run)}.")
                    ),
                ),
            ),
        ),
    )


def verdict_text(verdict: Verdict, text: str) -> Text:
    """The verdict line, which begins with its word."""
    rest = plain(text).removeprefix(verdict)
    return Text((Span(verdict, "strong"), rest), TONES[verdict], ALERTS[verdict])


def listing(title: str, texts: Iterable[str], at_once: int | None = None) -> Items:
    """A list of sentences."""
    return Items(tuple(map(Item, texts)), title, at_once)


def _differences(report: AbReport) -> Text | Items:
    """What is not the same on both sides."""
    if not report.differences:
        same = "as it should be" if report.is_aa else "so it is the code, or nothing"
        return Text(f"The sides' environments have no known differences: {same}.")
    return listing("What differs", map(difference_words, report.differences), DIFFERENCES)


def _name(row: AbRow) -> str:
    return plain(row.cell.cell)


def _of_metric(text: Callable[[MetricVerdict], str]) -> Callable[[AbRow], str]:
    """A text of a row's metric, where there is one."""
    return lambda row: numbers.MISSING if row.metric is None else text(row.metric)


def _change(one: MetricVerdict, effect: Effect | None) -> str:
    return numbers.change(metric_of(one.metric), None if effect is None else effect.d)


def _range(one: MetricVerdict, effect: Effect | None) -> str:
    if effect is None or effect.lo is None or effect.hi is None:
        return numbers.MISSING
    metric = metric_of(one.metric)
    return f"[{numbers.change(metric, effect.lo)}, {numbers.change(metric, effect.hi)}]"


def _control(one: MetricVerdict) -> str:
    control = one.control
    return numbers.MISSING if control is None else f"{_change(one, control)} {_range(one, control)}"


def _figure(one: MetricVerdict, value: float) -> str:
    metric = metric_of(one.metric)
    unit = metric.unit.shown.removeprefix("requests")
    return f"{numbers.figure(metric, value)}{'' if unit.startswith('/') else ' '}{unit}"


def _size(one: MetricVerdict, change: float | None) -> str:
    """A change without a sign."""
    metric = metric_of(one.metric)
    if change is None:
        return numbers.MISSING
    return _figure(one, change) if metric.is_linear else f"{numbers.percent(change)}%"


_IDENTITY = (
    Column("cell", "", _name, "left"),
    Column("metric", "", _of_metric(lambda one: metric_of(one.metric).label), "left"),
)
COLUMNS = (
    *_IDENTITY,
    Column("slowdown", "", _of_metric(lambda one: _change(one, one.effect))),
    Column("interval", "", _of_metric(lambda one: _range(one, one.effect))),
    Column("verdict", "", lambda row: row.verdict, "left", TONES),
)
DETAILS = (
    *_IDENTITY,
    Column("baseline", "", _of_metric(lambda one: _figure(one, one.baseline))),
    Column("candidate", "", _of_metric(lambda one: _figure(one, one.candidate))),
    Column("blocks", "", _of_metric(lambda one: numbers.count(one.blocks))),
    Column("left", "out", lambda row: numbers.count(row.cell.blocks_left_out)),
    Column("std.", "error", _of_metric(lambda one: _size(one, one.standard_error))),
    Column("would", "see", _of_metric(lambda one: _size(one, one.detectable))),
    Column("control", "", _of_metric(_control)),
    Column("p", "", _of_metric(lambda one: numbers.probability(one.p_adjusted))),
)


def ab_rows(report: AbReport) -> tuple[AbRow, ...]:
    """All rows, the worst first; within a verdict, in the report's order."""
    return worst_first(report.cells)


def worst_first(cells: Iterable[CellVerdict]) -> tuple[AbRow, ...]:
    """A row for each metric of each cell, and one for a cell without any."""
    return tuple(sorted(_rows(cells), key=lambda row: _place(row.verdict)))


def _rows(cells: Iterable[CellVerdict]) -> Iterator[AbRow]:
    for cell in cells:
        yield from [AbRow(cell, metric) for metric in cell.metrics] or [AbRow(cell, None)]


def _place(verdict: str) -> int:
    order: list[str] = [*ALERTS]
    return order.index(verdict) if verdict in order else len(order)


def side_words(side: Setup) -> str:
    """A side as it was requested, with the commit that it resolved to."""
    words = plain(side.description)
    if side.commit is None or side.commit.startswith(words):
        return words
    return f"{words} ({side.commit[:COMMIT_LETTERS]})"


def difference_words(found: Difference) -> str:
    """One difference: `uvicorn 0.50.0 → 0.51.0`, `h11 none → 0.16.0`."""
    old, new = (_value(found, value) for value in (found.baseline, found.candidate))
    kind = KIND_WORDS.get(found.kind, "")
    return f"{kind}{plain(found.name)} {old} → {new}"


def _value(found: Difference, value: str | None) -> str:
    if value is None:
        return "none" if found.kind != "commit" else "the working tree"
    text = plain(value)
    return text[:COMMIT_LETTERS] if found.kind == "commit" else text or "empty"


def reasons(report: AbReport) -> tuple[str, ...]:
    """Why cells are failed or invalid, each reason once, with its cell."""
    found = [
        f"{plain(cell.cell)}: {plain(reason.text)}"
        for cell in report.cells
        for reason in cell.reasons
    ]
    return tuple(dict.fromkeys(found))


def notes(report: AbReport) -> tuple[str, ...]:
    """What the columns mean, and the rule."""
    least = numbers.tick(report.min_change * 100)
    shown = {metric.metric: metric for cell in report.cells for metric in cell.metrics}
    if is_of_counts(report):
        instructions, calls = shown.get(INSTRUCTIONS.name), _least_calls(report)
        also = f", or {calls} or more system calls" if calls else ""
        return (
            "How much more a request costs on the candidate than on the baseline; below 0 it "
            f"costs less. Regression: significant, and {_least_words(instructions, report)} or "
            f"more instructions{also}. "
            "Pass: that much is ruled out.",
            "Intervals are over memory layouts, which are the same on both sides, widened for "
            "all metrics and cells together.",
            "Counts miss work in the kernel, waiting, caches and parallel threads, and never "
            "rank servers.",
        )
    found = [
        "Slowdown: how much more the candidate costs than the baseline; below 0, the candidate "
        "is faster.",
        f"Regression: significant, and {least}% or more. Pass: {least}% or more is ruled out.",
        "Intervals are over blocks of fresh processes, widened for all metrics, cells and looks "
        "together. Would see: the slowdown that this many blocks call a regression four times "
        "out of five. Control: a second process of the baseline against the first.",
    ]
    for one in shown.values():
        if one.min_change is None:
            continue
        if one.min_change == report.min_change and not one.is_of_memory:
            continue
        separately = "; tested separately" if one.is_of_memory else ""
        found.append(
            f"{metric_of(one.metric).told.capitalize()}: {least_words(one)} or more "
            f"matters{separately}."
        )
    p99 = shown.get(P99.name)
    gated = [shown.get(gated_of_total(name).name) for name, one in shown.items() if one.is_total]
    if gated:
        matters = " or ".join(dict.fromkeys(_least_words(one, report) for one in gated))
        found.append(
            "All: all slices of all blocks together. The gated figures leave out outliers, such "
            "as stalls of the machine. If all slices together are surely slower by more than "
            f"{matters}, and the control's are not, then the candidate stalls: a regression."
        )
    if p99 is not None and p99.confidence is None:
        found.append(
            "p99: of all blocks together, without an interval, because a block has too few "
            "requests."
        )
    return tuple(found)


def effort_words(report: AbReport) -> str:
    """How much was measured."""
    spent = f"in {report.duration_s:.0f} s of a budget of {report.budget_s:.0f} s"
    if is_of_counts(report):
        return f"{repetitions(report)} {spent}"
    looks = f"judged at {report.looks_taken} of {report.looks} planned looks"
    return f"{repetitions(report)} of fresh processes {spent}, {looks}"


def advice(report: AbReport) -> str:
    """What to do next, in one or two sentences."""
    if report.is_aa:
        verdict = "regression" if report.verdict == "improvement" else report.verdict
        if verdict in _AA_ADVICE:
            return _AA_ADVICE[verdict]
    if report.verdict == "undecided":
        return _of_undecided(report)
    if report.verdict == "pass" and is_of_counts(report):
        return (
            "Nothing needs to be done: more work in user mode is ruled out. `--time` covers the "
            "rest."
        )
    if report.verdict == "regression" and _stalls(report):
        return f"{_STALLS} If the cost is intended, say so and merge: the gate remembers no run."
    return _ADVICE[report.verdict]


def _stalls(report: AbReport) -> bool:
    """Whether it is stalls alone that make the verdict."""
    found = [deciding(cell) for cell in report.cells if cell.verdict == "regression"]
    return bool(found) and all(one is not None and one.code == "stalls" for one in found)


def _of_undecided(report: AbReport) -> str:
    """What would decide: a rate or a time, or from the intervals how much longer to measure."""
    for cell in report.cells:
        reason = deciding(cell) if cell.verdict == "undecided" else None
        if reason is not None:
            return f"This is not a pass. {_OPEN_ADVICE[reason.code]}"
    times = [
        (_times_longer(metric, metric.min_change or report.min_change), metric)
        for cell in report.cells
        for metric in cell.metrics
        if metric.verdict == "undecided"
    ]
    longest, open_one = max(times, key=lambda one: one[0], default=(math.inf, None))
    text = (
        f"A slowdown of {_least_words(open_one, report)} is neither shown nor ruled out, so this "
        "is not a pass. A larger --min-change needs less"
    )
    if longest > MOST_TIMES_LONGER:
        return f"{text}, or a quieter machine; time alone would take too long."
    budget_s = math.ceil(report.budget_s * longest / 10) * 10
    return (
        f"{text}; about --budget {budget_s}s would decide, if the effect is as large as it seems."
    )


def _least_calls(report: AbReport) -> str:
    """How many system calls matter: with a share of the baseline's, another number in each cell."""
    found = [
        one.min_change or 0.0
        for cell in report.cells
        for one in cell.metrics
        if one.metric == SYSCALLS.name
    ]
    ends = dict.fromkeys(f"{least:.3g}" for least in (min(found), max(found))) if found else ()
    return f"{' to '.join(ends)}{' (by cell)' if len(ends) > 1 else ''}"


def _least_words(one: MetricVerdict | None, report: AbReport) -> str:
    """The smallest change that matters to a metric, or to the run if it has none of its own."""
    if one is not None and metric_of(one.metric).is_linear:
        return least_words(one)
    least = report.min_change if one is None or one.min_change is None else one.min_change
    return f"{numbers.tick(least * 100)}%"


def _times_longer(metric: MetricVerdict, min_change: float) -> float:
    """The factor of time after which the interval would leave out what keeps it undecided.

    An interval shrinks with the square root of the blocks. It decides once it leaves out 0, for
    an effect that matters, or the smallest change that matters, for one that doesn't.
    """
    effect = metric.effect
    if effect.lo is None or effect.hi is None:
        return math.inf
    half_width = (effect.hi - effect.lo) / 2
    is_relevant = abs(effect.d) >= min_change
    distance = abs(effect.d) if is_relevant else min_change - effect.d
    # What sits on the border stays there.
    return (half_width / distance) ** 2 if distance > 0 else math.inf
