import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import assume, given
from hypothesis import strategies as st

from asgi_bench.analysis.sweeps import (
    LEAST_KEPT_SHARE,
    Bracket,
    bracket,
    is_overloaded,
    keeps,
    next_rate_rps,
    rate_ratio,
)
from asgi_bench.model import RESPONSE_TIME, Objective, OpenFigures, Slice
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_open_loop import open_step

replace = msgspec.structs.replace
P99_20_MS = Objective(quantile=0.99, limit_s=0.02)
RATES_RPS = st.floats(50, 100_000)


def figures(*outstanding: int, due: int = 1000, unsent: int = 0) -> OpenFigures:
    """What a slice tells that had so many due and unanswered at each quarter."""
    return OpenFigures(due, due, unsent, outstanding, in_flight_max=max(outstanding), spin_s=0.0)


def verdict_step(rate_rps: float, *, kept: bool) -> Slice:
    """A step that kept the objective or not."""
    step = open_step(1000, 10_000, 2.0, 0.0)
    return replace(step, offered_rps=rate_rps, errors=0 if kept else step.sent)


@pytest.mark.parametrize(
    ("what", "outstanding", "expected"),
    [
        ("nothing waits", (0, 0, 0, 0), False),
        ("a few are always under way", (8, 11, 9, 12), False),
        ("a backlog grows evenly to a tenth", (23, 45, 68, 91), True),
        ("it grows to half", (125, 250, 375, 500), True),
        ("nothing is answered at all", (250, 500, 750, 1000), True),
        ("a stall in the middle, worked off", (2, 250, 90, 3), False),
        ("a stall at the third quarter, being worked off", (2, 3, 250, 120), False),
        ("a stall at the end", (2, 3, 2, 180), False),
        ("a short stall at the end", (0, 0, 0, 30), False),
        ("a long delay, always as many under way", (100, 150, 152, 149), False),
        ("growth by chance", (10, 12, 17, 21), False),
        ("a stall, then too much load", (250, 300, 350, 400), True),
    ],
)
def test_overload_is_growth(what: str, outstanding: tuple[int, ...], expected: bool) -> None:
    """A queue that grows to the end is overload; a stall that passes or has just come isn't."""
    assert is_overloaded(figures(*outstanding)) is expected, what


def test_what_was_never_sent_is_overload() -> None:
    """Requests that found no connection until the time-out tell enough."""
    assert is_overloaded(figures(0, 0, 0, 0, unsent=1))


def test_few_requests_need_a_clear_growth() -> None:
    """Of 20 due, four more outstanding than before are chance; so are 15 where 40 always are."""
    assert not is_overloaded(figures(1, 2, 4, 6, due=20))
    assert not is_overloaded(figures(38, 40, 48, 55, due=100))
    assert is_overloaded(figures(20, 40, 60, 80, due=100))


def test_slice_without_quarters_is_not_judged() -> None:
    """A slice that was stopped before its schedule began has no counts to compare."""
    assert not is_overloaded(figures(0, 900))


@given(
    rate_rps=st.floats(200, 50_000),
    load=st.floats(1.15, 3),
    duration_s=st.floats(2, 5),
)
def test_overload_is_found_at_every_rate(rate_rps: float, load: float, duration_s: float) -> None:
    """A server that is given 15 % more than it can take, or up to three times, is overloaded."""
    open_loop = open_step(rate_rps, rate_rps / load, duration_s, 0.0).open_loop
    assert open_loop is not None
    assert is_overloaded(open_loop)


@given(rate_rps=st.floats(200, 50_000), load=st.floats(0.05, 0.95), duration_s=st.floats(0.5, 5))
def test_spare_capacity_is_no_overload(rate_rps: float, load: float, duration_s: float) -> None:
    """A server with capacity to spare isn't, whatever the rate."""
    open_loop = open_step(rate_rps, rate_rps / load, duration_s, 0.0).open_loop
    assert open_loop is not None
    assert not is_overloaded(open_loop)


