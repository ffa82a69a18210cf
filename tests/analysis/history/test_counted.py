"""Stored counts over time and against each other."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from asgi_bench.analysis.history.counted import Counted, compare_counts, counted_entry
from asgi_bench.analysis.history.series import History, build_history, count_history
from asgi_bench.errors import UsageError
from asgi_bench.model import Cell, ClosedLoop, PlannedCell
from asgi_bench.store.index import environment_key
from tests.synthetic_counts import CELL, CODE, INSTRUCTIONS, LAYOUTS, counted_run
from tests.synthetic_run import MACHINE

replace = msgspec.structs.replace
OTHER_MACHINE = replace(
    MACHINE, fingerprint="other", hostname="bench-2", cpu_model="Intel Xeon", memory_bytes=2**30
)
NEWER_LIBC = {**CODE, "libc.so.6": "dddd"}


def history_of(runs: Sequence[Counted]) -> History:
    """The history of runs, with the facts of each."""
    environments: dict[str, Mapping[str, str]] = {}
    entries = []
    for run in runs:
        key = environment_key(run.facts)
        environments[key] = run.facts
        entries.append(counted_entry(run, key))
    assert build_history(entries, environments).runs == ()
    return count_history(entries, environments)


def test_a_cell_has_a_series_for_each_counter() -> None:
    """Each run is a point: its estimate with its interval, of no reference."""
    found = history_of([counted_run(number) for number in range(3)])
    assert [one.metric.name for one in found.series] == [
        "instructions_per_request",
        "syscalls_per_request",
    ]
    first = found.series[0].points[0]
    assert (first.cell, first.reference) == (CELL.key, "")
    assert first.ratio == pytest.approx(INSTRUCTIONS * 1.0015, rel=0.001)
    assert first.lower is not None and first.lower < first.ratio
    assert found.breaks == ()


def test_a_change_of_half_a_per_cent_is_found_over_machines() -> None:
    """A step is told with the run it came with, though every second run is another machine's."""
    found = history_of(
        [
            counted_run(
                number,
                0.005 if number >= 8 else 0.0,
                machine=OTHER_MACHINE if number % 2 else MACHINE,
            )
            for number in range(14)
        ]
    )
    ((series, shift),) = found.shifts
    assert series.metric.name == "instructions_per_request"
    assert shift.at is found.runs[8]
    assert shift.effect.d == pytest.approx(0.005, abs=0.001)
    assert found.breaks == ()


def test_one_call_more_is_found() -> None:
    """A system call more per request is a change for good, however small a part of all it is."""
    found = history_of([counted_run(number, calls=3 + (number >= 6)) for number in range(12)])
    ((series, shift),) = found.shifts
    assert (series.metric.name, shift.at) == ("syscalls_per_request", found.runs[6])


def test_another_library_is_a_break_and_its_change_doubtful() -> None:
    """Where a library changed the series has a break, and a step there need not be the code's."""
    found = history_of(
        [
            counted_run(number, 0.01 * (number >= 6), code=NEWER_LIBC if number >= 6 else CODE)
            for number in range(12)
        ]
    )
    (broken,) = found.breaks
    assert (broken.number, broken.is_measuring) == (6, True)
    assert [change.kind for change in broken.changes] == ["library"]
    assert found.shifts == []
    assert len(found.doubtful_shifts) == 1


def test_an_upgraded_package_is_told_and_no_break_of_what_counts() -> None:
    """What is measured may change: the change is told with it, and is the code's."""
    newer = {**CODE, "uvloop/loop.so": "eeee"}
    found = history_of(
        [
            counted_run(
                number,
                0.01 * (number >= 6),
                code=newer if number >= 6 else CODE,
                packages={"uvloop": "0.23" if number >= 6 else "0.22.1"},
            )
            for number in range(12)
        ]
    )
    ((_, shift),) = found.shifts
    assert ("package", "uvloop") in {(change.kind, change.name) for change in shift.changes}
    assert not any(one.is_measuring for one in found.breaks)


def test_an_ab_is_followed_by_its_baseline() -> None:
    """Baselines continue the series of the cell, under the commit that they were of."""
    ab = counted_run(1, is_ab=True)
    sides = tuple(
        replace(side, commit="c" * 40) if side.name == "baseline" else side
        for side in ab.header.plan.setups
    )
    plan = replace(ab.header.plan, setups=sides)
    ab = ab._replace(header=replace(ab.header, plan=plan))
    found = history_of([counted_run(0), ab])
    assert [len(one.points) for one in found.series] == [2, 2]
    source = found.runs[1].source
    assert source is not None and source.commit == "c" * 40
    assert found.breaks == ()


