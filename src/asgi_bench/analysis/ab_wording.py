"""The verdict on an A/B in one sentence of plain words."""

from collections.abc import Sequence

from asgi_bench.model import AbReport, CellVerdict, Gate, GateMetric, MetricVerdict, Reason

METRICS: dict[GateMetric, str] = {
    "throughput_rps": "throughput",
    "server_cpu_s_per_request": "CPU per request",
    "response_time_p50_s": "median response time",
    "response_time_p99_s": "p99",
}


def verdict_line(report: AbReport) -> str:
    """`pass: uvicorn/…: throughput +0.1 % slower [-0.4 %, +0.6 %] …`, the verdict's word first."""
    cells = [cell for cell in report.cells if cell.verdict == report.verdict]
    if not cells:
        return f"{report.verdict}: nothing was measured"
    more = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    return f"{report.verdict}: {_cell_words(cells[0], report)}{more}; {_effort(report)}"


def _cell_words(cell: CellVerdict, report: AbReport) -> str:
    if cell.verdict in ("failed", "invalid"):
        text = cell.reasons[0].text if cell.reasons else "nothing was measured"
        return f"{cell.cell}: {text}"
    telling = _telling(cell)
    if telling is None:
        return f"{cell.cell}: nothing could be measured"
    return f"{cell.cell}: {effect_words(telling)}{_against(telling, report)}"


def _telling(cell: CellVerdict) -> MetricVerdict | None:
    """The metric that decided; among several the one with the largest effect."""
    decided: Sequence[MetricVerdict] = [m for m in cell.metrics if m.verdict == cell.verdict]
    if not decided:
        return None
    if cell.verdict == "improvement":
        return min(decided, key=lambda one: one.effect.d)
    return max(decided, key=lambda one: one.effect.hi if one.effect.hi is not None else 1.0)


def effect_words(one: MetricVerdict) -> str:
    """`throughput is 3.1 % worse [+2.2 %, +4.0 %]`."""
    name, effect = METRICS[one.metric], one.effect
    word = "worse" if effect.d > 0 else "better"
    text = f"{name} is {abs(effect.d):.2%} {word}".replace("%", " %")
    if effect.lo is None or effect.hi is None:
        return f"{text}, with too few blocks for an interval"
    return f"{text} [{signed(effect.lo)}, {signed(effect.hi)}]"


def signed(share: float) -> str:
    """A share with its sign, as in `+2.20 %`."""
    return f"{share:+.2%}".replace("%", " %")


def _against(one: MetricVerdict, report: AbReport) -> str:
    """What the smallest change that matters has to do with it."""
    least = f"{report.min_change:.3g}" if report.min_change == 0 else _plain(report.min_change)
    match one.verdict:
        case "pass":
            return f", less than the {least} that matters"
        case "undecided":
            return f": it may be {least} or more, or nothing"
        case _:
            return f", {least} or more matters"


def _plain(share: float) -> str:
    return f"{share * 100:g} %"


def _effort(report: AbReport) -> str:
    """How much was measured, and what that could have seen."""
    blocks = "1 block" if report.blocks == 1 else f"{report.blocks} blocks"
    seen = [
        one.detectable
        for cell in report.cells
        for one in cell.metrics
        if one.detectable is not None
    ]
    if not seen:
        return f"{blocks} in {report.duration_s:.0f} s"
    return f"{blocks} in {report.duration_s:.0f} s, which see a slowdown of {_rounded(max(seen))}"


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
        text=f"two processes of the baseline differ by {signed(one.control.d)} in "
        f"{METRICS[one.metric]}, so the machine tells apart what is the same: measure again, "
        "with nothing else running",
    )
