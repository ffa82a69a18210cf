import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.stats import RequestStats

from asgi_bench.load.locust_table import feed, write_table

blocks = st.lists(
    st.tuples(
        st.lists(st.integers(1_000, 3_000_000_000), max_size=20),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(["status", "body", "reset"]), st.integers(0, 4)),
    ),
    min_size=1,
    max_size=4,
)


@given(blocks)
def test_blocks_add_up_to_what_locust_counts_one_by_one(
    fed: list[tuple[list[int], int, dict[str, int]]],
) -> None:
    """Feeding in bulk gives the totals that one event per request would have given."""
    ours, locusts = RequestStats(), RequestStats()
    for latencies_ns, unmeasured, errors in fed:
        feed(
            ours,
            name="/items",
            method="GET",
            requests=len(latencies_ns) + unmeasured,
            errors=errors,
            latencies_ns=latencies_ns,
            response_bytes=100,
        )
        for latency_ns in latencies_ns:
            locusts.log_request("GET", "/items", latency_ns / 1e6, 100)
        for _ in range(unmeasured):
            locusts.log_request("GET", "/items", None, 100)
        for kind, occurrences in errors.items():
            for _ in range(occurrences):
                locusts.log_request("GET", "/items", None, 0)
                locusts.log_error("GET", "/items", kind)
    for mine, theirs in (
        (ours.total, locusts.total),
        (ours.get("/items", "GET"), locusts.get("/items", "GET")),
    ):
        for field in (
            "num_requests",
            "num_none_requests",
            "num_failures",
            "min_response_time",
            "max_response_time",
            "total_content_length",
        ):
            assert getattr(mine, field) == getattr(theirs, field), field
        assert mine.total_response_time == pytest.approx(theirs.total_response_time)
        assert sum(mine.response_times.values()) == sum(theirs.response_times.values())
        assert sum(mine.num_reqs_per_sec.values()) == mine.num_requests
        assert sum(mine.num_fail_per_sec.values()) == mine.num_failures
    assert {key: error.occurrences for key, error in ours.errors.items()} == {
        key: error.occurrences for key, error in locusts.errors.items()
    }


def test_percentiles_have_tenths_of_a_millisecond() -> None:
    """A fast server's percentiles are not rounded to 0 as Locust's own buckets would be."""
    statistics = RequestStats()
    latencies_ns = [240_000] * 60 + [380_000] * 40
    feed(
        statistics,
        name="/",
        method="GET",
        requests=100,
        errors={},
        latencies_ns=latencies_ns,
        response_bytes=1,
    )
    assert statistics.total.get_response_time_percentile(0.5) == pytest.approx(0.2)
    assert statistics.total.get_response_time_percentile(0.9) == pytest.approx(0.4)


def test_rates_count_from_the_begin_of_the_first_block() -> None:
    """Requests per second are over the time the load took, the first block's included."""
    statistics = RequestStats()
    feed(
        statistics,
        name="/",
        method="GET",
        requests=500,
        errors={},
        latencies_ns=[1_000_000] * 500,
        response_bytes=1,
        duration_s=2.0,
    )
    entry = statistics.get("/", "GET")
    elapsed_s = entry.last_request_timestamp - entry.start_time
    assert entry.num_requests / elapsed_s == pytest.approx(250)


def test_nothing_makes_no_row() -> None:
    """A stretch that sent nothing leaves no empty entry in the table."""
    statistics = RequestStats()
    feed(
        statistics,
        name="/",
        method="GET",
        requests=0,
        errors={"status": 0},
        latencies_ns=[],
        response_bytes=0,
    )
    assert not statistics.entries
    assert not statistics.errors


def test_the_table_is_locusts_own(tmp_path: Path) -> None:
    """Locust's own writer makes the table, with the last counts."""
    statistics = RequestStats()
    feed(
        statistics,
        name="/items",
        method="GET",
        requests=7,
        errors={"status": 2},
        latencies_ns=[1_500_000] * 7,
        response_bytes=10,
    )
    write_table(SimpleNamespace(stats=statistics, runner=None), tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [(row["Name"], row["Request Count"], row["Failure Count"]) for row in rows] == [
        ("/items", "9", "2"),
        ("Aggregated", "9", "2"),
    ]
