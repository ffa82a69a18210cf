"""Does a server's memory grow with the requests that it answers? Per request, never per second."""

from collections.abc import Sequence
from statistics import median

from asgi_bench.analysis.estimates import Interval
from asgi_bench.model import Reason, Trial

# The shipped servers grow by 0 to 50 KiB per 1,000 requests; daphne by 400 KiB over 15,000 at
# 64 connections, the more the sooner it is looked at. Half a KiB a request is an object each.
MOST_GROWTH_BYTES = 512 * 1024.0
# No verdict before: 1,600 requests had daphne grow by ten times as much as 15,000 had.
FEWEST_JUDGED = 2000
KIBIBYTE = 1024
MEBIBYTE = 1024**2


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
