"""How requests are offered: turns `-c`, `-r` and related flags into loads."""

import re

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.model import Arrivals, ClosedLoop, Load, Objective, OpenLoop, RateSweep
from asgi_bench.quantities import parse_duration

DEFAULT_CONNECTIONS = 64
# An open loop's connections are a cap: how many requests may wait at the server at once.
DEFAULT_OPEN_CONNECTIONS = 256

# From light load to past saturation, closer together where the knee is expected.
SWEEP_SHARES = (0.1, 0.25, 0.5, 0.7, 0.85, 0.95, 1.1)
# Five halvings of a bracket between two shares leave a step of under 1 %.
SEARCH_STEPS = 5

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)(%?)", re.ASCII)


class OfferedRate(msgspec.Struct, frozen=True):
    """A rate as requested: requests per second, or a share of the cell's own throughput."""

    rate_rps: float | None = None
    share: float | None = None


def parse_rates(text: str, name: str = "--rate") -> tuple[OfferedRate, ...]:
    """Return the rates in `500,50%`, each once, in the order given; errors blame `name`.

    Raises:
        UsageError: one of them is no positive number, or a share above 400 %.
    """
    return tuple(dict.fromkeys(_rate(part.strip(), name) for part in text.split(",")))


def _rate(part: str, name: str) -> OfferedRate:
    match = _RATE.fullmatch(part)
    if match is None or float(match[1]) <= 0:
        raise UsageError(
            f"{name}: {part!r} must be requests per second, such as 500, or a share, such as 50%"
        )
    if not match[2]:
        return OfferedRate(rate_rps=float(match[1]))
    share = float(match[1]) / 100
    if share > 4:
        raise UsageError(f"{name}: {part!r} is more than 400% of the server's own throughput")
    return OfferedRate(share=share)


def loads(
    *,
    connections: tuple[int, ...] | None,
    rates: tuple[OfferedRate, ...],
    arrivals: Arrivals,
    closed: bool,
    streams: int = 1,
    sweep: bool = False,
    objective: Objective | None = None,
) -> tuple[Load, ...]:
    """Return the loads: closed loops per connection count, or open loops per rate.

    With rates there are only open loops, unless `closed` adds closed ones; `connections` is then
    the maximum of each, and has to be one number. The same is true of a sweep, with a search for
    the highest rate that meets the `objective`. Each connection has `streams` streams.

    Raises:
        UsageError: several connection counts beside rates.
    """
    closed_loops = tuple(ClosedLoop(n, streams) for n in connections or (DEFAULT_CONNECTIONS,))
    if not rates and not sweep:
        return closed_loops
    if connections is not None and len(connections) > 1 and not closed:
        counts = ",".join(map(str, connections))
        raise UsageError(
            f"--connections: {counts}: with --rate or --sweep this is a single cap; give one number"
        )
    cap = max(connections) if connections else DEFAULT_OPEN_CONNECTIONS
    open_loops: tuple[Load, ...] = tuple(
        OpenLoop(rate.rate_rps, rate.share, arrivals, connections=cap, streams=streams)
        for rate in rates
    )
    if sweep:
        steps = SEARCH_STEPS if objective is not None else 0
        curve = RateSweep(
            SWEEP_SHARES, objective, steps, arrivals=arrivals, connections=cap, streams=streams
        )
        open_loops = (*open_loops, curve)
    return (*closed_loops, *open_loops) if closed else open_loops


def parse_objective(text: str, name: str = "--slo") -> Objective:
    """Return the objective in `p99=10ms`; errors blame `name`.

    Raises:
        UsageError: no percentile between 0 and 100, or no duration.
    """
    percentile, equals, limit = text.partition("=")
    match = _PERCENTILE.fullmatch(percentile.strip())
    if not equals or match is None or not float(match[1]):
        raise UsageError(f"{name}: {text!r} must be a percentile and a time, such as p99=10ms")
    # 99.9 / 100 is not 0.999.
    quantile = round(float(match[1]) / 100, 12)
    return Objective(quantile, parse_duration(limit.strip(), name))
