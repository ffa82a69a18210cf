"""Are there samples enough? The percentiles of tables that a cell has too few samples for."""

from collections.abc import Iterable, Iterator

from asgi_bench.analysis.percentiles import SAMPLES_BEYOND, Histogram, quantile_s
from asgi_bench.analysis.report import SweepPoint
from asgi_bench.model import RESPONSE_TIME, Load, Reason
from asgi_bench.model.metrics import used_under

SWEEP_QUANTILE = 0.99


def unshown_percentiles(response: Histogram | None, load: Load) -> tuple[Reason, ...]:
    """The finding on the lowest percentile that there are too few samples for; of none without any.

    `response` are the response times of all usable rounds together, as percentiles are. Deeper
    percentiles than tables show are in the other formats alone.
    """
    if response is None:
        return ()
    for quantile in sorted(_shown_quantiles(load)):
        if quantile_s(response, quantile) is None:
            where = "of all usable rounds together"
            return (few_samples(response.total, quantile, where),)
    return ()


def _shown_quantiles(load: Load) -> Iterator[float]:
    for metric in used_under(load, lambda one: one.tabled):
        times = metric.times
        if times and times.of == RESPONSE_TIME and times.quantile is not None:
            yield times.quantile


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
