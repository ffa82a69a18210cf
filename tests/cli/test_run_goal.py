"""A run that decides its rounds itself: what ends it, and what it tells of that."""

from pathlib import Path

import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Goal
from tests.command_line import SERVERS, in_process

SHORT = ("--runners", str(SERVERS), "-s", "tiny", "-s", "single", "--variant", "default", "-w", "1")
LOAD = ("-c", "4", "--duration", "30ms")


@pytest.mark.slow
def test_a_precision_is_reached_at_a_look(tmp_path: Path) -> None:
    """On a calm machine six rounds are enough for ±99%, on any nine: it ends at a look."""
    finished = in_process(
        *("run", *SHORT, *LOAD, "--precision", "99%", "--rounds", "9"),
        *("--reference", "tiny/default"),
        folder=tmp_path,
    )
    assert finished.code == 0, finished.stderr
    plan = finished.run.header.plan
    assert plan.goal is not None
    assert (plan.goal.precision, plan.goal.budget_s, plan.rounds) == (0.99, None, 9)
    assert plan.reference == "tiny/default/w1"
    rounds = 1 + max(trial.round for trial in finished.run.trials)
    assert rounds in {6, 9}
    report = summarize(finished.run)
    assert report.run.reached is not None
    assert report.run.reached.rounds == rounds
    codes = {reason.code for cell in report.cells for reason in cell.validity_reasons}
    assert "missing-rounds" not in codes
    assert f"Goal: ±99%. Reached: {rounds} rounds in" in finished.stdout


def test_a_budget_ends_a_run(tmp_path: Path) -> None:
    """A second has room for few rounds: it ends within a round of it, and says what it reached."""
    finished = in_process("run", *SHORT, *LOAD, "--budget", "1s", folder=tmp_path)
    assert finished.code == 0, finished.stderr
    goal = finished.run.header.plan.goal
    assert isinstance(goal, Goal)
    assert goal.budget_s == 1
    assert finished.run.header.preparation.spent_s > 0
    rounds = {trial.round for trial in finished.run.trials}
    assert 1 <= len(rounds) < 6
    assert "Goal: at most 1 s. Reached: " in finished.stdout
