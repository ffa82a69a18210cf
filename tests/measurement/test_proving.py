from pathlib import Path

import pytest

from asgi_bench.measurement.proving import NO_APP, failed_trials, prove, refused
from asgi_bench.model import Cell, ClosedLoop, Plan, PlannedCell, Proof

RIGHT, WRONG = Proof("a/x/w1"), Proof("a/y/w1", fault="its loop is slow")


def _cell(variant: str, connections: int = 1, **facts: object) -> PlannedCell:
    cell = Cell("a", variant, 1, "hello", ClosedLoop(connections))
    return PlannedCell(cell, **facts)  # type: ignore[arg-type]


def _plan(*cells: PlannedCell) -> Plan:
    return Plan(cells, (), rounds=3, duration_s=1, seed=1, reference=None)


def test_every_cell_of_a_setting_that_is_not_what_it_states_is_refused() -> None:
    """Whatever its load; one that is skipped anyway keeps its own reason."""
    skipped = _cell("y", 8, skip_reason="not installed")
    plan = _plan(_cell("x"), _cell("y"), _cell("y", 64), skipped)
    reasons = refused(plan, (RIGHT, WRONG))
    assert reasons == {
        "a/y/w1/hello/c1": "not what its name says: its loop is slow",
        "a/y/w1/hello/c64": "not what its name says: its loop is slow",
    }
    trials = list(failed_trials(plan, reasons))
    assert [(trial.cell, trial.outcome) for trial in trials] == [(key, "failed") for key in reasons]
    assert {trial.reason for trial in trials} == set(reasons.values())


@pytest.mark.parametrize("proof", [RIGHT, Proof("a/x/w1", unproven="no answer")])
def test_what_is_right_or_unproven_is_measured(proof: Proof) -> None:
    """Only what was seen to differ is held against a cell."""
    assert refused(_plan(_cell("x")), (proof,)) == {}


def test_a_server_without_an_app_is_not_started() -> None:
    """Each setting has one entry, in the plan's order; what is skipped has none."""

    def no_log(key: str, round: int, block: int) -> Path:
        raise AssertionError("nothing is to be started")

    plan = _plan(_cell("y"), _cell("x"), _cell("x", 64), _cell("z", skip_reason="not installed"))
    assert prove(plan, no_log) == (
        Proof("a/y/w1", unproven=NO_APP),
        Proof("a/x/w1", unproven=NO_APP),
    )
