from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.history.comparison import RunComparison, compare_runs, welch
from asgi_bench.errors import UsageError
from asgi_bench.model import Gate, Goal, Run, RunHeader, Trial
from asgi_bench.model.metrics import THROUGHPUT
from tests.synthetic_history import REFERENCE, TRACKED, run_at
from tests.synthetic_run import failed, with_errors

replace = msgspec.structs.replace


def compared(candidate: Run, **options: float) -> RunComparison:
    """A run against the first one."""
    return compare_runs(run_at(0), candidate, **options)


def edited(run: Run, cell: str, edit: Callable[[Trial], Trial]) -> Run:
    """A run in which the trials of one cell are others, not judged yet."""
    trials = tuple(
        replace(edit(trial), rules_version=0) if trial.cell == cell else trial
        for trial in run.trials
    )
    return replace(run, trials=trials)


def test_slower_cell_is_a_regression() -> None:
    """Ten percent less throughput against the common reference is one, with its size."""
    found = compared(run_at(1, 0.9))
    assert (found.verdict, found.reference) == ("regression", REFERENCE)
    assert found.text.startswith(f"regression: {TRACKED}: ") and "in throughput" in found.text
    (cell,) = found.cells
    throughput = cell.metrics[0]
    assert throughput.effect.d == pytest.approx(1 / 0.9 - 1, abs=0.015)
    assert throughput.p_adjusted is not None and throughput.p_adjusted < 0.05


def test_faster_cell_is_an_improvement() -> None:
    """The same the other way round."""
    assert compared(run_at(1, 1.1)).verdict == "improvement"


def test_equal_runs_pass_or_stay_undecided() -> None:
    """Among equal runs none is called a regression, and a wide least change passes."""
    verdicts = {compared(run_at(number)).verdict for number in range(1, 12)}
    assert verdicts <= {"pass", "undecided"}
    assert compared(run_at(1), min_change=0.2).verdict == "pass"


def test_a_slower_machine_cancels_out() -> None:
    """What slows the cell and the reference alike is no change of the cell."""
    run = run_at(1)
    slow = replace(
        run, trials=tuple(replace(t, requests=round(t.requests * 0.5)) for t in run.trials)
    )
    effect = compared(slow).cells[0].metrics[0].effect
    assert abs(effect.d) < 0.02


def test_no_common_reference_gives_figures_and_no_verdict() -> None:
    """Where the reference has another version there are absolute figures, and it is said."""
    run = run_at(1, 0.5)
    cells = tuple(replace(p, server_version="9.9.9") for p in run.header.plan.cells)
    other = replace(run, header=replace(run.header, plan=replace(run.header.plan, cells=cells)))
    found = compared(other)
    assert (found.reference, found.verdict) == (None, "undecided")
    assert "no reference" in found.text
    metrics = [metric for cell in found.cells for metric in cell.metrics]
    assert metrics and all(metric.effect.lo is None for metric in metrics)
    assert all(metric.verdict == "undecided" for metric in metrics)


@pytest.mark.parametrize(
    "change",
    [{"command": ("python", "-m", "other")}, {"env": {"A": "1"}}, {"server_version": None}],
)
def test_a_reference_is_started_in_the_same_way(change: dict[str, Any]) -> None:
    """Another command, other variables or no known version make a setting no reference."""

    def edit(header: RunHeader) -> RunHeader:
        cells = tuple(replace(p, **change) for p in header.plan.cells)
        return replace(header, plan=replace(header.plan, cells=cells))

    base = run_at(0, edit=edit) if change.get("server_version", "") is None else run_at(0)
    found = compare_runs(base, run_at(1, 0.9, edit))
    assert (found.reference, found.verdict) == (None, "undecided")
    # What keeps it from being one is named, unless it is the same in both.
    names = {each.name for each in found.differences if each.kind in ("command", "variables")}
    assert (REFERENCE in names) == ("server_version" not in change)


def test_where_the_app_lies_is_no_difference() -> None:
    """A checkout elsewhere has the same reference; the interpreter's path doesn't count either."""

    def lying_at(folder: str) -> Callable[[RunHeader], RunHeader]:
        def edit(header: RunHeader) -> RunHeader:
            cells = tuple(
                replace(
                    p,
                    command=(f"{folder}/python", *p.command[1:], f"{folder}/conf"),
                    env={"PYTHONPATH": folder},
                    working_dir=folder,
                )
                for p in header.plan.cells
            )
            return replace(header, plan=replace(header.plan, cells=cells))

        return edit

    found = compare_runs(run_at(0, edit=lying_at("/a")), run_at(1, edit=lying_at("/b")))
    assert found.reference == REFERENCE


