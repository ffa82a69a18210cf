"""Servers that keep 4 KiB of each request, or what they should keep."""

import json
from typing import Any

import pytest

from asgi_bench.analysis.report import CellReport
from asgi_bench.analysis.summary import summarize
from tests.command_line import SERVERS, Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

KIB = 1024
# What a kept object of 4,096 bytes takes with its head, per 1,000 requests.
KEPT = 1000 * 4144


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run of all of them, in as many rounds as an interval takes."""
    return in_process(
        *("run", "--runners", str(SERVERS / "leaky"), "-s", "leaky", "-w", "1", "-c", "4"),
        *("--rounds", "3", "--duration", "700ms"),
        folder=tmp_path_factory.mktemp("leaky"),
    )


def cell_of(finished: Finished, variant: str) -> CellReport:
    """What the report says of one of them."""
    assert finished.code == 0, finished.stderr
    (cell,) = [one for one in summarize(finished.run).cells if one.variant == variant]
    return cell


def findings(cell: CellReport) -> dict[str, str]:
    """What was found, by code."""
    return {reason.code: reason.text for reason in cell.validity_reasons}


@situation(
    "memory",
    "Each request leaves something behind, in a fast and in a slow server",
    says="memory grew by … KiB per 1,000 requests (95%: … to …), and … MiB were still in use "
    "after the load: a leak, or an unbounded cache",
)
def test_the_same_leak_reads_the_same(finished: Finished, said: Said) -> None:
    """However many requests were answered in the time that there was."""
    fast, slow = cell_of(finished, "default"), cell_of(finished, "slow")
    for cell in (fast, slow):
        growth = cell.growth_bytes_per_1000_requests
        assert growth.value == pytest.approx(KEPT, rel=0.1)
        assert growth.value is not None
        assert growth.lower is not None and growth.upper is not None
        assert growth.lower <= growth.value <= growth.upper
    # A slow machine is slow in both; one is slower by half a millisecond a request.
    assert fast.requests > 1.2 * slow.requests
    kept = fast.costs.server_pss_kept_bytes
    assert kept is not None and kept > 0.9 * KEPT * fast.requests / 3 / 1000
    said(findings(fast)["memory-grows"])


@situation(
    "memory",
    "The app fills a cache with its first requests, and no more",
    says="Stays: memory above idle that remains after the load, with all connections closed.",
)
def test_a_cache_that_is_full_is_no_leak(finished: Finished, said: Said) -> None:
    """It stays after the load, and does not grow with the requests."""
    cell = cell_of(finished, "cache")
    growth = cell.growth_bytes_per_1000_requests
    assert growth.value is not None and abs(growth.value) < 0.05 * KEPT
    assert cell.costs.server_pss_kept_bytes is not None
    assert "memory-grows" not in findings(cell)
    said(finished.stdout)


@situation(
    "memory",
    "A child that began with the load leaks, and not the server's first process",
    says="memory grew by … KiB per 1,000 requests",
)
def test_a_leak_in_a_child_is_the_servers(finished: Finished, said: Said) -> None:
    """All processes of the server count, whenever they were born."""
    cell = cell_of(finished, "child")
    assert cell.growth_bytes_per_1000_requests.value == pytest.approx(KEPT, rel=0.1)
    assert (cell.costs.server_pss_peak_bytes or 0) > (cell.costs.server_pss_idle_bytes or 0)
    said(findings(cell)["memory-grows"])


@situation(
    "memory",
    "You want memory growth as a figure: in text, Markdown, CSV, HTML and JSON",
    says="Grows: memory growth per 1,000 requests under load, with its 95% interval.",
)
def test_growth_is_in_every_format(finished: Finished, said: Said) -> None:
    """The same figure wherever the run is told."""
    value = cell_of(finished, "default").growth_bytes_per_1000_requests.value
    assert value is not None
    shown = f"{value / KIB:,.0f} ±"
    for kind in ("text", "markdown", "html", "csv", "json"):
        done = in_process(
            "report", str(finished.run_folder), "--format", kind, folder=finished.folder
        )
        if kind == "json":
            cells: list[dict[str, Any]] = json.loads(done.stdout)["cells"]
            assert value in [one["growth_bytes_per_1000_requests"]["value"] for one in cells]
        elif kind == "csv":
            assert str(value) in done.stdout
        else:
            text = (
                done.stdout if kind != "html" else (finished.run_folder / "report.html").read_text()
            )
            assert shown in text
    said(finished.stdout)
