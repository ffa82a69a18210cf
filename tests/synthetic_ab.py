"""A/B reports as they might come out, without a run behind them."""

from collections.abc import Sequence

import msgspec

from asgi_bench.model import (
    AbReport,
    CellVerdict,
    Difference,
    Effect,
    MetricVerdict,
    Reason,
    Setup,
    Verdict,
)

CELL = "uvicorn/default/w1/hello/c64"


def metric(
    verdict: Verdict | None = "pass", d: float = 0.001, half: float = 0.008
) -> MetricVerdict:
    """Throughput with an effect and half the width of its interval."""
    return MetricVerdict(
        metric="throughput_rps",
        verdict=verdict,
        effect=Effect(d, d - half, d + half),
        blocks=16,
        baseline=16400.0,
        candidate=16400.0 / (1 + d),
        p_adjusted=0.41,
        confidence=0.975,
        standard_error=0.0041,
        detectable=0.015,
        control=Effect(0.001, -0.01, 0.012),
        min_change=0.02,
    )


def cell(
    verdict: Verdict = "pass", name: str = CELL, d: float = 0.001, half: float = 0.008
) -> CellVerdict:
    """A cell with a gated metric and with p99."""
    p99 = msgspec.structs.replace(
        metric(None, 0.05, 0.2), metric="response_time_p99_s", baseline=0.0217, candidate=0.0228
    )
    return CellVerdict(name, verdict, 16, 1, (metric(verdict, d, half), p99))


def short_cell() -> CellVerdict:
    """A passed cell of short blocks, with the totals, and a p99 of all blocks together."""
    whole = cell()
    (throughput, p99) = whole.metrics
    total = msgspec.structs.replace(
        metric(None, 0.006, 0.02), metric="total_throughput_rps", p_adjusted=None
    )
    pooled = msgspec.structs.replace(
        p99, effect=Effect(0.05), confidence=None, standard_error=None, detectable=None
    )
    return msgspec.structs.replace(whole, metrics=(throughput, total, pooled))


def failed_cell(text: str = "candidate: exited with code 1", name: str = CELL) -> CellVerdict:
    """A cell whose candidate did not start."""
    return CellVerdict(
        name, "failed", 0, 4, (), (Reason("side-failed", "invalid", None, None, text),)
    )


def ab_report(
    verdict: Verdict = "pass", cells: Sequence[CellVerdict] | None = None, *, is_aa: bool = False
) -> AbReport:
    """An A/B of two versions of uvicorn."""
    packages = {"uvicorn": "0.50.0", "h11": "0.16.0"}
    return AbReport(
        run="20261124T070000Z",
        rule_version=1,
        verdict=verdict,
        text=f"{verdict}: {CELL}: throughput is 0.10 % worse [-0.70 %, +0.90 %]",
        min_change=0.02,
        alpha=0.05,
        is_aa=is_aa,
        blocks=16,
        looks=2,
        looks_taken=2,
        duration_s=96.2,
        budget_s=100.0,
        baseline=Setup("baseline", "python", description="uvicorn==0.50.0", packages=packages),
        candidate=Setup("candidate", "python", description="main", commit="a" * 40),
        differences=(Difference("package", "uvicorn", "0.50.0", "0.51.0"),),
        cells=tuple(cells if cells is not None else [cell(verdict)]),
    )