def test_a_run_that_failed_outright_is_failed_without_a_reference() -> None:
    """Where nothing of the candidate could be served there is no reference, and yet a verdict."""
    run = run_at(1)
    trials = tuple(replace(failed(t, "exited with 1"), rules_version=0) for t in run.trials)
    found = compared(replace(run, trials=trials))
    assert (found.reference, found.verdict) == (None, "failed")
    assert found.text.startswith("failed: ") and "exited with 1" in found.text
    both = compare_runs(replace(run_at(0), trials=trials), replace(run, trials=trials))
    assert both.verdict == "undecided"


def test_the_line_tells_what_its_interval_leaves_out() -> None:
    """Rounds of two runs don't know how runs vary as wholes; what has no interval says nothing."""
    words = "the interval does not include run-to-run variance"
    assert words in compared(run_at(1, 0.9)).text
    gone = edited(run_at(1), TRACKED, lambda t: failed(t, "exited with 1"))
    assert words not in compared(gone).text


def test_a_looked_run_is_judged_with_a_wider_interval() -> None:
    """Where precision chose the number of rounds of one run, the interval covers that."""

    def precise(header: RunHeader) -> RunHeader:
        return replace(header, plan=replace(header.plan, goal=Goal(precision=0.02)))

    plain, looked = (
        compared(run_at(1, edit=edit)).cells[0].metrics[0].standard_error
        for edit in (lambda header: header, precise)
    )
    assert plain is not None and looked is not None and looked > plain


def test_invalid_and_failed_cells_say_nothing_of_speed() -> None:
    """An invalid candidate is invalid, a failed one failed, each with the reason."""
    invalid = compared(edited(run_at(1), TRACKED, lambda t: with_errors(t, 0.05)))
    assert invalid.verdict == "invalid"
    gone = compared(edited(run_at(1), TRACKED, lambda t: failed(t, "exited with 1")))
    assert gone.verdict == "failed"
    assert "exited with 1" in gone.text


def test_differences_are_spelt_out() -> None:
    """Packages, kernel, tool, commit: what is not the same is named with both values."""
    run = run_at(1)
    machine = replace(run.header.machine, kernel="6.12.1")
    header = replace(run.header, machine=machine, packages={"uvicorn": "0.55.0"})
    found = compared(replace(run, header=replace(header, tool_version="9.0.0")))
    named = {
        (change.kind, change.name): (change.before, change.after) for change in found.differences
    }
    assert named["machine", "kernel"] == ("6.1.0-44-amd64", "6.12.1")
    assert named["package", "uvicorn"] == ("0.54.0", "0.55.0")
    assert named["package", "granian"] == ("2.8.7", None)
    assert named["tool", "asgi-bench"] == ("0.1.0", "9.0.0")
    assert ("commit", "of the app") in named


def test_an_ab_is_refused() -> None:
    """Its sides are compared within it."""
    run = run_at(1)
    ab = replace(run, header=replace(run.header, plan=replace(run.header.plan, gate=Gate())))
    with pytest.raises(UsageError, match="is an A/B"):
        compared(ab)


def test_no_common_cell_is_refused() -> None:
    """There is nothing to compare, and that is said."""
    run = run_at(1)
    bare = replace(run, header=replace(run.header, plan=replace(run.header.plan, cells=())))
    with pytest.raises(UsageError, match="no cell in common"):
        compared(bare)


@pytest.mark.parametrize(
    ("after", "p"), [((0.5, 0.5, 0.5), 0.0), ((0.0, 0.0, 0.0), 1.0), ((0.1,), 1.0)]
)
def test_without_a_scatter_only_a_change_counts(after: tuple[float, ...], p: float) -> None:
    """Rounds that are all alike are certain, and a single round is not."""
    tested = welch(THROUGHPUT, (0.0, 0.0, 0.0), after, 1.0, 1.0)
    assert tested.p == p
    assert (tested.error is None) == (len(after) == 1)


def test_a_metric_that_only_one_run_has_is_not_compared() -> None:
    """Where one run knows no CPU time throughput alone is judged."""
    run = run_at(1, 0.9)
    unknown = replace(run, trials=tuple(replace(t, has_untold_cpu=True) for t in run.trials))
    (cell,) = compared(unknown).cells
    assert [one.metric for one in cell.metrics] == ["throughput_rps"]


def test_a_setting_alone_is_no_reference_of_itself() -> None:
    """Where both runs have one setting its absolute figures decide nothing."""

    def alone(header: RunHeader) -> RunHeader:
        cells = tuple(p for p in header.plan.cells if p.cell.setting == REFERENCE)
        return replace(header, plan=replace(header.plan, cells=cells))

    found = compare_runs(run_at(0, edit=alone), run_at(1, edit=alone))
    assert (found.reference, found.verdict) == (None, "undecided")
    assert "so there is no reference" in found.text