def test_rate_ratio_is_over_all_that_was_due() -> None:
    """Slices weigh by what they were to send; without any there is no ratio."""
    late = replace(figures(0, 0, 0, 0, due=3000), sent_in_time=2000)
    assert rate_ratio([figures(0, 0, 0, 0, due=1000), late]) == pytest.approx(0.75)
    assert rate_ratio([]) is None


def test_objective_is_kept_at_its_edge() -> None:
    """With p99 exactly ten of a thousand may be late, and not one more."""
    blob = histogram_blob(0.002, 1000, spread=0.0)
    step = replace(open_step(1000, 10_000, 1.0, 0.0), times_hdr={RESPONSE_TIME: blob})
    late = {n: late_histogram(1000 - n, n) for n in (10, 11)}
    assert keeps(step, P99_20_MS)
    assert keeps(replace(step, times_hdr={RESPONSE_TIME: late[10]}), P99_20_MS)
    assert not keeps(replace(step, times_hdr={RESPONSE_TIME: late[11]}), P99_20_MS)
    assert keeps(replace(step, times_hdr={RESPONSE_TIME: late[11]}), Objective(0.989, 0.02))
    # In floating point 1000 * (1 - 0.9) is a little less than 100.
    tenth = replace(step, times_hdr={RESPONSE_TIME: late_histogram(900, 100)})
    assert keeps(tenth, Objective(0.9, 0.02))


def late_histogram(fast: int, slow: int) -> str:
    """A histogram of answers after 2 ms and after 50 ms."""
    histogram = HdrHistogram(1_000, 60_000_000_000, 3)
    histogram.record_value(2_000_000, fast)
    histogram.record_value(50_000_000, slow)
    return str(histogram.encode().decode("ascii"))


