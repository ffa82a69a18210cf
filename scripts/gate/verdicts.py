"""The verdict on a cell of which the effects of blocks are known, without a run around it."""

from collections.abc import Mapping, Sequence

from asgi_bench.analysis.ab.block_effects import BlockEffect
from asgi_bench.analysis.ab.rule import judge_metrics, verdict_on, worst
from asgi_bench.analysis.ab.totals import measured_totals, stall_vetoes
from asgi_bench.analysis.ab.vetoes import vetoed
from asgi_bench.model import Gate, Verdict
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, THROUGHPUT, TOTALS

GATED: tuple[Metric, ...] = (THROUGHPUT, CPU)


def verdict_of(
    effects: Mapping[Metric, Sequence[BlockEffect]], gate: Gate, level: float
) -> Verdict:
    """The verdict at a look of this level: of a closed loop's metrics, with totals if there are."""
    judged = judge_metrics([(metric, effects[metric]) for metric in GATED], gate, level)
    summed = [(total, effects[total]) for total in TOTALS if effects.get(total)]
    totals = measured_totals(summed, gate, level)
    # What it is told by hangs on slices; what it comes to does not.
    vetoes = stall_vetoes(judged, totals, gate, {}, {})
    found = verdict_on(vetoed(judged, vetoes))
    return found if found == "invalid" else worst((found, *(one.verdict for one in vetoes)))
