"""What an open loop has to keep, and up to which rate it did: for the benchmark and the page."""

from collections.abc import Mapping, Sequence

# Medians over the trials of a rate, by name: `rate_rps`, `rate_ratio`, `lag_p99_s` and others.
Row = Mapping[str, float]

LEAST_RATE_RATIO = 0.999
MOST_LAG_S = 150e-6


def holds(row: Row) -> bool:
    """Whether the schedule was kept, and the generator late by no more than that at p99."""
    return row["rate_ratio"] >= LEAST_RATE_RATIO and row["lag_p99_s"] <= MOST_LAG_S


def held_words(rows: Sequence[Row]) -> str:
    """Up to which of the rising rates both held, as in `60,000/s, the highest that was tried`."""
    held = [row["rate_rps"] for row in rows if holds(row)]
    if not held:
        return "none of the rates"
    end = ", the highest that was tried" if holds(rows[-1]) else ""
    return f"{max(held):,.0f}/s{end}"
