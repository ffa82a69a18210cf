"""Our counts into Locust's own statistics, in bulk, so that its table, CSV and web page agree.

One `StatsEntry.extend` per stretch, which Locust's master uses for its workers' reports: firing
`events.request` per request would cost more than the request.
"""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from locust.stats import (
    PERCENTILES_TO_REPORT,
    RequestStats,
    StatsCSV,
    StatsEntry,
    StatsError,
)


def feed(
    statistics: RequestStats,
    *,
    name: str,
    method: str,
    requests: int,
    errors: Mapping[str, int],
    latencies_ns: list[int],
    response_bytes: int,
    duration_s: float = 0.0,
) -> None:
    """Add a stretch to Locust's totals: `requests` correct responses and `errors` by kind.

    `duration_s` is how long the stretch has taken so far: Locust's rates count from its start.
    Responses without a latency of their own (each connection's first) are what Locust calls
    requests with a None response time: counted, and left out of its percentiles.
    """
    failures = sum(errors.values())
    if not requests + failures:
        return
    entry = StatsEntry(statistics, name, method)
    now = time.time()
    second = int(now)
    entry.start_time, entry.last_request_timestamp = now - duration_s, now
    entry.num_requests = requests + failures
    entry.num_none_requests = requests + failures - len(latencies_ns)
    entry.num_failures = failures
    entry.num_reqs_per_sec[second] = requests + failures
    if failures:
        entry.num_fail_per_sec[second] = failures
    entry.total_content_length = requests * response_bytes
    if latencies_ns:
        milliseconds = np.array(latencies_ns, dtype=np.float64) / 1e6
        entry.total_response_time = float(milliseconds.sum())
        entry.min_response_time = float(milliseconds.min())
        entry.max_response_time = float(milliseconds.max())
        entry.response_times = _buckets(milliseconds)
    statistics.get(name, method).extend(entry)
    statistics.total.extend(entry)
    for kind, occurrences in errors.items():
        if occurrences:
            key = StatsError.create_key(method, name, kind)
            known = statistics.errors.setdefault(key, StatsError(method, name, kind))
            known.occurrences += occurrences


def write_table(environment: Any, path: Path) -> None:
    """Write Locust's own table of requests as CSV, by Locust's own writer.

    Its `--csv` would write once a second, in the middle of slices, and miss the last counts.
    """
    with path.open("w", newline="") as file:
        StatsCSV(environment, PERCENTILES_TO_REPORT).requests_csv(csv.writer(file))


def _buckets(milliseconds: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[float, int]:
    """Round to 0.1 ms: Locust's own whole milliseconds read 0 for a fast server."""
    values, counts = np.unique(np.round(milliseconds, 1), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
