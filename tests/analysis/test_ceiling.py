import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.ceiling import CEILING_SHARE, ceiling_rps, near_ceiling
from tests.synthetic_calibration import full_calibration, quick_calibration


@pytest.mark.parametrize(
    ("connections", "expected_rps"),
    [(1, 20_000), (8, 80_000), (64, 100_000), (256, 90_000), (1024, 90_000)],
)
def test_measured_counts_stand(connections: int, expected_rps: float) -> None:
    """At a measured count the ceiling is what was measured, beyond the last it is the last's."""
    assert ceiling_rps(full_calibration(), connections) == pytest.approx(expected_rps)


def test_between_counts_the_logarithm_decides() -> None:
    """16 and 32 connections part the way from 8 to 64 in thirds."""
    calibration = full_calibration()
    thirds = [ceiling_rps(calibration, connections) for connections in (16, 32)]
    assert thirds == pytest.approx([80_000 + 20_000 / 3, 80_000 + 40_000 / 3])


@given(connections=st.integers(1, 100_000), processes=st.integers(1, 64))
def test_ceiling_stays_within_what_was_measured(connections: int, processes: int) -> None:
    """Whatever the counts, each process has a ceiling between the lowest and the highest."""
    ceiling = ceiling_rps(full_calibration(), connections, processes)
    assert ceiling is not None
    assert ceiling / processes * (1 + 1e-9) >= 20_000
    assert ceiling / processes <= 100_000 * (1 + 1e-9)


def test_load_processes_share_the_connections() -> None:
    """Two processes carry twice what one carries over half the connections."""
    calibration = full_calibration()
    one_rps = ceiling_rps(calibration, 64)
    assert one_rps is not None
    assert ceiling_rps(calibration, 128, 2) == pytest.approx(2 * one_rps)


def test_quick_calibration_serves_every_count() -> None:
    """One measured count stands for all."""
    assert ceiling_rps(quick_calibration(), 8) == ceiling_rps(quick_calibration(), 512) == 100_000


def test_no_calibration_no_ceiling() -> None:
    """Without a calibration, or one without a ceiling, nothing is near it."""
    empty = msgspec.structs.replace(quick_calibration(), ceiling=())
    for calibration in (None, empty):
        assert ceiling_rps(calibration, 64) is None
        assert near_ceiling(1e9, 64, calibration, server_is_busy=False) is None


@pytest.mark.parametrize(
    ("throughput_rps", "is_busy", "level"),
    [
        (79_000, False, None),
        (CEILING_SHARE * 100_000, False, None),
        (81_000, False, "invalid"),
        (81_000, True, "suspect"),
        (120_000, True, "suspect"),
    ],
)
def test_above_four_fifths_the_generator_is_the_limit(
    throughput_rps: float, is_busy: bool, level: str | None
) -> None:
    """Up to 80 % there is no finding; above it the server's own load decides how bad it is."""
    found = near_ceiling(throughput_rps, 64, full_calibration(), server_is_busy=is_busy)
    assert (found and found.level) == level
    if found is not None:
        assert (found.code, found.limit) == ("generator-bound", CEILING_SHARE)
        assert found.value == pytest.approx(throughput_rps / 100_000)
        assert "100,000" in found.text and "--load-processes" in found.text


def test_more_load_processes_lift_the_ceiling() -> None:
    """What is near the ceiling of one process is far from that of two."""
    for processes, is_near in ((1, True), (2, False)):
        found = near_ceiling(
            90_000, 64, full_calibration(), load_processes=processes, server_is_busy=False
        )
        assert (found is not None) == is_near
