from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.history import History, build_history
from asgi_bench.analysis.run_entries import run_entry
from asgi_bench.analysis.surroundings import surroundings
from asgi_bench.model import Goal, RunEntry, RunHeader
from asgi_bench.reporting.history.words import blame_words
from asgi_bench.store.index import environment_key
from tests.synthetic_history import REFERENCE, TRACKED, run_at

replace = msgspec.structs.replace
RUNS = 14


def with_package(version: str) -> Callable[[RunHeader], RunHeader]:
    """A run whose servers had another version of a package."""
    return lambda header: replace(header, packages=header.packages | {"h11": version})


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
    assert (series.cell, series.metric) == (TRACKED, "throughput_rps")
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


@pytest.mark.parametrize("change", [{"server_version": "9.9.9"}, {"command": ("python", "-X")}])
def test_a_change_of_the_reference_may_be_all_there_is(change: dict[str, Any]) -> None:
    """Another version or command of it moves the ratio; that of the cell itself is the code."""

    def with_other(setting: str) -> Callable[[RunHeader], RunHeader]:
        def edit(header: RunHeader) -> RunHeader:
            cells = tuple(
                replace(p, **change) if p.cell.setting == setting else p for p in header.plan.cells
            )
            return replace(header, plan=replace(header.plan, cells=cells))

        return edit

    ((_, shift),) = history(factors={8: 0.92}, edits={8: with_other(REFERENCE)}).shifts
    assert shift.may_be_measuring and shift.reference_changed
    assert "the reference itself is among it" in blame_words(shift)
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

    def other_kernel(header: RunHeader) -> RunHeader:
        return replace(header, machine=replace(header.machine, kernel="6.12.1"))

    found = history(edits={8: other_kernel})
    assert found.shifts == []
    assert [(mark.number, mark.is_measuring) for mark in found.breaks] == [(8, True)]


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
