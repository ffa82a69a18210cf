"""What a history keeps of each run: its ratios, and what could have changed them.

`index.jsonl` holds these; it is derived from the runs and can be deleted at any time.
"""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.run import Source

# Raised when entries hold other figures than before.
INDEX_VERSION = 3

TrackedMetric: TypeAlias = Literal[
    "throughput_rps", "server_cpu_s_per_request", "response_time_p50_s"
]


class RatioPoint(msgspec.Struct, frozen=True, gc=False):
    """A cell's metric over that of the run's reference cell, with its 95 % bounds."""

    cell: str
    metric: TrackedMetric
    reference: str
    ratio: float
    lower: float | None = None
    upper: float | None = None


class RunEntry(msgspec.Struct, frozen=True, gc=False):
    """One run in a history.

    `environment` is the key of its facts. Of `cells` measured or skipped, `unusable` failed, were
    skipped or are invalid; `without_ratio` are sound and have nothing to be compared with: the
    reference itself, or any cell of a run whose reference is missing or invalid. An A/B has no
    points: its sides are compared with each other, not over time.
    """

    run_id: str
    label: str | None
    started_at: str
    tool_version: str
    fingerprint: str
    hostname: str
    cpu_model: str
    cpu_count: int
    environment: str
    source: Source | None
    cells: int
    unusable: int
    without_ratio: int
    is_ab: bool
    points: tuple[RatioPoint, ...]
