"""Growth of memory, told on made-up samples."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.metrics import estimate
from asgi_bench.analysis.summary import kept_bytes
from asgi_bench.analysis.validity.cell import growth_findings
from asgi_bench.model import Cell, Trial
from asgi_bench.model.figures import growth_bytes
from asgi_bench.model.metrics import GROWTH
from tests.synthetic_run import CLOSED_64, make_trial

MIB = 1024**2
TRIAL = make_trial(Cell("uvicorn", "default", 1, "hello", CLOSED_64), 0, 0)


def grown(requests: Sequence[int], bytes_per_request: float, idle: int = 20 * MIB) -> Trial:
    """A trial whose memory was read after so many requests."""
    samples = tuple((count, idle + round(count * bytes_per_request)) for count in requests)
    return replace(TRIAL, memory_samples=samples)


LONG = grown((0, 9000), 1000)


def test_growth_is_per_request_however_fast_they_came() -> None:
    """A server that answered a tenth as many in its time reads the same."""
    fast = grown(range(0, 40_000, 2000), 300)
    slow = grown(range(0, 4_000, 200), 300)
    assert growth_bytes(fast) == pytest.approx(300_000)
    assert growth_bytes(slow) == pytest.approx(300_000)


def test_what_the_first_requests_fill_is_no_growth() -> None:
    """Caches and free lists are full after a quarter of the load."""
    samples = ((0, 20 * MIB), *((count, 30 * MIB) for count in range(1000, 8001, 1000)))
    assert growth_bytes(replace(TRIAL, memory_samples=samples)) == 0


def test_a_collection_in_between_moves_it_little() -> None:
    """One sample far off the line has no weight."""
    trial = grown(range(0, 10_000, 1000), 500)
    bent = list(trial.memory_samples)
    bent[6] = (bent[6][0], bent[6][1] - 4 * MIB)
    assert growth_bytes(replace(trial, memory_samples=tuple(bent))) == pytest.approx(
        500_000, rel=0.1
    )


@pytest.mark.parametrize("requests", [(), (0,), (0, 5000), (0, 100, 200, 300)])
def test_too_little_tells_nothing(requests: tuple[int, ...]) -> None:
    """Two points make a line of anything, and few requests only warm up."""
    assert growth_bytes(grown(requests, 500)) is None


def test_the_interval_is_over_rounds_and_may_hold_zero() -> None:
    """Growth of nothing has no logarithm; rounds that can't tell are left out."""
    trials = [grown(range(0, 9000, 1000), each) for each in (1, -1, 0, 2, -2)]
    found = estimate(GROWTH, [*trials, TRIAL])
    assert found.value == pytest.approx(0.0)
    assert found.lower is not None and found.lower < 0 < (found.upper or 0)


@pytest.mark.parametrize(
    ("lower", "requests", "is_found"),
    [(512 * 1024, 9000, False), (512 * 1024 + 1, 9000, True), (512 * 1024 + 1, 1900, False)],
)
def test_only_what_surely_grows_is_found(lower: float, requests: int, is_found: bool) -> None:
    """By the lower bound, and not before 2,000 requests."""
    trial = grown((0, requests), 1000)
    found = growth_findings(Interval(MIB, lower, 2 * MIB), 3 * MIB, [trial])
    assert bool(found) == is_found
    if found:
        assert "by 1,024 KiB per 1,000 requests (95%: 512 to 2,048)" in found[0].text
        assert "3.0 MiB were still in use" in found[0].text
    assert not growth_findings(Interval(MIB), None, [trial])


def test_what_stays_is_over_idle() -> None:
    """It may be less than nothing; unknown where either is."""
    trial = replace(TRIAL, server_pss_idle_bytes=20 * MIB, server_pss_after_bytes=19 * MIB)
    assert kept_bytes(trial) == -MIB
    assert kept_bytes(replace(trial, server_pss_after_bytes=None)) is None


@pytest.mark.parametrize("kept_mib", [1000, 0.5])
def test_what_stays_is_told_in_mebibytes(kept_mib: float) -> None:
    """A unit that is a little too large shows where much stays."""
    (found,) = growth_findings(Interval(MIB, 600 * 1024, 2 * MIB), round(kept_mib * MIB), [LONG])
    assert f"{kept_mib:,.1f} MiB were still in use" in found.text
