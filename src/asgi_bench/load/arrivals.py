"""When requests are due: a schedule computed before the load, so that load can't shape it."""

from typing import Any, TypeAlias

import numpy as np

from asgi_bench.model import Arrivals

Offsets: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def arrival_offsets_ns(
    rate_rps: float, duration_s: float, seed: int, arrivals: Arrivals
) -> Offsets:
    """Return the due times of a stretch as nanoseconds from its start, ascending.

    `poisson` draws independent exponential gaps: what many independent users send together
    (Schroeder et al., NSDI 2006). Streams of different seeds add up to one Poisson stream, so
    several load processes share a rate without talking. `constant` has a fixed gap and a seeded
    phase, so that such streams don't fall on the same instants.
    """
    chance = np.random.default_rng(seed)
    if arrivals == "constant":
        gap_ns = 1e9 / rate_rps
        count = int(np.floor(rate_rps * duration_s))
        times_ns = (np.arange(count) + chance.random()) * gap_ns
    else:
        expected = rate_rps * duration_s
        # 8 standard deviations above the mean: more arrivals than this don't happen.
        size = int(expected + 8 * np.sqrt(expected) + 16)
        times_ns = np.cumsum(chance.exponential(1e9 / rate_rps, size))
        times_ns = times_ns[times_ns < duration_s * 1e9]
    offsets: Offsets = times_ns.astype(np.int64)
    return offsets
