from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.ab.counts import counts_verdict
from asgi_bench.analysis.ab.wording import DECIDING
from asgi_bench.model import Effect, Reason, Verdict
from asgi_bench.reporting.ab import advice, effort_words
from tests.synthetic_ab import ab_report, cell, metric
from tests.synthetic_counts import counted_run


def undecided(d: float, half: float) -> str:
    """What is said of one open effect; the budget was 100 s and 2 % matters."""
    return advice(ab_report("undecided", [cell("undecided", d=d, half=half)]))


@pytest.mark.parametrize(
    ("d", "half", "told"),
    [
        # Nothing, or as much as 3 %: half as wide leaves out 2 %.
        (0.0, 0.03, "about --budget 230s would decide"),
        (0.01, 0.02, "about --budget 400s would decide"),
        # A slowdown of 3 %, or nothing.
        (0.03, 0.04, "about --budget 180s would decide"),
        (0.019, 0.01, "time alone would take too long"),
    ],
)
def test_an_open_verdict_says_how_long_it_would_take(d: float, half: float, told: str) -> None:
    """The interval shrinks with the root of the time; where that takes too long, it is said."""
    text = undecided(d, half)
    assert told in text
    assert "this is not a pass" in text


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 1))
def test_more_time_is_never_less(d: float, half: float) -> None:
    """What an open verdict advises is at least the budget that was not enough."""
    is_open = d + half >= 0.02 and not (d >= 0.02 and d - half > 0)
    told = undecided(d, half).partition("--budget ")[2].partition("s ")[0]
    if is_open and told:
        assert int(told) >= 100


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_each_verdict_has_advice(verdict: Verdict) -> None:
    """None leaves its reader alone, and an A/A that fires is called a false alarm."""
    assert advice(ab_report(verdict)).endswith(".")
    is_alarm = verdict in ("regression", "improvement")
    assert ("false alarm" in advice(ab_report(verdict, is_aa=True))) == is_alarm


@pytest.mark.parametrize("code", sorted(DECIDING["undecided"]))
def test_what_left_a_verdict_open_is_what_to_mend(code: str) -> None:
    """A doubt has advice of its own: no longer run would settle it."""
    reason = Reason(code, "suspect", 0.1, 0.02, "so it is")
    open_cell = msgspec.structs.replace(cell("undecided"), reasons=(reason,))
    text = advice(ab_report("undecided", [open_cell]))
    assert text.startswith("This is not a pass. ")
    assert text.endswith(".")
    assert "about --budget" not in text


def test_time_can_not_decide_what_has_no_bounds() -> None:
    """Too few blocks for an interval say nothing about how many it would take."""
    bare = msgspec.structs.replace(metric("undecided"), effect=Effect(0.01))
    open_cell = msgspec.structs.replace(cell("undecided"), metrics=(bare,))
    text = advice(ab_report("undecided", [open_cell]))
    assert "time alone would take too long" in text and "--budget" not in text


def test_a_regression_that_stalls_alone_is_told_as_such() -> None:
    """Where nothing but stalls makes the verdict, the advice is about them."""
    stalls = Reason("stalls", "invalid", 0.1, 0.02, "it stalls")
    stalling = msgspec.structs.replace(cell("regression"), reasons=(stalls,))
    alone = advice(ab_report("regression", [stalling]))
    mixed = advice(ab_report("regression", [stalling, cell("regression")]))
    assert alone != mixed == advice(ab_report("regression"))
    assert alone.endswith("the gate remembers no run.")


def test_a_gate_of_counts_says_what_it_rules_out() -> None:
    """A pass of counts is no pass of times, and its effort is told without looks."""
    run = counted_run(is_ab=True)
    counted = counts_verdict(run.header, run.lives)
    assert counted.verdict == "pass"
    assert "more work in user mode is ruled out" in advice(counted)
    assert effort_words(counted).startswith("4 layouts in ")
    assert "looks" not in effort_words(counted)
    assert "planned looks" in effort_words(ab_report())
