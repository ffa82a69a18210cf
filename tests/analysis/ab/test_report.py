from functools import partial
from pathlib import Path

import msgspec
import pytest

from asgi_bench.analysis.ab.report import ab_report, is_settled
from asgi_bench.errors import BenchError
from asgi_bench.model import AbReport, Cell, ClosedLoop, Gate, Reason, Role, Run, Trial, Verdict
from asgi_bench.store.runs import read_run
from tests.synthetic_run import store_run, synthetic_run
from tests.synthetic_sides import CELL, ab_run

OTHER = Cell("granian", "default", 1, "hello", ClosedLoop(64))


def first_rounds(run: Run, rounds: int) -> Run:
    """The run as it was after so many rounds."""
    trials = tuple(trial for trial in run.trials if trial.round < rounds)
    return msgspec.structs.replace(run, trials=trials)


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(0.05, "regression"), (-0.05, "improvement"), (0.0, "pass")],
)
def test_a_run_is_judged_by_its_effect(effect: float, verdict: Verdict) -> None:
    """A 5 % slowdown is a regression, a speed-up an improvement, an A/A passes; in words too."""
    report = ab_report(ab_run(effect))
    assert report.verdict == verdict
    assert report.text.startswith(f"{verdict}: {CELL.key}: ")
    assert "28 blocks" in report.text
    assert "\n" not in report.text


def test_a_stored_run_is_judged_the_same_from_its_folder(tmp_path: Path) -> None:
    """The verdict needs nothing but the run's files, and comes out the same each time."""
    run = ab_run(0.05)
    again = ab_report(read_run(store_run(run, tmp_path)))
    assert msgspec.structs.replace(again, run="") == msgspec.structs.replace(ab_report(run), run="")
    assert msgspec.json.decode(msgspec.json.encode(again), type=AbReport) == again


def test_measuring_stops_at_a_planned_look_and_only_there() -> None:
    """A clear run ends at half of its budget: neither before, nor between looks."""
    run = ab_run(0.05)
    plan = run.header.plan
    settled = [n for n in range(1, 29) if is_settled(plan, n, first_rounds(run, n).trials)]
    assert settled == [15, 28]


def test_what_is_open_is_measured_to_the_end_of_the_budget() -> None:
    """A change as large as what matters stays open until no other block fits."""
    run = ab_run(0.0145)
    plan = run.header.plan
    settled = [n for n in range(1, 29) if is_settled(plan, n, first_rounds(run, n).trials)]
    assert settled == [28]
    assert ab_report(run).verdict == "undecided"


@pytest.mark.parametrize(("from_block", "ends"), [(0, list(range(3, 29))), (1, [28])])
def test_a_side_that_fails_in_every_block_ends_the_run(from_block: int, ends: list[int]) -> None:
    """After three blocks it won't come right; one that was right once is heard to the end."""

    def fail(trial: Trial, role: Role) -> Trial:
        if role != "candidate" or trial.round < from_block:
            return trial
        return msgspec.structs.replace(trial, outcome="failed", reason="exited with 1", slices=())

    run = ab_run(0.0, edit=fail)
    plan = run.header.plan
    settled = [n for n in range(1, 29) if is_settled(plan, n, first_rounds(run, n).trials)]
    assert settled == ends
    assert ab_report(first_rounds(run, 3)).verdict == "failed"


def test_other_cells_are_measured_on() -> None:
    """Where one cell fails and another is clear, the look that settles this one ends the run."""

    def fail(trial: Trial, role: Role) -> Trial:
        if role != "candidate" or not trial.cell.startswith("granian"):
            return trial
        return msgspec.structs.replace(trial, outcome="failed", reason="exited with 1", slices=())

    run = ab_run(0.0, cells=(CELL, OTHER), edit=fail)
    plan = run.header.plan
    settled = [n for n in range(1, 29) if is_settled(plan, n, first_rounds(run, n).trials)]
    assert settled == [15, 28]


def test_one_open_cell_keeps_a_run_going() -> None:
    """At a look at which another cell is settled."""

    def scatter(trial: Trial, role: Role) -> Trial:
        if role != "candidate" or not trial.cell.startswith("granian"):
            return trial
        times = 1 + 0.1 * (trial.round % 3 - 1)
        slices = (
            msgspec.structs.replace(piece, duration_s=times * piece.duration_s)
            for piece in trial.slices
        )
        return msgspec.structs.replace(trial, slices=tuple(slices))

    for cells, is_over in (((CELL,), True), ((OTHER,), False), ((CELL, OTHER), False)):
        run = ab_run(0.0, blocks=15, cells=cells, noise=0.001, edit=scatter)
        assert is_settled(run.header.plan, 15, run.trials) is is_over


def test_a_control_that_moves_voids_the_run() -> None:
    """Two processes of the same that differ by 4 % make it invalid, with the reason in words."""
    report = ab_report(ab_run(0.05, control=0.04))
    assert report.verdict == "invalid"
    (cell,) = report.cells
    assert {reason.code for reason in cell.reasons} == {"control-moved"}
    assert "two processes of the baseline differ" in report.text


def test_a_candidate_that_does_not_start_fails() -> None:
    """A failed side is no regression: the verdict says which side, and why."""

    def fail(trial: Trial, role: Role) -> Trial:
        if role != "candidate":
            return trial
        return msgspec.structs.replace(
            trial, outcome="failed", reason="exited with 1", slices=(), requests=0
        )

    report = ab_report(ab_run(0.0, blocks=6, edit=fail))
    assert report.verdict == "failed"
    assert "candidate: in all 6 rounds: exited with 1" in report.text
    assert report.cells[0].blocks == 0
    (reason,) = report.cells[0].reasons
    assert (reason.value, reason.limit) == (None, None)


