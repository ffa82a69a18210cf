"""Histograms of known shape, as a load process stores them."""

from functools import lru_cache

import numpy as np
from hdrh.histogram import HdrHistogram

TAIL = np.concatenate([np.linspace(0, 0.9, 200)[:-1], 1 - np.geomspace(0.1, 1e-6, 160), [1.0]])


@lru_cache(maxsize=4096)
def histogram_blob(median_s: float, samples: int, spread: float, stalled: int = 0) -> str:
    """A base64 HDR V2 histogram of lognormal times with a heavier tail, in nanoseconds.

    `stalled` more took a hundred times the median.
    """
    histogram = HdrHistogram(1_000, 60_000_000_000, 3)
    quantiles = (TAIL[:-1] + TAIL[1:]) / 2
    counts = np.diff(np.floor(TAIL * samples + 0.5)).astype(int)
    stretch = np.log10(1 / (1 - quantiles))
    times_ns = median_s * 1e9 * np.exp(spread * (quantiles - 0.5) + 0.12 * spread * stretch**2)
    for time_ns, count in zip(times_ns.tolist(), counts.tolist(), strict=True):
        if count:
            histogram.record_value(int(time_ns), count)
    if stalled:
        histogram.record_value(int(100 * median_s * 1e9), stalled)
    return str(histogram.encode().decode("ascii"))
