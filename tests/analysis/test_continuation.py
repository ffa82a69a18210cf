import msgspec
import pytest

from asgi_bench.analysis.continuation import complete_rounds, differences, is_complete
from asgi_bench.model import Goal, Proof, Run, RunHeader, Source
from asgi_bench.model.calibration import Calibration
from tests.synthetic_behaviour import BEHAVIOURS
from tests.synthetic_calibration import full_calibration, quick_calibration
from tests.synthetic_run import planned_cells, synthetic_run

# Two worker counts, so two blocks a round; the reference is in both.
CELLS = tuple(one for one in planned_cells() if one.cell.server in ("uvicorn", "granian"))
replace = msgspec.structs.replace


@pytest.fixture
def run() -> Run:
    """A complete run of three rounds."""
    found = synthetic_run(CELLS, rounds=3)
    return replace(found, header=replace(found.header, variables={"LANG": "C.UTF-8"}))


def test_a_round_is_complete_with_every_trial_of_every_block(run: Run) -> None:
    """Of a run that ended within a round that round doesn't count, whichever trial is missing."""
    assert complete_rounds(run) == 3
    assert is_complete(run)
    for missing in (trial for trial in run.trials if trial.round == 1):
        cut = replace(run, trials=tuple(trial for trial in run.trials if trial is not missing))
        assert complete_rounds(cut) == 1
        assert not is_complete(cut)


def test_a_run_without_trials_has_no_round(run: Run) -> None:
    """It was cut before its first round ended."""
    assert complete_rounds(replace(run, trials=())) == 0


def test_a_cell_that_is_not_what_it_says_is_not_waited_for(run: Run) -> None:
    """It has one failed trial in the first round, and the others are complete without it."""
    setting = "uvicorn/h11-asyncio/w1"
    kept = tuple(t for t in run.trials if not t.cell.startswith(f"{setting}/") or t.round == 0)
    proof = Proof(setting, fault="another loop")
    assert complete_rounds(replace(run, trials=kept)) == 1
    assert complete_rounds(replace(run, trials=kept, proofs=(proof,))) == 3


def test_a_precision_that_was_reached_completes_a_run(run: Run) -> None:
    """At a look it does, between looks it doesn't, and no more does a budget that is over."""
    for goal, expected in (
        (Goal(precision=0.9, looks=(3, 9)), True),
        (Goal(precision=0.9, looks=(2, 9)), False),
        (Goal(precision=1e-9, looks=(3, 9)), False),
        (Goal(budget_s=1.0, looks=(3, 9)), False),
    ):
        plan = replace(run.header.plan, goal=goal, rounds=9)
        assert is_complete(replace(run, header=replace(run.header, plan=plan))) is expected


def test_behaviour_that_was_asked_for_is_waited_for(run: Run) -> None:
    """A run with all its rounds lacks it where it wasn't watched."""
    assert not is_complete(run, has_behaviour=True)
    keys = {planned.cell.process_key for planned in run.header.plan.cells}
    whole = next(each for each in BEHAVIOURS if each.is_whole)
    watched = tuple(replace(whole, setting=key) for key in keys)
    assert is_complete(replace(run, behaviours=watched), has_behaviour=True)


def test_the_same_run_differs_by_nothing(run: Run) -> None:
    """Neither do variables that every terminal sets otherwise, nor another budget."""
    now = replace(
        run.header,
        run_id="another",
        variables={**run.header.variables, "WINDOWID": None},
        plan=replace(run.header.plan, goal=Goal(budget_s=5.0)),
    )
    assert not differences(run, now)


