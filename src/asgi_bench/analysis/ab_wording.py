"""The verdict on an A/B in one sentence of plain words."""

import math
from collections.abc import Sequence

from asgi_bench.model import (
    AbReport,
    CellVerdict,
    Gate,
    GateMetric,
    MetricVerdict,
    Reason,
    Verdict,
)

# What is worse, what is better, and in what.
WORDS: dict[GateMetric, tuple[str, str, str]] = {
    "throughput_rps": ("slower", "faster", "in throughput"),
    "server_cpu_s_per_request": ("more", "less", "CPU per request"),
    "response_time_p50_s": ("longer", "shorter", "median response time"),
    "response_time_p99_s": ("longer", "shorter", "p99"),
    "total_throughput_rps": ("slower", "faster", "over all slices"),
    "total_server_cpu_s_per_request": ("more", "less", "CPU per request over all slices"),
    "total_response_time_s": ("longer", "shorter", "mean response time"),
    "server_pss_bytes": ("more", "less", "memory after the load"),
}
METRICS: dict[GateMetric, str] = {
    "throughput_rps": "throughput",
    "server_cpu_s_per_request": "CPU per request",
    "response_time_p50_s": "median response time",
    "response_time_p99_s": "p99",
    "total_throughput_rps": "throughput of all slices",
    "total_server_cpu_s_per_request": "CPU per request of all slices",
    "total_response_time_s": "mean response time",
    "server_pss_bytes": "memory after the load",
}

# Reasons that decide whatever the effects are, by what they decide.
DECIDING: dict[Verdict, frozenset[str]] = {
    "regression": frozenset(("candidate-overloaded", "stalls")),
    "undecided": frozenset(
        ("perhaps-overloaded", "baseline-overloaded", "few-measured", "perhaps-stalls")
    ),
}


def verdict_line(report: AbReport) -> str:
    """`pass: uvicorn/…: 0.10 % slower in throughput (…), …`, the verdict's word first."""
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
    return f"{cell.cell}: {effect_words(decided)}{_against(decided, report)}"


def deciding(cell: CellVerdict) -> Reason | None:
    """The reason that decided, where that was not an effect alone; None where it was."""
    codes = DECIDING.get(cell.verdict, frozenset())
    return next((reason for reason in cell.reasons if reason.code in codes), None)


def telling(cell: CellVerdict) -> MetricVerdict | None:
    """The metric that decided; among several the one with the largest effect.

    Where no change was found, the one whose interval reaches the largest slowdown.
    """
    decided: Sequence[MetricVerdict] = [m for m in cell.metrics if m.verdict == cell.verdict]
    # What a total shows is told by a reason, where there is more to tell than by what is gated.
    decided = [m for m in decided if not m.is_total] or decided
    if not decided:
        return None
    if cell.verdict == "improvement":
        return min(decided, key=lambda one: one.effect.d)
    if cell.verdict == "regression":
        return max(decided, key=lambda one: one.effect.d)
    return max(decided, key=lambda one: math.inf if one.effect.hi is None else one.effect.hi)


def effect_words(one: MetricVerdict) -> str:
    """`3.12 % slower in throughput (2.20 % to 4.03 %)`, or `(1.19 % faster to 0.61 % slower)`."""
    effect, (worse, better, where) = one.effect, WORDS[one.metric]
    text = f"{percent(effect.d)} {worse if effect.d > 0 else better} {where}"
    if effect.lo is None or effect.hi is None:
        return f"{text}, with too few blocks for an interval"
    # Both from the better end on, in the words of the effect.
    ends = (effect.lo, effect.hi) if effect.d > 0 else (effect.hi, effect.lo)
    if effect.lo > 0 or effect.hi < 0:
        return f"{text} ({percent(ends[0])} to {percent(ends[1])})"
    return f"{text} ({percent(effect.lo)} {better} to {percent(effect.hi)} {worse})"


def typical_words(one: MetricVerdict) -> str:
    """How the middle of what a total is of differs: `0.41 % slower in the typical one`."""
    worse, better, _ = WORDS[one.metric]
    typical = "in the median one" if one.metric == "response_time_p50_s" else "in the typical one"
    return f"{percent(one.effect.d)} {worse if one.effect.d > 0 else better} {typical}"


def percent(share: float) -> str:
    """The size of a share, as in `2.20 %`."""
    return f"{abs(share) * 100:.2f} %"


def _against(one: MetricVerdict, report: AbReport) -> str:
    """What the smallest change that matters has to do with it."""
    least = _plain(report.min_change)
    match one.verdict:
        case "pass":
            return f", less than the {least} that matters"
        case "undecided":
            return f": neither a change of {least} nor its absence is shown"
        case _:
            return f"; {least} or more matters"


def _plain(share: float) -> str:
    return f"{share * 100:g} %"


def _effort(report: AbReport) -> str:
    """How much was measured, and what that could have seen where it can be believed."""
    blocks = "1 block" if report.blocks == 1 else f"{report.blocks} blocks"
    seen = [
        one.detectable
        for cell in report.cells
        for one in cell.metrics
        # Totals see less, and tell so in their own row.
        if one.detectable is not None and one.verdict is not None and not one.is_total
    ]
    effort = f"{blocks} in {report.duration_s:.0f} s"
    if not seen or report.verdict in ("failed", "invalid"):
        return effort
    return f"{effort}, which would have shown a slowdown of {_rounded(max(seen))}"


def _rounded(share: float) -> str:
    return f"{share * 100:.1f} %"


def control_reason(one: MetricVerdict, gate: Gate) -> Reason:
    """The finding that two processes of the same differ."""
    assert one.control is not None
    return Reason(
        code="control-moved",
        level="invalid",
        value=one.control.d,
        limit=gate.min_change,
        text=f"two processes of the baseline differ by {percent(one.control.d)} in "
        f"{METRICS[one.metric]}, so the machine tells apart what is the same: measure again, "
        "with nothing else running",
    )
