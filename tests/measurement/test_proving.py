from pathlib import Path

import msgspec
import pytest

from asgi_bench.measurement.proving import (
    NO_APP,
    as_proven,
    compared,
    failed_trials,
    prove,
    refused,
    with_debugging,
)
from asgi_bench.model import Cell, ClosedLoop, Plan, PlannedCell, Proof, Trial

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


def test_a_trial_has_what_the_proof_told() -> None:
    """As many workers as answered, unless more were seen under load; a failed one has nothing."""
    trial = Trial(cell="a", round=0, block=0, started_at="", outcome="ok", workers_serving=2)
    proof = Proof("a/x/w1", worker_pids=(1, 2, 3), differs=("something",))
    proven = as_proven(trial, proof)
    assert (proven.workers_serving, proven.differs) == (3, ("something",))
    assert as_proven(trial, RIGHT).workers_serving == 2
    assert as_proven(trial, None) is trial
    failed = msgspec.structs.replace(trial, outcome="failed")
    assert as_proven(failed, proof) is failed


def test_what_the_variant_is_not_without_the_app_is_its_own_fault() -> None:
    """The app is blamed for what it alone changes."""
    without = Proof("a/x/w1", loop="slow")
    faulty = Proof("a/x/w1", loop="fast", fault="its loop is fast")
    assert compared(faulty, msgspec.structs.replace(without, fault="so is it")) is faulty
    assert compared(faulty, Proof("a/x/w1", unproven="no answer")) is faulty
    changed = compared(faulty, without)
    assert (changed.fault, len(changed.differs)) == (None, 1)
    # It differs in what is not compared: then the variant's statement stands.
    assert compared(faulty, Proof("a/x/w1", loop="fast")).fault == faulty.fault


@pytest.mark.parametrize(
    ("facts", "is_asked_for"),
    [
        ({}, False),
        ({"command": ("/opt/debug/bin/python", "-m", "x", "--log-level", "debug")}, False),
        ({"command": ("python", "-X", "dev", "-m", "x")}, True),
        ({"command": ("python", "-m", "hypercorn", "--debug")}, True),
        ({"env": {"PYTHONASYNCIODEBUG": "1"}}, True),
    ],
)
def test_debugging_that_was_asked_for_is_as_asked(
    facts: dict[str, object], is_asked_for: bool
) -> None:
    """A variable or flag of the user's own is on purpose."""
    proof = with_debugging(Proof("a/x/w1", debugging=("tracemalloc",)), _cell("x", **facts))  # type: ignore[arg-type]
    assert proof.differs == (() if is_asked_for else ("it runs with tracemalloc",))
