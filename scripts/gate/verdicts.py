"""The verdict on a cell of which the effects of blocks are known, without a run around it."""

from collections.abc import Mapping, Sequence

from asgi_bench.analysis.block_effects import TOTALS, BlockEffect
from asgi_bench.analysis.doubts import doubted
from asgi_bench.analysis.regression import judge_metrics, verdict_on, worst
from asgi_bench.analysis.stalls import measured_totals, stall_doubts
from asgi_bench.model import Gate, GateMetric, Verdict

GATED: tuple[GateMetric, ...] = ("throughput_rps", "server_cpu_s_per_request")


def verdict_of(
    effects: Mapping[GateMetric, Sequence[BlockEffect]], gate: Gate, level: float
) -> Verdict:
    """The verdict at a look of this level: of a closed loop's metrics, with totals if there are."""
    judged = judge_metrics([(metric, effects[metric]) for metric in GATED], gate, level)
    summed = [(total, effects[total]) for total in TOTALS.values() if effects.get(total)]
    totals = measured_totals(summed, gate, level)
    # What it is told by hangs on slices; what it comes to does not.
    doubts = stall_doubts(judged, totals, gate, {}, {})
    found = verdict_on(doubted(judged, doubts), gate)
    return found if found == "invalid" else worst((found, *(one.verdict for one in doubts)))