def spoilt(*codes: str, role: Role, blocks: int = 28, every: int = 1) -> AbReport:
    """An A/B of which a side's trials, or each so many-th, are invalid for these reasons."""
    found = tuple(Reason(code, "invalid", 1.0, 0.0, f"it has {code}") for code in codes)

    def spoil(trial: Trial, own: Role) -> Trial:
        if own != role or trial.round % every:
            return trial
        return msgspec.structs.replace(trial, validity="invalid", validity_reasons=found)

    return ab_report(ab_run(0.05, blocks=blocks, edit=spoil))


@pytest.mark.parametrize("codes", [("generator-bound",), ("errors", "stranger")])
def test_trials_that_the_machine_spoilt_make_the_cell_invalid(codes: tuple[str, ...]) -> None:
    """Where many blocks can't be believed, neither can what is left: it takes another try."""
    report = spoilt(*codes, role="candidate", every=2)
    assert report.verdict == "invalid"
    assert report.cells[0].blocks_left_out == 14
    assert "enough to detect" not in report.text


@pytest.mark.parametrize("code", ["errors", "no-answers", "server-ended", "worker-died"])
@pytest.mark.parametrize(
    ("role", "side"),
    [
        ("baseline", "baseline: "),
        ("control", "baseline (its second process): "),
        ("candidate", "candidate: "),
    ],
)
def test_a_side_that_breaks_under_load_fails(code: str, role: Role, side: str) -> None:
    """Wrong answers and dead workers come again: no restless machine, and the side is named."""
    report = spoilt(code, role=role, every=2)
    assert report.verdict == "failed"
    (reason,) = report.cells[0].reasons
    assert (reason.code, reason.level, reason.value) == ("side-failed", "invalid", 0.5)
    assert reason.limit == pytest.approx(1 / 3)
    assert reason.text == f"{side}in 14 of 28 rounds, at worst: it has {code}"
    assert f"failed: {CELL.key}: {side}in 14 of 28" in report.text
    assert "enough to detect" not in report.text


def test_the_fault_of_a_side_is_told_before_the_machines() -> None:
    """A generator at its limit is no wonder where the server answers nothing."""
    assert spoilt("generator-bound", "no-answers", role="candidate").verdict == "failed"


def test_a_failure_is_told_before_what_the_machine_did_to_another_side() -> None:
    """The line tells what decided, also where the baseline's trials are invalid."""
    busy = Reason("generator-bound", "invalid", 1.0, 0.0, "busy")

    def spoil(trial: Trial, role: Role) -> Trial:
        if role == "candidate":
            return msgspec.structs.replace(trial, outcome="failed", reason="not ready", slices=())
        return msgspec.structs.replace(trial, validity="invalid", validity_reasons=(busy,))

    report = ab_report(ab_run(0.0, blocks=1, edit=spoil))
    assert report.text.startswith(f"failed: {CELL.key}: candidate: not ready")


def test_a_side_at_fault_in_few_blocks_is_judged_without_them() -> None:
    """A third may be left out, whatever was wrong with them."""
    report = spoilt("errors", role="candidate", every=4)
    assert report.verdict == "regression"
    assert report.cells[0].blocks_left_out == 7


def test_the_worst_cell_decides_for_all() -> None:
    """With several cells Holm goes over all of them, and a single regression is the verdict."""

    def slow(trial: Trial, role: Role) -> Trial:
        if role == "candidate" and trial.cell.startswith("granian"):
            slices = [
                msgspec.structs.replace(piece, duration_s=piece.duration_s * 1.08)
                for piece in trial.slices
            ]
            return msgspec.structs.replace(trial, slices=tuple(slices))
        return trial

    report = ab_report(ab_run(0.0, cells=(CELL, OTHER), edit=slow))
    verdicts = {cell.cell: cell.verdict for cell in report.cells}
    assert verdicts == {CELL.key: "pass", OTHER.key: "regression"}
    assert report.verdict == "regression"
    assert OTHER.key in report.text


def test_more_tests_widen_intervals() -> None:
    """Each interval pays for all that are looked at: more cells, less is significant."""
    one, two = (
        ab_report(ab_run(0.0, cells=cells)).cells[0].metrics[0].confidence
        for cells in ((CELL,), (CELL, OTHER))
    )
    assert one is not None and two is not None and one < two


def test_a_run_without_a_finished_block_is_undecided() -> None:
    """A run that was broken off at once has a verdict too: that there is none."""
    report = ab_report(ab_run(0.0, blocks=0))
    assert report.verdict in ("undecided", "failed")
    assert report.text


def test_a_run_without_sides_is_refused() -> None:
    """An ordinary run has nothing to compare, and it is said so."""
    with pytest.raises(BenchError, match="not an A/B run"):
        ab_report(synthetic_run())


@pytest.mark.parametrize("blocks", range(1, 8))
def test_few_blocks_are_judged_without_a_fault(blocks: int) -> None:
    """From the first block on there is a figure, and an interval as soon as there can be."""
    report = ab_report(ab_run(0.05, blocks=blocks, gate=Gate(budget_s=3.5 * blocks + 0.6)))
    (cell,) = report.cells
    assert cell.metrics[0].effect.d == pytest.approx(0.05, abs=0.03)
    assert (cell.metrics[0].effect.lo is None) == (blocks < 2)


def test_the_rule_is_a_function_of_stored_data() -> None:
    """While measuring and from the stored trials the same question has the same answer."""
    run = ab_run(0.03)
    ask = partial(is_settled, run.header.plan)
    assert ask(14, first_rounds(run, 14).trials) == ask(14, run.trials[: 14 * 3])