def test_objective_needs_right_answers_in_time() -> None:
    """Errors, requests that left late, overload and a closed loop all keep nothing."""
    step = open_step(1000, 10_000, 2.0, 0.0)
    assert step.open_loop is not None
    due = step.open_loop.due
    assert keeps(step, P99_20_MS)
    assert keeps(replace(step, errors=due // 1000), P99_20_MS)
    assert not keeps(replace(step, errors=due // 1000 + 1), P99_20_MS)
    for sent_in_time, expected in ((LEAST_KEPT_SHARE * due, True), (0.97 * due, False)):
        open_loop = replace(step.open_loop, sent_in_time=math.ceil(sent_in_time))
        assert keeps(replace(step, open_loop=open_loop), P99_20_MS) is expected
    assert not keeps(replace(step, open_loop=replace(step.open_loop, unsent=1)), P99_20_MS)
    assert not keeps(replace(step, open_loop=None), P99_20_MS)
    assert not keeps(replace(step, times_hdr={}), P99_20_MS)


@pytest.mark.parametrize(
    ("kept", "broken", "expected"),
    [
        ((), (), Bracket(None, None)),
        ((100, 200), (), Bracket(200, None)),
        ((), (100, 200), Bracket(None, 100)),
        ((100, 200), (400, 800), Bracket(200, 400)),
        ((200, 400, 800), (100, 1600), Bracket(800, 1600)),  # one stall at light load
        ((100, 200, 1600), (400, 800), Bracket(200, 400)),  # one lucky step
        ((400, 800), (100, 200, 300, 1600), Bracket(None, 100)),  # light load breaks indeed
        ((100, 400), (200, 800), Bracket(100, 200)),  # as many for each place: the lower
        ((100,), (100,), Bracket(None, 100)),
    ],
)
def test_bracket_is_where_the_fewest_steps_contradict(
    kept: tuple[int, ...], broken: tuple[int, ...], expected: Bracket
) -> None:
    """One step against many moves nothing; in doubt the lower limit is given."""
    steps = [verdict_step(rate, kept=True) for rate in kept]
    steps += [verdict_step(rate, kept=False) for rate in broken]
    assert bracket(steps, P99_20_MS) == expected
    assert bracket(steps[::-1], P99_20_MS) == expected


@given(st.lists(st.tuples(RATES_RPS, st.booleans()), max_size=12))
def test_bracket_is_in_order(judged: list[tuple[float, bool]]) -> None:
    """Whatever the steps say, what was kept is below what was broken, and both were tried."""
    known = bracket([verdict_step(rate, kept=kept) for rate, kept in judged], P99_20_MS)
    assert known.kept_rps is None or (known.kept_rps, True) in judged
    assert known.broken_rps is None or (known.broken_rps, False) in judged
    if known.kept_rps is not None and known.broken_rps is not None:
        assert known.kept_rps < known.broken_rps


@given(limit_rps=st.floats(60, 60_000), first_rps=RATES_RPS, steps=st.integers(1, 12))
def test_search_closes_in_on_the_limit(limit_rps: float, first_rps: float, steps: int) -> None:
    """Once the limit lies between two steps, each further one halves the bracket, in logarithms."""
    tried = [verdict_step(first_rps, kept=first_rps <= limit_rps)]
    widths = []
    for _ in range(steps):
        known = bracket(tried, P99_20_MS)
        rate_rps = next_rate_rps(known)
        assert rate_rps is not None
        if known.kept_rps is not None and known.broken_rps is not None:
            assert known.kept_rps <= limit_rps <= known.broken_rps
            widths.append(math.log(known.broken_rps / known.kept_rps))
        tried.append(verdict_step(rate_rps, kept=rate_rps <= limit_rps))
    for wide, narrow in pairwise(widths):
        assert narrow == pytest.approx(wide / 2)


@given(RATES_RPS, RATES_RPS)
def test_next_rate_stays_in_reach(kept_rps: float, broken_rps: float) -> None:
    """Between the two where both are known; else half or a fifth more, never zero, never far."""
    assume(kept_rps < broken_rps)
    between = next_rate_rps(Bracket(kept_rps, broken_rps))
    assert between is not None
    assert kept_rps <= between <= broken_rps
    assert next_rate_rps(Bracket(None, broken_rps)) == broken_rps / 2
    assert next_rate_rps(Bracket(kept_rps, None)) == pytest.approx(1.2 * kept_rps)
    assert next_rate_rps(Bracket(None, None)) is None


@pytest.mark.parametrize("capacity_rps", [700.0, 24_000.0])
def test_search_finds_the_limit_of_a_queue(capacity_rps: float) -> None:
    """Five steps after a sweep, the rate is within 1 % of the first that such a queue breaks."""

    def step(rate_rps: float) -> Slice:
        return open_step(rate_rps, capacity_rps, 2.0, 0.0)

    steps = [step(share * capacity_rps) for share in (0.1, 0.25, 0.5, 0.7, 0.85, 0.95, 1.1)]
    for _ in range(5):
        rate_rps = next_rate_rps(bracket(steps, P99_20_MS))
        assert rate_rps is not None
        steps.append(step(rate_rps))
    rates_rps = (np.linspace(0.8, 1.1, 601) * capacity_rps).tolist()
    limit_rps = next(rate for rate in rates_rps if not keeps(step(rate), P99_20_MS))
    assert bracket(steps, P99_20_MS).kept_rps == pytest.approx(limit_rps, rel=0.01)


def test_a_step_without_a_right_answer_kept_nothing() -> None:
    """A histogram that holds no response is no proof that responses were in time."""
    step = open_step(1000, 10_000, 2.0, 0.0)
    assert keeps(step, P99_20_MS)
    empty = replace(step, times_hdr={RESPONSE_TIME: histogram_blob(0.001, 0, spread=0.2)})
    assert not keeps(empty, P99_20_MS)
