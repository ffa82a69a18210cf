from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load.messages import Loaded, Steady
from asgi_bench.measurement.lead_ins import (
    ENOUGH_VISITS,
    FIRST_S,
    LONGEST_S,
    SHORTEST_S,
    LeadIns,
    lost_after_s,
    steadiness,
)
from asgi_bench.model import ErrorCounts

RATE_RPS = 20_000.0
SEEDS = st.integers(0, 2**32 - 1)
loaded_of = partial(Loaded, begin_s=0.0, requests=100, sent=100, errors=ErrorCounts(), load_cpu_s=0)


def progress(milliseconds: int, cold: int, share: float = 0.5) -> tuple[int, ...]:
    """Answers until the end of each millisecond: so many of them at a share of the rate."""
    each = [RATE_RPS * 0.001 * (share if number < cold else 1) for number in range(milliseconds)]
    return tuple(np.cumsum(each).round().astype(int).tolist())


def lead(lead_ins: LeadIns, visits: int, cold: int, slots: int = 20) -> None:
    """So many visits of a server that is cold for some milliseconds."""
    for _ in range(visits):
        told = progress(round(lead_ins.duration_s("a") / 0.001), cold)
        steady = Steady(requests=400, slots=slots, slot_s=slots * 400 / RATE_RPS)
        measured = loaded_of(end_s=0.02, steady=steady)
        lead_ins.note("a", loaded_of(end_s=0.01, progress=told), measured)


@pytest.mark.parametrize("cold", [1, 2, 5])
def test_a_lead_in_is_as_long_as_its_server_is_cold(cold: int) -> None:
    """It is found from the answers of earlier lead-ins; until then it is the same for all."""
    lead_ins = LeadIns()
    assert lead_ins.duration_s("a") == FIRST_S
    lead(lead_ins, ENOUGH_VISITS - 1, cold)
    assert lead_ins.duration_s("a") == FIRST_S
    lead(lead_ins, 1, cold)
    assert lead_ins.duration_s("a") == pytest.approx(cold * 0.001)


def test_a_server_that_is_cold_for_longer_gets_a_longer_one() -> None:
    """It is doubled until the server is steady in the last third of it."""
    lead_ins = LeadIns()
    lead(lead_ins, ENOUGH_VISITS, cold=24)
    assert lead_ins.duration_s("a") == 2 * FIRST_S
    lead(lead_ins, ENOUGH_VISITS, cold=24)
    assert lead_ins.duration_s("a") == 4 * FIRST_S
    lead(lead_ins, ENOUGH_VISITS, cold=24)
    assert lead_ins.duration_s("a") == pytest.approx(0.024)


def test_a_server_that_is_never_steady_gets_the_longest() -> None:
    """There is an end to it."""
    lead_ins = LeadIns()
    lead(lead_ins, 8 * ENOUGH_VISITS, cold=1000)
    assert lead_ins.duration_s("a") == LONGEST_S


def test_a_slow_server_serves_each_connection_once() -> None:
    """Where a response takes half of the lead-in, there is nothing to see by milliseconds."""
    lead_ins = LeadIns()
    lead(lead_ins, ENOUGH_VISITS, cold=0, slots=200)
    assert lead_ins.duration_s("a") == SHORTEST_S


@given(st.floats(0.0, 0.3), st.sampled_from([10, 20, 40]), st.floats(0.0, 0.05), SEEDS)
def test_what_is_found_lies_within_the_first_two_thirds(
    noise: float, milliseconds: int, response_time_s: float, seed: int
) -> None:
    """Whatever the machine's speed does and however long a response takes: or nothing is found."""
    chance = np.random.default_rng(seed)
    speeds = np.exp(noise * chance.standard_normal(ENOUGH_VISITS))
    told, length_s = progress(milliseconds, 0), milliseconds * 0.001
    losses_s = np.array([lost_after_s(told, length_s, RATE_RPS * each) for each in speeds])
    found = steadiness(losses_s, response_time_s)
    assert found.after_s is None or 0 <= found.after_s <= length_s * 2 / 3
    assert found.after_s is None or not found.is_too_short
