import pytest
from scipy.stats import binom

from asgi_bench.model import Gate
from gate.synthetic import CASES, STALLS, Outcome, simulate

# The blocks of these cases scatter as on a busy host, where 2 % is what can be told.
GATE = Gate(min_change=0.02)
# Calls everything a change that is significant: what it calls one in an A/A is an error.
SIGNIFICANCE = Gate(min_change=1e-9)
RUNS = 60
SLOW_RUNS = 2000
# What totals see most of: noise without a variance, and stalls of the machine.
RESTLESS = ("outliers", "heavy tails", "machine stalls", "machine stops")
TOTALS_CASES = ("machine stalls", "machine stops")
FEWER_RUNS = 200
FEW_RUNS = 30


def most(runs: int, probability: float) -> int:
    """The most hits that chance brings about but in one of ten thousand tests."""
    return int(binom.ppf(0.9999, runs, probability))


def passed(found: Outcome) -> int:
    """How many of them were let through."""
    return found.count("pass", "improvement")


def check(case: str, runs: int) -> None:
    """Hold a case to its error rates."""
    made = CASES[case]
    # Totals can only hold up what these count.
    same = simulate(made, 0.0, SIGNIFICANCE, runs, seed=1, with_totals=False)
    assert same.count("regression", "improvement") <= most(runs, SIGNIFICANCE.alpha)
    assert same.count("invalid") == 0 or same.count("invalid") <= most(runs, 0.002)
    aa = simulate(made, 0.0, GATE, runs, seed=2)
    assert aa.count("regression") <= most(runs, 0.01)
    assert aa.held_up <= most(runs, GATE.alpha)
    at_limit = simulate(made, GATE.min_change, GATE, runs, seed=3, with_totals=False)
    assert at_limit.count("pass") <= most(runs, GATE.alpha)


@pytest.mark.parametrize("case", CASES)
def test_error_rates_are_nominal(case: str) -> None:
    """An A/A is significant in 5 % at most, a slowdown that matters passes in 5 % at most.

    And of A/As that would pass 5 % at most are held up by their totals.
    """
    check(case, RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_error_rates_are_nominal_in_many_runs(case: str) -> None:
    """The same in 2,000 runs a case, in 200 of stalls of the machine."""
    check(case, FEWER_RUNS if case in TOTALS_CASES else SLOW_RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("case", RESTLESS)
def test_totals_raise_no_more_alarms(case: str) -> None:
    """With totals an A/A is called a regression in 5 % at most, were any size enough."""
    found = simulate(CASES[case], 0.0, SIGNIFICANCE, FEWER_RUNS, seed=1)
    assert found.count("regression") <= most(FEWER_RUNS, SIGNIFICANCE.alpha)


@pytest.mark.parametrize("case", CASES)
def test_a_slowdown_of_5_percent_is_found(case: str) -> None:
    """What goes wrong on shared machines hides no real regression."""
    found = simulate(CASES[case], 0.05, GATE, 20, seed=4)
    assert found.count("regression") >= 18


@pytest.mark.parametrize(
    ("case", "middle", "power"),
    [
        ("stalls", 0.9, 0.9),
        ("regular stalls", 0.9, 0.9),
        ("slow beginning", 0.8, 0.9),
        ("slow starts", 0.0, 0.5),
        # On average one in four blocks has one, which no run of 28 blocks is sure of.
        ("rare stalls", 0.9, 0.1),
    ],
)
def test_what_the_candidate_alone_does_now_and_then_is_found(
    case: str, middle: float, power: float
) -> None:
    """What the middle of slices lets through, totals call a regression where it is sure."""
    found = simulate(STALLS[case], 0.0, GATE, FEW_RUNS, seed=6)
    alone = simulate(STALLS[case], 0.0, GATE, FEW_RUNS, seed=6, with_totals=False)
    assert passed(alone) >= middle * FEW_RUNS
    assert found.count("regression") >= power * FEW_RUNS
    assert passed(found) <= (1 - power) * FEW_RUNS
    assert found.count("regression") >= alone.count("regression")
