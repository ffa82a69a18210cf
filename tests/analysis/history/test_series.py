from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.history.environment import surroundings
from asgi_bench.analysis.history.series import History, build_history, run_entry
from asgi_bench.model import Goal, RunEntry, RunHeader, Scenario
from asgi_bench.model.metrics import THROUGHPUT
from asgi_bench.reporting.history import blame_words, headline
from asgi_bench.store.index import environment_key
from tests.synthetic_history import REFERENCE, TRACKED, run_at

replace = msgspec.structs.replace
RUNS = 14


def with_package(version: str) -> Callable[[RunHeader], RunHeader]:
    """A run whose servers had another version of a package."""
    return lambda header: replace(header, packages=header.packages | {"h11": version})


def with_kernel(kernel: str) -> Callable[[RunHeader], RunHeader]:
    """A run under another kernel."""
    return lambda header: replace(header, machine=replace(header.machine, kernel=kernel))


def with_time_per_round(duration_s: float) -> Callable[[RunHeader], RunHeader]:
    """A run with another time under load in each round."""
    return lambda header: replace(header, plan=replace(header.plan, duration_s=duration_s))


def with_tool(version: str) -> Callable[[RunHeader], RunHeader]:
    """A run by another version of asgi-bench."""
    return lambda header: replace(header, tool_version=version)


def history(
    count: int = RUNS,
    factors: Mapping[int, float] | None = None,
    edits: Mapping[int, Callable[[RunHeader], RunHeader]] | None = None,
    **options: Any,
) -> History:
    """A history of runs of which factor and header change at some numbers."""
    entries: list[RunEntry] = []
    environments: dict[str, dict[str, str]] = {}
    factor, edit = 1.0, lambda header: header
    for number in range(count):
        factor = (factors or {}).get(number, factor)
        edit = (edits or {}).get(number, edit)
        run = run_at(number, factor, edit)
        facts = surroundings(run.header)
        key = environment_key(facts)
        environments[key] = facts
        entries.append(run_entry(run, key))
    return build_history(entries, environments, **options)


def test_slower_cell_is_told_with_run_commit_and_size() -> None:
    """A throughput of 8 % less from one run on is one slowdown of 1/0.92, at that run's commit."""
    found = history(factors={8: 0.92})
    ((series, shift),) = found.shifts
    assert (series.cell, series.metric) == (TRACKED, THROUGHPUT)
    assert series.reference == f"{REFERENCE}/hello/c64"
    assert shift.at.source is not None and shift.at.source.subject == "Commit 8"
    assert shift.before.source is not None and shift.before.source.subject == "Commit 7"
    assert shift.effect.d == pytest.approx(1 / 0.92 - 1, abs=0.01)
    assert shift.effect.lo is not None and shift.effect.hi is not None
    assert shift.effect.lo < 1 / 0.92 - 1 < shift.effect.hi
    assert shift.changes == ()


def test_what_changed_with_it_is_named() -> None:
    """A package that was upgraded with the run is told beside the change, and marked as a break."""
    found = history(factors={8: 0.92}, edits={8: with_package("0.17.0")})
    ((_, shift),) = found.shifts
    assert [(c.kind, c.name, c.before, c.after) for c in shift.changes] == [
        ("package", "h11", None, "0.17.0")
    ]
    assert not shift.may_be_measuring
    assert [(mark.number, mark.is_measuring) for mark in found.breaks] == [(8, False)]


