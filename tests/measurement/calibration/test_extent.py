"""How much a calibration measures in a given time."""

import msgspec
import pytest

from asgi_bench.errors import UsageError
from asgi_bench.measurement.calibration.calibrate import FULL, QUICK, extent_within


def test_extent_follows_the_budget() -> None:
    """More time buys blocks and segments, and nothing else; the default fits its own length."""
    long = extent_within(300)
    assert 3 * long.aa_blocks == long.length_segments > 9 * FULL.aa_blocks
    assert msgspec.structs.replace(long, aa_blocks=8, length_segments=24) == FULL
    assert extent_within(108) == FULL


def test_too_small_a_budget_is_a_mistake() -> None:
    """Under three blocks there are no intervals: the line says how much it takes, which will do."""
    with pytest.raises(UsageError, match=r"^--budget: .* at least 58s, but 57s were given"):
        extent_within(57)
    assert extent_within(58).aa_blocks == 3


def test_quick_leaves_room_for_its_start() -> None:
    """Eight seconds hold the quick extent's load and, twice over, what it takes to get there."""
    assert QUICK.load_s < 4
    assert (QUICK.noise_slices, QUICK.aa_blocks, QUICK.length_segments, QUICK.bias_s) == (0,) * 4
