import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.pacing import due_rounds, is_time_up, next_stop, round_ends_s
from asgi_bench.model import Goal, Plan, Run, Trial
from tests.synthetic_run import plan_of, planned_cells, synthetic_run

replace = msgspec.structs.replace


def plan_with(goal: Goal, rounds: int = 18) -> Plan:
    """A plan with a goal."""
    return replace(plan_of((), rounds=rounds), goal=goal)


def rounds_within(
    goal: Goal, round_s: float, first_s: float = 0.0, most: int = 18, spent_s: float = 0.0
) -> int:
    """How many rounds a run has whose rounds all take as long, and what ends it is the clock."""
    plan = plan_with(goal, most)
    for rounds in range(1, most):
        ends_s = [first_s + round_s * (number + 1) for number in range(rounds)]
        if is_time_up(plan, goal, ends_s, spent_s):
            return rounds
    return most


@pytest.mark.parametrize(
    ("budget_s", "rounds"),
    [(1, 1), (20, 2), (59, 6), (60, 6), (84, 8), (86, 9), (114, 11), (181, 18), (999, 18)],
)
def test_budget_holds_as_many_rounds_as_fit(budget_s: float, rounds: int) -> None:
    """Rounds of 10 s, to the nearest round."""
    assert rounds_within(Goal(budget_s=budget_s), 10.0) == rounds


@pytest.mark.parametrize(
    ("budget_s", "rounds"), [(20, 2), (59, 6), (84, 6), (86, 9), (124, 9), (130, 13), (999, 18)]
)
def test_a_precision_adds_rounds_until_the_next_look(budget_s: float, rounds: int) -> None:
    """6, 9, 13 or 18 of them: who may stop when it looks good must look at planned moments."""
    assert rounds_within(Goal(budget_s=budget_s, precision=0.02), 10.0) == rounds


@given(
    budget_s=st.floats(1, 2000),
    round_s=st.floats(0.5, 100),
    spent_s=st.floats(0, 100),
    most=st.integers(1, 18),
)
def test_budget_is_never_overrun_by_a_round(
    budget_s: float, round_s: float, spent_s: float, most: int
) -> None:
    """Whatever a round takes, the run ends within the budget and one round; one is always had."""
    rounds = rounds_within(Goal(budget_s=budget_s), round_s, most=most, spent_s=spent_s)
    assert 1 <= rounds <= most
    assert rounds == 1 or spent_s + rounds * round_s <= budget_s + round_s


def test_rounds_that_slow_down_end_between_looks() -> None:
    """What was added because it fitted is cut short where it takes longer than it should."""
    goal = Goal(budget_s=100, precision=0.02)
    ends_s = [10.0 * number for number in range(1, 7)]
    assert not is_time_up(plan_with(goal), goal, ends_s)
    assert is_time_up(plan_with(goal), goal, [*ends_s, 98.0])


def test_without_budget_time_is_never_up() -> None:
    """A precision alone has all the time it takes."""
    goal = Goal(precision=0.02)
    assert not is_time_up(plan_with(goal), goal, [1e6] * 17)


def test_stops_are_the_looks_and_the_last_round() -> None:
    """--rounds 11 is a last stop of its own."""
    plan = plan_with(Goal(budget_s=1), rounds=11)
    assert plan.goal is not None
    stops = [next_stop(plan, plan.goal, rounds) for rounds in (0, 5, 6, 9, 10)]
    assert stops == [6, 6, 9, 11, 11]


def test_ends_of_rounds_are_those_of_their_last_server() -> None:
    """In seconds since the run began; a round without times ends with the one before."""
    run = synthetic_run(planned_cells()[:3], rounds=3)
    assert round_ends_s(run.trials, 3) == [29.0, 89.0, 149.0]
    assert round_ends_s(run.trials, 4) == [29.0, 89.0, 149.0, 149.0]


def cut_run(goal: Goal | None, rounds: int) -> Run:
    """A run of so many rounds of a minute whose plan has 18."""
    run = synthetic_run(planned_cells()[:2], rounds=rounds)
    plan = replace(run.header.plan, rounds=18, goal=goal)
    return replace(run, header=replace(run.header, plan=plan))


@pytest.mark.parametrize(
    ("goal", "rounds", "due"),
    [
        (None, 6, 18),
        (Goal(precision=0.01), 6, 6),
        (Goal(precision=0.01), 7, 9),
        (Goal(precision=0.01), 3, 6),
        (Goal(budget_s=170), 3, 3),
        (Goal(budget_s=2000), 3, 6),
        (Goal(budget_s=2000), 14, 18),
        (Goal(budget_s=400, precision=0.01), 7, 7),
    ],
)
def test_due_are_the_rounds_up_to_a_planned_end(goal: Goal | None, rounds: int, due: int) -> None:
    """A run that ended at a look, or for want of time, lacks no round; a run cut short does."""
    run = cut_run(goal, rounds)
    assert due_rounds(run.header.plan, run.trials) == due


def test_no_trials_lack_all(trials: tuple[Trial, ...] = ()) -> None:
    """Before the first trial all rounds to the first end are due."""
    assert due_rounds(plan_with(Goal(precision=0.01)), trials) == 6
