"""How far a stored run has come, and whether measuring now would continue the same run."""

from collections.abc import Iterator, Sequence

import msgspec

from asgi_bench.analysis.history.environment import SET, Change, changes, fuller_surroundings
from asgi_bench.analysis.stopping import is_precise
from asgi_bench.model import Plan, PlannedCell, Proof, Run, RunHeader, Scenario

# Facts of the surroundings tell of these, in fewer words.
PLAN_FACTS = (
    *("duration_s", "client", "load_processes"),
    *("server_cpus", "load_cpus", "quota_cpus"),
)
CELL_FACTS = (
    *("command", "env", "environment", "server_version"),
    *("proof_command", "proof_env", "missing"),
)
SCENARIO_FACTS = ("method", "path", "headers", "body", "body_bytes", "app")
# In words of their own, or none: where the app lies and starts changes nothing else.
PLAN_PARTS = ("cells", "scenarios", "goal")
CELL_PARTS = ("cell", "skip_reason", "working_dir", "app_dir")


class Differences(msgspec.Struct, frozen=True):
    """What differs from when a run was measured, each in words."""

    plan: tuple[str, ...] = ()
    surroundings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.plan or self.surroundings)


def complete_rounds(run: Run) -> int:
    """How many rounds, from the first on, have every trial that they should have.

    A cell that is not what its name says has a failed trial in the first round alone.
    """
    refused = {proof.setting for proof in run.proofs if proof.fault is not None}
    due = {
        (planned.cell.key, block)
        for planned in run.header.plan.cells
        if planned.skip_reason is None and planned.cell.setting not in refused
        for block in planned.blocks
    }
    done: dict[int, set[tuple[str, int]]] = {}
    for trial in run.trials:
        done.setdefault(trial.round, set()).add((trial.cell, trial.block))
    rounds = 0
    while due <= done.get(rounds, set()) and rounds < run.header.plan.rounds:
        rounds += 1
    return rounds


def is_complete(run: Run, *, has_behaviour: bool = False) -> bool:
    """Whether nothing of a run's plan is left to measure.

    True after its last round, and at a look at which its precision was reached; with
    `has_behaviour`, once the behaviour of each server setting was observed.
    """
    header, rounds = run.header, complete_rounds(run)
    if rounds < header.plan.rounds and not is_precise(
        header.plan, rounds, run.trials, spent_s=header.spent_s
    ):
        return False
    return not has_behaviour or not unwatched(run)


def unwatched(run: Run) -> set[str]:
    """The server settings whose behaviour is unknown or only partly known."""
    refused = {proof.setting for proof in run.proofs if proof.fault is not None}
    settings = {
        planned.cell.process_key
        for planned in run.header.plan.cells
        if planned.skip_reason is None and planned.cell.setting not in refused
    }
    return settings - {each.setting for each in run.behaviours if each.is_whole}


def differences(stored: Run, now: RunHeader, proofs: Sequence[Proof] | None = None) -> Differences:
    """What differs between a stored run and one that would be measured now to continue it.

    `now` has today's plan and surroundings, `proofs` what really runs today; without proofs,
    what runs is not compared.
    """
    before, after = (
        (() if proofs is None else stored.proofs),
        () if proofs is None else proofs,
    )
    found = changes(fuller_surroundings(stored.header, before), fuller_surroundings(now, after))
    surroundings = [_change_words(change) for change in found if not _is_passing(change)]
    surroundings += _own_package_differences(stored.header, now)
    if proofs is not None and stored.proofs:
        surroundings += _fault_differences(stored.proofs, proofs)
    plan = tuple(_plan_differences(stored.header.plan, now.plan))
    return Differences(plan, tuple(dict.fromkeys(surroundings)))


def _is_passing(change: Change) -> bool:
    """Whether it is a variable of no known effect, as each terminal sets others."""
    return change.kind == "environment" and {change.before, change.after} <= {None, SET}


def _change_words(change: Change) -> str:
    return _words(f"{change.kind} {change.name}".strip(), change.before, change.after)


def _words(name: str, before: object, after: object) -> str:
    shown = ("none" if value in (None, (), "") else str(value) for value in (before, after))
    return f"{name}: {' is now '.join(shown)}"


def _own_package_differences(stored: RunHeader, now: RunHeader) -> Iterator[str]:
    """Packages of the interpreter that runs asgi-bench, where servers have another."""
    if stored.plan.python is None:
        return
    for name in sorted(stored.packages.keys() | now.packages.keys()):
        before, after = stored.packages.get(name), now.packages.get(name)
        if before != after:
            yield _words(f"package {name} beside asgi-bench", before, after)


def _fault_differences(stored: Sequence[Proof], now: Sequence[Proof]) -> Iterator[str]:
    """Settings that only one of two times were what their names say."""
    faults = {proof.setting: proof.fault for proof in stored}
    for proof in now:
        if proof.setting in faults and bool(proof.fault) != bool(faults[proof.setting]):
            yield _words(f"fault of {proof.setting}", faults[proof.setting], proof.fault)


def _plan_differences(stored: Plan, now: Plan) -> Iterator[str]:
    """What the plan itself has otherwise; a budget is no part of what is planned."""
    for name in Plan.__struct_fields__:
        if name not in (*PLAN_PARTS, *PLAN_FACTS):
            yield from _difference(name, getattr(stored, name), getattr(now, name))
    goals = [
        None if goal is None or goal.precision is None else (goal.precision, goal.looks)
        for goal in (stored.goal, now.goal)
    ]
    yield from _difference("precision and looks", *goals)
    cells = [{planned.cell.key: planned for planned in plan.cells} for plan in (stored, now)]
    for key in dict.fromkeys((*cells[0], *cells[1])):
        yield from _cell_differences(key, cells[0].get(key), cells[1].get(key))
    scenarios = [{scenario.name: scenario for scenario in plan.scenarios} for plan in (stored, now)]
    for name in scenarios[0].keys() & scenarios[1].keys():
        yield from _scenario_differences(scenarios[0][name], scenarios[1][name])


def _difference(name: str, before: object, after: object) -> Iterator[str]:
    if before != after:
        yield _words(name, before, after)


def _cell_differences(
    key: str, before: PlannedCell | None, after: PlannedCell | None
) -> Iterator[str]:
    if before is None or after is None:
        yield f"cell {key}: {'not in the run' if before is None else 'not asked for now'}"
        return
    yield from _difference(
        f"cell {key}", *(one.skip_reason or "measured" for one in (before, after))
    )
    for name in PlannedCell.__struct_fields__:
        if name not in (*CELL_PARTS, *CELL_FACTS):
            yield from _difference(f"{name} of {key}", getattr(before, name), getattr(after, name))


def _scenario_differences(before: Scenario, after: Scenario) -> Iterator[str]:
    for name in Scenario.__struct_fields__:
        if name not in SCENARIO_FACTS:
            field = f"{name} of scenario {before.name}"
            yield from _difference(field, getattr(before, name), getattr(after, name))
