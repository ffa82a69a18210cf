"""One server relative to itself: what TLS, HTTP/2, a Unix socket or another interpreter change.

The other cell is the one by HTTP/1.1 over TCP, or the one of the plan's first setup. Both are up in
one block, so that the figures of a round are from the same minutes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec
from packaging.utils import canonicalize_name

from asgi_bench.analysis.across_cells import CellRatio, Interpreter
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.samples import Sample, figures_in_block
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.model import Cell, Plan, Proof
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, P50, P99, THROUGHPUT


def ways_of(samples: Mapping[str, Sample], plan: Plan) -> tuple[CellRatio, ...]:
    """An entry for each measured cell that has a plain one, by HTTP/1.1 over TCP, beside it."""
    plain = partial(msgspec.structs.replace, http="1", transport="tcp")
    return tuple(_ratios(samples, plan, plain))


def setup_ratios_of(samples: Mapping[str, Sample], plan: Plan) -> tuple[CellRatio, ...]:
    """An entry for each measured cell of another setup than the first; none for an A/B."""
    if plan.gate is not None or not plan.setups:
        return ()
    first = partial(msgspec.structs.replace, setup=plan.setups[0].name)
    return tuple(_ratios(samples, plan, first))


def interpreters_of(plan: Plan, proofs: Sequence[Proof]) -> tuple[Interpreter, ...]:
    """The interpreters of a run with several; none for an A/B."""
    if plan.gate is not None:
        return ()
    loaded = {canonicalize_name(name) for proof in proofs for name in proof.packages}
    return tuple(
        Interpreter(
            name=setup.name,
            version=setup.python_version,
            other_packages={
                name: version
                for name, version in setup.packages.items()
                if name in loaded and plan.setups[0].packages.get(name, version) != version
            },
        )
        for setup in plan.setups
    )


def _ratios(
    samples: Mapping[str, Sample], plan: Plan, beside: Callable[[Cell], Cell]
) -> Iterator[CellRatio]:
    by_cell = {sample.planned.cell: sample for sample in samples.values()}
    for cell, sample in by_cell.items():
        base = by_cell.get(beside(cell))
        if base is None or base is sample or cell.load.is_sweep:
            continue
        if not (sample.estimating and base.estimating):
            continue
        ratio = partial(_ratio, sample, base, plan)
        yield CellRatio(
            cell=cell.key,
            base=base.planned.cell.key,
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
