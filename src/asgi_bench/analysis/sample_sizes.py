"""Are there samples enough? The percentiles of tables that a cell has too few samples for."""

from collections.abc import Iterable

from asgi_bench.analysis.cell_report import SweepPoint
from asgi_bench.analysis.percentiles import SAMPLES_BEYOND, Histogram, quantile_s
from asgi_bench.model import Load, Reason

# What tables show, by kind of load; deeper percentiles are in the other formats alone.
CLOSED_QUANTILES = (0.5, 0.99)
OPEN_QUANTILES = (0.5, 0.99, 0.999)
SWEEP_QUANTILE = 0.99


def unshown_percentiles(response: Histogram | None, load: Load) -> tuple[Reason, ...]:
    """The finding on the lowest percentile that there are too few samples for; of none without any.

    `response` are the response times of all usable rounds together, as percentiles are.
    """
    if response is None:
        return ()
    quantiles = CLOSED_QUANTILES if load.is_closed else OPEN_QUANTILES
    for quantile in quantiles:
        if quantile_s(response, quantile) is None:
            where = "of all usable rounds together"
            return (few_samples(response.total, quantile, where),)
    return ()


def unshown_points(points: Iterable[SweepPoint]) -> tuple[Reason, ...]:
    """The finding on the points of a load curve that have no p99, though nothing overloaded them.

    Its figure is the least that any of them has: answers, of which nearly all are samples.
    """
    few = [point for point in points if not point.overloaded and point.response_time_s.p99 is None]
    if not few:
        return ()
    shares = ", ".join(f"{point.share:.0%}" for point in few)
    samples = min(point.samples for point in few)
    return (few_samples(samples, SWEEP_QUANTILE, f"at {shares} of its own throughput"),)


def few_samples(samples: int, quantile: float, where: str) -> Reason:
    """The finding that so many samples are too few for a percentile."""
    needed = round(SAMPLES_BEYOND / (1 - quantile))
    return Reason(
        code="few-samples",
        level="valid",
        value=float(samples),
        limit=float(needed),
        text=f"{samples} response times {where} are too few for p{quantile * 100:g}, which takes "
        f"{needed}: it isn't shown; give more --duration or --rounds, or a higher rate",
    )
