"""How many rounds a run takes that decides this itself, as far as the clock decides."""

from collections.abc import Sequence

from asgi_bench.model import Goal, Plan, Trial


def round_ends_s(trials: Sequence[Trial], rounds: int) -> list[float]:
    """When the servers of each round had stopped, in seconds since the run began."""
    ends_s = [0.0] * rounds
    for trial in trials:
        end_s = max(
            trial.server_life_s[1] if trial.server_life_s else 0.0,
            max((piece.end_s for piece in trial.slices), default=0.0),
        )
        ends_s[trial.round] = max(ends_s[trial.round], end_s)
    # A round in which everything failed has no times of its own.
    return [max(ends_s[: index + 1]) for index in range(rounds)]


def is_look(goal: Goal, rounds: int) -> bool:
    """Whether the results are checked after this many rounds."""
    return rounds in goal.looks


def is_time_up(plan: Plan, goal: Goal, ends_s: Sequence[float], spent_s: float = 0.0) -> bool:
    """Whether the budget has no room for what would come next; never without a budget.

    `spent_s` of it had gone by when the run began.

    What comes next is one round; with a precision to reach it is, at a look, all rounds until the
    next look, because they are added together or not at all. What would end within half a round
    of the budget's end is begun, so the budget is overrun by less than a round. Only the clock
    decides here, so no estimate is biased by it.
    """
    rounds = len(ends_s)
    if goal.budget_s is None or not rounds:
        return False
    is_planned = goal.precision is not None and is_look(goal, rounds)
    steps = next_stop(plan, goal, rounds) - rounds if is_planned else 1
    # The first round's end holds what came before it.
    round_s = (ends_s[-1] - ends_s[0]) / (rounds - 1) if rounds > 1 else ends_s[0]
    return spent_s + ends_s[-1] + (steps - 0.5) * round_s > goal.budget_s


def next_stop(plan: Plan, goal: Goal, rounds: int) -> int:
    """The number of rounds at which a run may end next: a look, or the plan's last round."""
    return min((look for look in goal.looks if rounds < look < plan.rounds), default=plan.rounds)


def due_rounds(plan: Plan, trials: Sequence[Trial], spent_s: float = 0.0) -> int:
    """The rounds that a stored run should have: with fewer, it was cut short.

    A run with a goal ends when it has reached it; rounds after that aren't missing.
    """
    goal = plan.goal
    rounds = 1 + max((trial.round for trial in trials), default=-1)
    if goal is None:
        return plan.rounds
    if is_look(goal, rounds) or is_time_up(plan, goal, round_ends_s(trials, rounds), spent_s):
        return rounds
    return next_stop(plan, goal, rounds)
