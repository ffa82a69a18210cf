"""Does a server's memory grow with the requests that it answers? Per request, never per second."""

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import linear_interval
from asgi_bench.model import Reason, Trial

PER_REQUESTS = 1000
# The first quarter of a trial's requests fills caches and free lists, and is left out where enough
# samples stay; a slope through fewer than these is none.
SETTLING_SHARE = 0.25
ENOUGH_SAMPLES = 6
FEWEST_SAMPLES = 3
FEWEST_REQUESTS = 500
# The shipped servers grow by 0 to 50 KiB per 1,000 requests; daphne by 400 KiB over 15,000 at
# 64 connections, the more the sooner it is looked at. Half a KiB a request is an object each.
MOST_GROWTH_BYTES = 512 * 1024.0
# No verdict before: 1,600 requests had daphne grow by ten times as much as 15,000 had.
FEWEST_JUDGED = 2000
KIBIBYTE = 1024
MEBIBYTE = 1024**2


def growth_bytes(trial: Trial) -> float | None:
    """By how much the server's memory grew per 1,000 requests, over the load of one trial.

    The median slope of all pairs of samples (Theil and Sen): one garbage collection moves it
    little. None where there are too few samples or requests.
    """
    samples = trial.memory_samples
    total = samples[-1][0] if samples else 0
    settled = [sample for sample in samples if sample[0] >= SETTLING_SHARE * total]
    used = settled if len(settled) >= ENOUGH_SAMPLES else samples
    if len(used) < FEWEST_SAMPLES or total < FEWEST_REQUESTS:
        return None
    slopes = [
        (later_bytes - earlier_bytes) / (later - earlier)
        for (earlier, earlier_bytes), (later, later_bytes) in combinations(used, 2)
        if later > earlier
    ]
    return PER_REQUESTS * median(slopes) if slopes else None


def growth_interval(trials: Sequence[Trial], *, looked: bool) -> Interval:
    """The growth over rounds; those that can't tell are left out."""
    known = [growth for trial in trials if (growth := growth_bytes(trial)) is not None]
    return linear_interval(known, looked=looked)


def kept_bytes(trial: Trial) -> int | None:
    """What stays after the load: the memory with all connections closed, less that before it."""
    if trial.server_pss_after_bytes is None or trial.server_pss_idle_bytes is None:
        return None
    return trial.server_pss_after_bytes - trial.server_pss_idle_bytes


def growth_findings(
    growth: Interval, kept: int | None, trials: Sequence[Trial]
) -> tuple[Reason, ...]:
    """The finding on memory that surely grows: the figures stand, the server would not."""
    value, lower, upper = growth.value, growth.lower, growth.upper
    if value is None or lower is None or upper is None or lower <= MOST_GROWTH_BYTES:
        return ()
    if (
        median(trial.memory_samples[-1][0] for trial in trials if trial.memory_samples)
        < FEWEST_JUDGED
    ):
        return ()
    stays = "" if kept is None else f", and {kept / MEBIBYTE:,.1f} MiB stayed after the load"
    return (
        Reason(
            code="memory-grows",
            level="valid",
            value=value,
            limit=MOST_GROWTH_BYTES,
            text=f"memory grew by {value / KIBIBYTE:,.0f} KiB per 1,000 requests (95%: "
            f"{lower / KIBIBYTE:,.0f} to {upper / KIBIBYTE:,.0f}){stays}: a leak, or a cache "
            "without a bound; give more --duration to see whether it ends",
        ),
    )