@pytest.mark.parametrize(
    "change",
    [{"server_version": "9.9.9"}, {"command": ("python", "-X")}, {"env": {"FOO": "1"}}],
)
def test_a_change_of_the_reference_may_be_all_there_is(change: dict[str, Any]) -> None:
    """Another version, command or variable of it moves the ratio; the cell's own are the code."""

    def with_other(setting: str) -> Callable[[RunHeader], RunHeader]:
        def edit(header: RunHeader) -> RunHeader:
            cells = tuple(
                replace(p, **change) if p.cell.setting == setting else p for p in header.plan.cells
            )
            return replace(header, plan=replace(header.plan, cells=cells))

        return edit

    found = history(factors={8: 0.92}, edits={8: with_other(REFERENCE)})
    ((_, shift),) = found.doubtful_shifts
    assert found.shifts == []
    assert shift.may_be_measuring and shift.reference_changed
    assert "the reference itself changed" in blame_words(shift)
    ((_, shift),) = history(factors={8: 0.92}, edits={8: with_other("granian/uvloop/w1")}).shifts
    assert not shift.may_be_measuring


def test_a_looked_run_has_wider_bounds() -> None:
    """Where precision chose the number of rounds, a point's interval covers that too."""

    def precise(header: RunHeader) -> RunHeader:
        return replace(header, plan=replace(header.plan, goal=Goal(precision=0.02)))

    plain, looked = (run_entry(run_at(0, edit=edit), "") for edit in (lambda h: h, precise))
    for narrow, wide in zip(plain.points, looked.points, strict=True):
        assert narrow.lower is not None and wide.lower is not None
        assert narrow.upper is not None and wide.upper is not None
        assert (narrow.ratio, wide.lower < narrow.lower) == (wide.ratio, True)
        assert wide.upper > narrow.upper


def test_break_without_a_change_is_only_a_mark() -> None:
    """A new kernel is a break of the surroundings, and no change where the ratio stays."""
    found = history(edits={8: with_kernel("6.12.1")})
    assert found.shifts == found.doubtful_shifts == []
    assert [(mark.number, mark.is_measuring) for mark in found.breaks] == [(8, True)]


@pytest.mark.parametrize(
    "edit", [with_kernel("6.12.1"), with_time_per_round(0.5), with_tool("9.0.0")]
)
def test_a_change_with_the_measuring_is_told_apart(
    edit: Callable[[RunHeader], RunHeader],
) -> None:
    """What comes with a new kernel, load or tool is no slowdown that the first line counts."""
    found = history(factors={8: 0.92}, edits={8: edit})
    assert found.shifts == []
    ((series, shift),) = found.doubtful_shifts
    assert (series.cell, series.doubtful_shifts, series.own_shifts) == (TRACKED, (shift,), ())
    assert headline(found) == "No lasting change in 14 runs; 1 doubtful"
    assert "so it may not be the code" in blame_words(shift)


def test_a_change_after_one_of_the_measuring_is_found() -> None:
    """Two changes, three runs apart: the upgrade's is doubtful, the code's is counted."""
    found = history(factors={8: 0.92, 11: 0.8}, edits={8: with_tool("9.0.0")})
    assert [shift.at.run_id for _, shift in found.doubtful_shifts] == [found.runs[8].run_id]
    assert [shift.at.run_id for _, shift in found.shifts] == [found.runs[11].run_id]
    assert headline(found) == "1 lasting change: 1 slower, 0 faster; 1 doubtful"


def test_what_changed_within_the_runs_it_may_be_is_told() -> None:
    """Where the place of a step is not sure, what another of its runs came with is not hidden."""
    factors = {7: 0.98, 8: 0.96}
    ((_, alone),) = (found := history(factors=factors)).shifts
    assert (alone.earliest, alone.at, alone.latest) == (found.runs[7], found.runs[8], found.runs[8])
    assert "it is the code" in blame_words(alone)
    ((_, shift),) = history(factors=factors, edits={7: with_kernel("6.12.1")}).doubtful_shifts
    assert shift.changes == ()
    assert [(change.name, change.after) for change in shift.nearby] == [("kernel", "6.12.1")]
    words = blame_words(shift)
    assert words.startswith("among the possible runs: machine kernel ")
    assert words.endswith("so it may not be the code")
    outside = history(factors=factors, edits={6: with_kernel("6.12.1")})
    assert len(outside.shifts) == 1 and outside.doubtful_shifts == []