def _changed(header: RunHeader) -> dict[str, RunHeader]:
    """Headers with one difference each, by the words that have to name it."""
    plan, machine = header.plan, header.machine
    cell = plan.cells[0]
    waits = replace(cell, skip_reason="not installed")
    return {
        "machine kernel: 6.1.0-44-amd64 is now 6.9": replace(
            header, machine=replace(machine, kernel="6.9")
        ),
        "tool asgi-bench: ": replace(header, tool_version="99"),
        "package new: none is now 1": replace(header, packages={**header.packages, "new": "1"}),
        "commit of the app: none is now abc": replace(header, source=Source("abc")),
        "rounds: 3 is now 4": replace(header, plan=replace(plan, rounds=4)),
        f"seed: {plan.seed} is now 1": replace(header, plan=replace(plan, seed=1)),
        "load time per round: ": replace(header, plan=replace(plan, duration_s=9.0)),
        f"cell {cell.cell.key}: not asked for now": replace(
            header, plan=replace(plan, cells=plan.cells[1:])
        ),
        f"cell {cell.cell.key}: measured is now not installed": replace(
            header, plan=replace(plan, cells=(waits, *plan.cells[1:]))
        ),
        "expect_status of scenario hello: 200 is now 201": replace(
            header,
            plan=replace(plan, scenarios=(replace(plan.scenarios[0], expect_status=201),)),
        ),
        "environment MALLOC_ARENA_MAX: none is now 1": replace(
            header, variables={**header.variables, "MALLOC_ARENA_MAX": "1"}
        ),
    }


@pytest.mark.parametrize("number", range(11))
def test_what_differs_is_named(run: Run, number: int) -> None:
    """Machine, tool, packages, commit, plan, settings: each with what it was and what it is."""
    words, now = list(_changed(run.header).items())[number]
    found = differences(run, now)
    told = (*found.plan, *found.surroundings)
    assert len(told) == 1, told
    assert told[0].startswith(words)
    assert bool(found.plan) is words.startswith(("rounds", "seed", "cell", "expect"))


def test_what_really_runs_is_compared(run: Run) -> None:
    """Another event loop under the same command is a difference, as is a fault that came."""
    setting = run.header.plan.cells[0].cell.setting
    before = replace(run, proofs=(Proof(setting, loop="uvloop.Loop"),))
    now = (Proof(setting, loop="asyncio.Loop", fault="not uvloop"),)
    found = differences(before, run.header, now)
    assert found.surroundings == (
        f"running loop of {setting}: uvloop.Loop is now asyncio.Loop",
        f"fault of {setting}: none is now not uvloop",
    )
    assert not differences(before, run.header, before.proofs)


def test_packages_beside_asgi_bench_are_compared_too(run: Run) -> None:
    """Where servers have another interpreter, that of asgi-bench may change as well."""
    plan = replace(run.header.plan, python="/opt/py/bin/python")
    servers = {"uvicorn": "0.54.0"}
    header = replace(run.header, plan=plan, server_packages=servers, packages={"locust": "2.47"})
    stored = replace(run, header=header)
    now = replace(stored.header, packages={"locust": "2.48", "gevent": "26"})
    assert differences(stored, now).surroundings == (
        "package gevent beside asgi-bench: none is now 26",
        "package locust beside asgi-bench: 2.47 is now 2.48",
    )


def test_another_calibration_is_a_difference(run: Run) -> None:
    """The ceiling, the kind and the floor that a run's verdicts rest on are compared by figure."""
    full = full_calibration()

    def calibrated(calibration: Calibration) -> RunHeader:
        preparation = replace(run.header.preparation, calibration=calibration)
        return replace(run.header, preparation=preparation)

    stored = replace(run, header=calibrated(full))
    assert full.aa_floor is not None
    floor = replace(full.aa_floor, half_width=0.02)
    ceiling = (*full.ceiling[:-1], replace(full.ceiling[-1], ceiling_rps=80_000.0))
    found = differences(stored, calibrated(replace(full, aa_floor=floor, ceiling=ceiling)))
    assert found.surroundings == (
        "calibration A/A floor: ±1.10% is now ±2.00%",
        "calibration ceiling at 256 connections: 90,000 requests/s is now 80,000 requests/s",
    )
    assert not differences(stored, stored.header)
    quick = differences(stored, calibrated(quick_calibration())).surroundings
    assert "calibration kind: full is now quick" in quick
