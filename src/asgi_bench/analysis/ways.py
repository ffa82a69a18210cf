"""What TLS, HTTP/2 and a Unix socket change: each way a server is asked, over the plain one.

The plain one is HTTP/1.1 over TCP to the same server setting, under the same scenario and load.
All of them are up in one block, so that the figures of a round are of the same minutes.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from asgi_bench.analysis.across_cells import Way
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.samples import Sample, figures_in_block
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.model import Plan
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, P50, P99, THROUGHPUT


def ways_of(samples: Mapping[str, Sample], plan: Plan) -> tuple[Way, ...]:
    """An entry for each measured cell that was asked another way than the plain one beside it."""
    return tuple(_ways(samples, plan))


def _ways(samples: Mapping[str, Sample], plan: Plan) -> Iterator[Way]:
    by_cell = {sample.planned.cell: sample for sample in samples.values()}
    for cell, sample in by_cell.items():
        plain = by_cell.get(msgspec.structs.replace(cell, http="1", transport="tcp"))
        if plain is None or plain is sample or cell.load.is_sweep:
            continue
        if not (sample.estimating and plain.estimating):
            continue
        ratio = partial(_ratio, sample, plain, plan)
        yield Way(
            cell=cell.key,
            base=plain.planned.cell.key,
            throughput_ratio=ratio(THROUGHPUT),
            server_cpu_ratio=ratio(CPU),
            response_time_p50_ratio=ratio(P50),
            response_time_p99_ratio=ratio(P99),
        )


def _ratio(sample: Sample, base: Sample, plan: Plan, metric: Metric) -> Interval:
    """A metric over that of the base in the rounds that both have."""
    block = sample.planned.blocks[0]
    figure = sample.compared_by(metric)
    ours, theirs = (figures_in_block(each, block, plan, figure) for each in (sample, base))
    rounds = sorted(ours.keys() & theirs.keys())
    return log_interval([ours[n] / theirs[n] for n in rounds], looked=is_looked(plan))