def test_what_came_and_went_on_the_way_of_a_drift_is_told() -> None:
    """A kernel that only runs in the midst of a drift had is no difference of its ends."""
    factors = {number: 1 - 0.01 * number for number in range(24)}
    ((_, alone),) = history(24, factors).shifts
    assert alone.step.kind == "drift"
    edits = {10: with_kernel("6.12.1"), 12: lambda header: header}
    ((_, shift),) = history(24, factors, edits).doubtful_shifts
    assert shift.changes == () and len(shift.nearby) == 2
    assert blame_words(shift).startswith("in between: machine kernel ")


def test_what_other_cells_are_measured_with_is_not_the_measuring_of_this_one() -> None:
    """Another scenario or server that comes with the change, or changes, leaves it the code's."""
    other = Scenario(name="other", app="other:app", headers={"a": "1"})

    def with_scenario(scenario: Scenario) -> Callable[[RunHeader], RunHeader]:
        def edit(header: RunHeader) -> RunHeader:
            scenarios = (*header.plan.scenarios, scenario)
            return replace(header, plan=replace(header.plan, scenarios=scenarios))

        return edit

    came = history(factors={8: 0.92}, edits={8: with_scenario(other)})
    assert len(came.shifts) == 1 and came.breaks == ()
    changed = replace(other, headers={"a": "2"})
    edits = {0: with_scenario(other), 8: with_scenario(changed)}
    found = history(factors={8: 0.92}, edits=edits)
    assert len(found.shifts) == 1
    assert [mark.number for mark in found.breaks] == [8]


def test_small_changes_are_counted_and_not_told() -> None:
    """What is below the least that matters is no finding, however certain."""
    found = history(40, factors={20: 0.985})
    assert found.shifts == []
    assert [series.small for series in found.series] == [1, 0]
    assert len(history(40, factors={20: 0.985}, min_change=0.01).shifts) == 1


def test_other_machines_are_listed_apart() -> None:
    """The newest run's machine is shown; runs of another one are counted by machine."""

    def elsewhere(header: RunHeader) -> RunHeader:
        return replace(header, machine=replace(header.machine, fingerprint="other"))

    edits = {0: elsewhere, 5: lambda header: header}
    found = history(edits=edits)
    assert len(found.runs) == RUNS - 5
    assert [(other.fingerprint, other.runs) for other in found.others] == [("other", 5)]
    assert len(history(edits=edits, fingerprint="other").runs) == 5


def test_runs_without_a_ratio_are_counted() -> None:
    """Where the reference alone was measured there is nothing to follow."""

    def alone(header: RunHeader) -> RunHeader:
        cells = tuple(p for p in header.plan.cells if p.cell.setting == REFERENCE)
        return replace(header, plan=replace(header.plan, cells=cells))

    found = history(edits={0: alone})
    assert found.series == () and found.without_points == RUNS


def test_another_reference_is_another_series() -> None:
    """Ratios to different servers are never joined."""

    def other(header: RunHeader) -> RunHeader:
        return replace(header, plan=replace(header.plan, reference="granian/uvloop/w1"))

    found = history(edits={7: other})
    assert {series.reference.split("/")[0] for series in found.series} == {"uvicorn", "granian"}
    assert found.shifts == []


def test_nothing_stored_is_an_empty_history() -> None:
    """No run is no fault here."""
    assert build_history([], {}).runs == ()


def test_rounds_that_share_nothing_with_the_reference_give_no_point() -> None:
    """Where the cell and its reference were never measured in one round there is no ratio."""
    run = run_at(0)
    apart = tuple(trial for trial in run.trials if (trial.round < 2) == (trial.cell == TRACKED))
    assert run_entry(replace(run, trials=apart), "").points == ()
    unknown = tuple(replace(trial, has_untold_cpu=True) for trial in run.trials)
    found = run_entry(replace(run, trials=unknown), "")
    assert {point.metric for point in found.points} == {"throughput_rps"}