def test_what_failed_has_no_point() -> None:
    """A cell with a failed life is counted as unusable, and is no point of a series."""
    entry = counted_entry(counted_run(fails=True), "key")
    assert (entry.cells, entry.unusable, entry.points) == (1, 1, ())


@pytest.mark.parametrize(
    ("more", "verdict"), [(0.0, "pass"), (0.01, "regression"), (-0.01, "improvement")]
)
def test_two_stored_counts_are_judged_across_machines(more: float, verdict: str) -> None:
    """The same architecture, kernel, interpreter and libraries make counts comparable."""
    found = compare_counts(counted_run(0), counted_run(1, more, machine=OTHER_MACHINE))
    assert found.verdict == verdict, found.text
    assert found.text.startswith(f"{verdict}: {CELL.key}: ")
    assert not found.same_machine
    (cell,) = found.cells
    assert cell.blocks == LAYOUTS


@pytest.mark.parametrize(
    ("candidate", "told"),
    [
        (counted_run(1, 0.05, code=NEWER_LIBC), "other files of libc.so.6"),
        (counted_run(1, 0.05, code={}), "is not recorded for both"),
        (
            counted_run(1, 0.05, machine=replace(MACHINE, kernel="6.18.5")),
            "counted under different conditions: machine kernel 6.1 → 6.18",
        ),
        (
            counted_run(1, 0.05, machine=replace(MACHINE, details={"architecture": "aarch64"})),
            "machine architecture not recorded → aarch64",
        ),
        (
            counted_run(1, 0.05, cells=(PlannedCell(CELL, ("/longer/python",)),)),
            "machine letters in paths 6 of the program, 0 of the app → 14 of the program",
        ),
        (
            counted_run(1, 0.05, code={**CODE, "uvloop/loop.so": "eeee"}),
            "another build of the same version of uvloop/loop.so",
        ),
    ],
)
def test_there_is_no_verdict_on_other_ground(candidate: Counted, told: str) -> None:
    """What differs is named, figures are shown, and nothing is judged."""
    found = compare_counts(counted_run(0), candidate)
    assert found.verdict == "undecided"
    assert told in found.text
    (cell,) = found.cells
    assert cell.metrics[0].effect.d == pytest.approx(0.05, abs=0.005)
    assert all(one.verdict is None for one in cell.metrics)


def test_an_upgrade_is_judged() -> None:
    """Another version of a package may bring another build: that is what is compared."""
    newer = counted_run(
        1, 0.01, code={**CODE, "uvloop/loop.so": "eeee"}, packages={"uvloop": "0.23"}
    )
    found = compare_counts(counted_run(0), newer)
    assert found.verdict == "regression"
    assert ("package", "uvloop") in {(one.kind, one.name) for one in found.differences}


def test_a_candidate_that_fails_has_failed_wherever_it_was_counted() -> None:
    """A failed life is no figure; it fails the comparison."""
    found = compare_counts(counted_run(0), counted_run(1, fails=True, code=NEWER_LIBC))
    assert found.verdict == "failed"
    assert "was ended by SIGILL" in found.text


def test_runs_without_a_common_cell_are_refused() -> None:
    """A cell that one run has alone is told; two runs without a common one are a user's fault."""
    other = PlannedCell(Cell("granian", "default", 1, "hello", ClosedLoop(1)), ("python",))
    both = counted_run(1, cells=(*counted_run(0).header.plan.cells, other))
    assert compare_counts(counted_run(0), both).only == ((other.cell.key, "candidate"),)
    with pytest.raises(UsageError, match="no cell in common"):
        compare_counts(counted_run(0), counted_run(1, cells=(other,)))


def test_what_was_skipped_or_counts_nothing_has_no_point() -> None:
    """A cell that isn't there makes no series, nor does a count of 0, which has no logarithm."""
    skipped = PlannedCell(CELL, skip_reason="not installed")
    assert counted_entry(counted_run(cells=(skipped,)), "").points == ()
    names = [point.metric for point in counted_entry(counted_run(calls=0), "").points]
    assert names == ["instructions_per_request"]


def test_the_cpu_counts_where_it_counted_by_itself() -> None:
    """Counts by the CPU's own counters hang on its model, those by valgrind don't."""
    run = counted_run()
    hardware = run._replace(lives=tuple(replace(one, backend="hardware") for one in run.lives))
    assert "machine CPU" not in run.facts
    assert hardware.facts["machine CPU"] == MACHINE.cpu_model
