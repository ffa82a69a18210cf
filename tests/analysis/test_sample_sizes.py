"""Percentiles that are left out say why."""

import msgspec
import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.cell import unshown_percentiles, unshown_points
from asgi_bench.model import ClosedLoop, Load, OpenLoop, RateSweep
from asgi_bench.reporting.run.report import render_report
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import planned_cells, synthetic_run

CLOSED, OPEN = ClosedLoop(64), OpenLoop(500)


@pytest.mark.parametrize(
    ("load", "samples", "limit"),
    [
        (CLOSED, 19, 20),
        (CLOSED, 20, 1000),
        (CLOSED, 999, 1000),
        (CLOSED, 1000, None),
        (OPEN, 999, 1000),
        (OPEN, 1000, 10_000),
        (OPEN, 9_999, 10_000),
        (OPEN, 10_000, None),
    ],
)
def test_the_first_percentile_without_samples_enough_is_named(
    load: Load, samples: int, limit: int | None
) -> None:
    """Ten have to lie beyond each that a table shows: of p50, p99 and, in open loop, p99.9."""
    histogram = merge_histograms([histogram_blob(0.001, samples, 0.5)])
    assert histogram is not None and histogram.total == samples
    found = unshown_percentiles(histogram, load)
    if limit is None:
        assert found == ()
        return
    (reason,) = found
    assert (reason.code, reason.level) == ("few-samples", "valid")
    assert (reason.value, reason.limit) == (samples, limit)
    name = {20: "p50", 1000: "p99", 10_000: "p99.9"}[limit]
    assert f"{samples} response times" in reason.text
    assert f"too few for {name}, which needs {limit}, so it isn't shown" in reason.text


def test_without_any_there_is_nothing_to_say() -> None:
    """What was overloaded or never answered has findings of its own."""
    assert unshown_percentiles(None, OPEN) == ()
    assert unshown_points(()) == ()


def test_a_point_of_a_load_curve_without_a_p99_is_named() -> None:
    """The shares that have too few answers, with the least; overloaded ones have none anyway."""
    run = synthetic_run(planned_cells((RateSweep((0.25, 0.5, 1.1)),), (1,)), rounds=1)
    points = summarize(run).sweeps[0].points
    assert unshown_points(points) == ()
    few = [
        msgspec.structs.replace(
            point,
            samples=samples,
            response_time_s=msgspec.structs.replace(point.response_time_s, p99=None),
        )
        for point, samples in zip(points, (990, 800, 0), strict=True)
    ]
    (reason,) = unshown_points(few)
    assert (reason.code, reason.value, reason.limit) == ("few-samples", 800, 1000)
    assert "at 25%, 50% of its own throughput" in reason.text


def test_every_table_says_why_a_percentile_is_missing() -> None:
    """In a report of a run that was too short the finding stands below the figures."""
    run = synthetic_run(planned_cells((OPEN,), (1,)), rounds=3)
    report = summarize(run)
    assert report.cells[0].response_time_s.p999 is None
    assert report.cells[0].validity == "valid"
    for format in ("text", "markdown"):
        text = " ".join(render_report(report, format).split())
        assert "too few for p99.9" in text
