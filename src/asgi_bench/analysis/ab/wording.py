"""The verdict on an A/B in one plain sentence."""

import math
from collections.abc import Sequence
from functools import partial

from asgi_bench.model import (
    AbReport,
    CellVerdict,
    MetricVerdict,
    Reason,
    Verdict,
)
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import INSTRUCTIONS, P50, SYSCALLS, metric_of

# Reasons that decide whatever the effects are, by what they decide.
DECIDING: dict[Verdict, frozenset[str]] = {
    "regression": frozenset(("candidate-overloaded", "stalls")),
    "undecided": frozenset(
        (
            *("perhaps-overloaded", "baseline-overloaded", "few-measured", "perhaps-stalls"),
            "control-moved",
        )
    ),
}


def verdict_line(report: AbReport) -> str:
    """`pass: uvicorn/…: 0.10 % slower in throughput (…), …`, beginning with the verdict's word."""
    cells = [cell for cell in report.cells if cell.verdict == report.verdict]
    if not cells:
        return f"{report.verdict}: nothing was measured"
    more = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    return f"{report.verdict}: {_cell_words(cells[0], report)}{more}; {_effort(report)}"


def _cell_words(cell: CellVerdict, report: AbReport) -> str:
    if cell.verdict in ("failed", "invalid"):
        text = cell.reasons[0].text if cell.reasons else "nothing was measured"
        return f"{cell.cell}: {text}"
    reason = deciding(cell)
    if reason is not None:
        return f"{cell.cell}: {reason.text}"
    decided = telling(cell)
    if decided is None:
        return f"{cell.cell}: nothing could be measured"
    return f"{cell.cell}: {effect_words(decided)}{_against(decided)}"


def deciding(cell: CellVerdict) -> Reason | None:
    """The reason that decided, if it was not an effect alone; otherwise None."""
    codes = DECIDING.get(cell.verdict, frozenset())
    return next((reason for reason in cell.reasons if reason.code in codes), None)


def telling(cell: CellVerdict) -> MetricVerdict | None:
    """The metric that decided; among several, the one with the largest effect.

    The effect is measured in smallest changes that matter. If no change was found, it is the
    metric whose interval reaches the largest slowdown.
    """
    decided: Sequence[MetricVerdict] = [m for m in cell.metrics if m.verdict == cell.verdict]
    # What a total shows is told by a reason, where there is more to tell than by what is gated.
    decided = [m for m in decided if not m.is_total] or decided
    if not decided:
        return None
    if cell.verdict == "improvement":
        return min(decided, key=lambda one: _times_least(one, one.effect.d))
    if cell.verdict == "regression":
        return max(decided, key=lambda one: _times_least(one, one.effect.d))
    return max(decided, key=lambda one: _times_least(one, one.effect.hi))


def _times_least(one: MetricVerdict, change: float | None) -> float:
    """A change by the smallest one that matters, for metrics have their own."""
    return math.inf if change is None else change / (one.min_change or 1.0)


def effect_words(one: MetricVerdict) -> str:
    """`3.12 % slower in throughput (2.20 % to 4.03 %)`, or `(1.19 % faster to 0.61 % slower)`."""
    effect, metric = one.effect, metric_of(one.metric)
    (worse, better), where = metric.comparative, metric.told_of_change
    size = partial(change_size, metric)
    text = f"{size(effect.d)} {worse if effect.d > 0 else better} {where}"
    if effect.lo is None or effect.hi is None:
        return f"{text}, with too few blocks for an interval"
    # Both from the better end on, in the words of the effect.
    ends = (effect.lo, effect.hi) if effect.d > 0 else (effect.hi, effect.lo)
    if effect.lo > 0 or effect.hi < 0:
        return f"{text} ({size(ends[0])} to {size(ends[1])})"
    return f"{text} ({size(effect.lo)} {better} to {size(effect.hi)} {worse})"


def typical_words(one: MetricVerdict) -> str:
    """How the typical slices of a total differ: `0.41 % slower in the typical one`."""
    worse, better = metric_of(one.metric).comparative
    typical = "in the median one" if one.metric == P50.name else "in the typical one"
    return f"{percent(one.effect.d)} {worse if one.effect.d > 0 else better} {typical}"


def change_size(metric: Metric, change: float) -> str:
    """The size of a change, such as `2.20 %`; for a linear metric, in its unit."""
    if metric.is_linear:
        return f"{abs(change) * metric.unit.factor:.2f} {metric.unit.shown}"
    return percent(change)


def percent(share: float) -> str:
    """The size of a share, such as `2.20 %`."""
    return f"{abs(share) * 100:.2f} %"


def _against(one: MetricVerdict) -> str:
    """What the smallest change that matters has to do with it."""
    least = least_words(one)
    match one.verdict:
        case "pass":
            return f", less than the {least} that matters"
        case "undecided":
            return f": a change of {least} is neither shown nor ruled out"
        case _:
            return f"; {least} or more matters"


def least_words(one: MetricVerdict) -> str:
    """The smallest change of a judged metric that matters, such as `2 %`."""
    metric, least = metric_of(one.metric), one.min_change or 0.0
    if metric.is_linear:
        return f"{least * metric.unit.factor:g} {metric.unit.shown}"
    return f"{least * 100:g} %"


def _effort(report: AbReport) -> str:
    """How much was measured, and what that could have seen where it can be believed."""
    seen = [
        one.detectable
        for cell in report.cells
        for one in cell.metrics
        # Totals see less, and tell so in their own row; more memory is no slowdown, and system
        # calls are no share.
        if one.detectable is not None and one.verdict is not None
        if not one.is_total and not one.is_of_memory and not metric_of(one.metric).is_linear
    ]
    effort = f"{repetitions(report)} in {report.duration_s:.0f} s"
    if not seen or report.verdict in ("failed", "invalid"):
        return effort
    what = "more instructions by" if is_of_counts(report) else "a slowdown of"
    return f"{effort}, enough to detect {what} {_rounded(max(seen))}"


def is_of_counts(report: AbReport) -> bool:
    """Whether it was judged by counts."""
    counted = (INSTRUCTIONS.name, SYSCALLS.name)
    return any(one.metric in counted for cell in report.cells for one in cell.metrics)


def repetitions(report: AbReport) -> str:
    """What it rests on: `13 blocks`, or by counts `4 layouts`."""
    noun = "layout" if is_of_counts(report) else "block"
    return f"{report.blocks} {noun}{'' if report.blocks == 1 else 's'}"


def _rounded(share: float) -> str:
    return f"{share * 100:.1f} %"


def control_reason(one: MetricVerdict) -> Reason:
    """The finding that two processes of the same setup differ."""
    assert one.control is not None
    metric = metric_of(one.metric)
    what = f"two processes of the baseline differ by {change_size(metric, one.control.d)}"
    if one.is_of_memory:
        text = f"{what} in {metric.told}, so nothing can be said about the candidate's"
    else:
        text = (
            f"{what} in {metric.told}, so the machine shows differences where there are none: "
            "stop everything else and measure again"
        )
    return Reason(
        code="control-moved",
        level="suspect" if one.is_of_memory else "invalid",
        value=one.control.d,
        limit=one.min_change,
        text=text,
    )
