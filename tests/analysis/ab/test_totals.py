from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np
import pytest

from asgi_bench.analysis.ab.report import ab_report, is_settled
from asgi_bench.analysis.ab.rule import judge_effect
from asgi_bench.model import ROLES, AbReport, Gate, MetricVerdict, Role, Trial
from asgi_bench.reporting.ab import notes
from tests.situation import Said, situation
from tests.synthetic_sides import Edit, ab_run
from tests.synthetic_sides_open import OPEN_CELL, open_trial

replace = msgspec.structs.replace


def stalled(trial: Trial, every: int = 6, times: float = 3.0) -> Trial:
    """The trial with each so many-th slice as many times longer."""
    slices = tuple(
        piece if (number + 1) % every else replace(piece, duration_s=times * piece.duration_s)
        for number, piece in enumerate(trial.slices)
    )
    return replace(trial, slices=slices)


def costlier(trial: Trial, every: int = 6, times: float = 3.0) -> Trial:
    """The trial with as many times the CPU time in each so many-th slice."""
    slices = tuple(
        piece if (number + 1) % every else replace(piece, server_cpu_s=times * piece.server_cpu_s)
        for number, piece in enumerate(trial.slices)
    )
    cpu_s = sum(piece.server_cpu_s for piece in slices)
    return replace(trial, slices=slices, server_cpu_s=cpu_s)


def on(*roles: Role, edit: Edit) -> Edit:
    """An edit of these sides' trials alone."""
    return lambda trial, role: edit(trial, role) if role in roles else trial


def metric(report: AbReport, name: str) -> MetricVerdict:
    """One metric of the only cell."""
    (cell,) = report.cells
    (found,) = (one for one in cell.metrics if one.metric == name)
    return found


STALLS = situation(
    "gate",
    "The candidate's garbage collector stops it now and then: the typical slice is as fast as "
    "before, all of them together are slower",
    says="it stalls: … % slower over all slices (… % to … %), … % … in the typical one; … of its "
    "… slices took more than … times the median",
)
COSTLY = situation(
    "gate",
    "The candidate burns CPU time now and then, in a task beside the requests",
    says="it stalls: … % more CPU per request over all slices (… % to … %), … % … in the typical "
    "one; … of its … slices cost more than … times the median",
)


@pytest.mark.parametrize(
    ("edit", "gated", "total"),
    [
        pytest.param(stalled, "throughput_rps", "total_throughput_rps", marks=STALLS),
        pytest.param(
            costlier, "server_cpu_s_per_request", "total_server_cpu_s_per_request", marks=COSTLY
        ),
    ],
)
def test_a_candidate_that_surely_stalls_is_a_regression(
    edit: Callable[[Trial], Trial], gated: str, total: str, said: Said
) -> None:
    """Slices that stand out drop out of the gated estimate, not out of the verdict."""
    run = ab_run(0.0, edit=on("candidate", edit=lambda trial, role: edit(trial)))
    report = ab_report(run)
    assert report.verdict == "regression"
    assert metric(report, gated).verdict == "pass"
    assert metric(report, total).verdict == "regression"
    # Two of twelve slices, three times as long.
    assert metric(report, total).effect.d == pytest.approx(1 / 3, abs=0.02)
    (reason,) = report.cells[0].reasons
    assert (reason.code, reason.level) == ("stalls", "suspect")
    assert "56 of its 336 slices" in reason.text
    assert "2 times the median" in reason.text
    said(report.text)


def test_totals_matter_from_where_their_metric_does() -> None:
    """A metric's own smallest change is that of its total too; the others keep theirs."""
    run = ab_run(
        0.0,
        gate=Gate(min_changes={"throughput_rps": 0.9}),
        edit=on("candidate", edit=lambda trial, role: stalled(trial)),
    )
    report = ab_report(run)
    assert metric(report, "total_throughput_rps").effect.d == pytest.approx(1 / 3, abs=0.02)
    assert report.verdict == "pass"
    assert "Throughput: 90 % or more matters." in notes(report)
    assert any("surely slower by more than 90% or 1.5%, and" in text for text in notes(report))


def test_a_slowdown_that_is_not_sure_is_no_pass() -> None:
    """Totals that may be slower by too little leave it open: no regression, and no pass."""

    def seldom(trial: Trial, role: Role) -> Trial:
        return stalled(trial, every=12) if trial.round % 4 == 0 else trial

    report = ab_report(ab_run(0.0, noise=0.001, edit=on("candidate", edit=seldom)))
    total = metric(report, "total_throughput_rps")
    assert total.effect.lo is not None
    assert 0 < total.effect.lo < 0.02 <= total.effect.d
    assert metric(report, "throughput_rps").verdict == report.verdict == "undecided"
    (reason,) = report.cells[0].reasons
    assert reason.code == "perhaps-stalls"
    assert report.text.startswith(f"undecided: {report.cells[0].cell}: perhaps it stalls: ")
    assert "the evidence is too weak for a regression" in report.text


def test_sure_stalls_end_a_run_at_its_first_look() -> None:
    """A regression by totals is settled, as any; one that may be is measured to the end."""
    run = ab_run(0.0, edit=on("candidate", edit=lambda trial, role: stalled(trial)))
    ask = partial(is_settled, run.header.plan)
    settled = [
        n for n in range(1, 29) if ask(n, [trial for trial in run.trials if trial.round < n])
    ]
    assert settled == [15, 28]


@situation(
    "gate",
    "Some of the candidate's starts are slow for as long as they live, the others are not",
    says="undecided: … perhaps some of its starts are slow: … % slower over all slices",
)
def test_slow_starts_are_told(said: Said) -> None:
    """Blocks that the estimate trims away count in the totals: its starts are its own."""

    def slow(trial: Trial, role: Role) -> Trial:
        return stalled(trial, every=1, times=1.5) if trial.round % 5 == 0 else trial

    report = ab_report(ab_run(0.0, blocks=25, noise=0.001, edit=on("candidate", edit=slow)))
    assert judge_effect(metric(report, "throughput_rps").effect, 0.02) == "pass"
    assert report.verdict == "undecided"
    assert "in 5 of 25 blocks the typical slice is that much slower" in report.text
    said(report.text)


@situation(
    "gate",
    "The candidate is slow only in its first seconds, until its caches are full",
    says="it is slow at first: … % slower over all slices",
)
def test_a_slow_beginning_is_told(said: Said) -> None:
    """What is slow at the start of each block and nowhere else is no stall."""

    def cold(trial: Trial, role: Role) -> Trial:
        slices = tuple(
            replace(piece, duration_s=4 * piece.duration_s) if number < 2 else piece
            for number, piece in enumerate(trial.slices)
        )
        return replace(trial, slices=slices)

    report = ab_report(ab_run(0.0, edit=on("candidate", edit=cold)))
    assert metric(report, "throughput_rps").verdict == "pass"
    assert report.verdict == "regression"
    said(report.text)


@situation(
    "gate",
    "At a fixed rate (`-r`) the candidate's median is as before, and one request in a hundred "
    "waits for a stall",
    says="it stalls: … % longer mean response time (… % to … %), … % … in the median one; … of "
    "its … requests took more than 5 times the median",
)
def test_an_open_loop_that_stalls_is_a_regression(said: Said) -> None:
    """Its median is gated, and the mean of all response times judged beside it."""

    def waits(trial: Trial, role: Role) -> Trial:
        return open_trial(trial, role, stalled=6 if role == "candidate" else 0)

    report = ab_report(ab_run(0.0, cells=(OPEN_CELL,), edit=waits))
    assert metric(report, "response_time_p50_s").verdict == "pass"
    assert metric(report, "total_response_time_s").verdict == "regression"
    assert report.verdict == "regression"
    said(report.text)
    same = ab_report(ab_run(0.0, cells=(OPEN_CELL,), edit=open_trial))
    assert same.verdict == "pass"


def test_a_faster_candidate_that_stalls_is_no_improvement() -> None:
    """What is faster in the middle and slower in all is neither."""
    run = ab_run(-0.05, edit=on("candidate", edit=lambda trial, role: stalled(trial)))
    report = ab_report(run)
    assert judge_effect(metric(report, "throughput_rps").effect, 0.02) == "improvement"
    assert report.verdict == "regression"


def test_an_even_slowdown_is_told_as_one() -> None:
    """What is as much slower in the middle is a regression and no stall, though totals show
    it too."""
    report = ab_report(ab_run(0.05))
    assert report.verdict == "regression"
    assert metric(report, "total_throughput_rps").verdict is None
    assert report.cells[0].reasons == ()
    assert report.text.startswith(f"regression: {report.cells[0].cell}: 5.")
    assert "all slices" not in report.text


def test_stalls_beside_a_slowdown_are_told() -> None:
    """What is slower in the middle and stalls besides is told with both."""
    run = ab_run(0.05, edit=on("candidate", edit=lambda trial, role: stalled(trial)))
    report = ab_report(run)
    assert metric(report, "throughput_rps").verdict == "regression"
    assert "it stalls: " in report.text


def test_stalls_of_the_machine_leave_a_pass_alone() -> None:
    """Stalls that hit any side, and a control that moved as much, are not the candidate's."""

    def anywhere(trial: Trial, role: Role) -> Trial:
        chance = np.random.default_rng((5, trial.round, ROLES.index(role)))
        slices = tuple(
            replace(piece, duration_s=3 * piece.duration_s) if chance.random() < 1 / 12 else piece
            for piece in trial.slices
        )
        return replace(trial, slices=slices)

    assert ab_report(ab_run(0.0, edit=anywhere)).verdict == "pass"
    both = on("control", "candidate", edit=lambda trial, role: stalled(trial))
    report = ab_report(ab_run(0.0, edit=both))
    total = metric(report, "total_throughput_rps")
    assert judge_effect(total.effect, 0.02) == "regression"
    assert report.verdict == "pass"


def test_totals_of_the_same_find_nothing() -> None:
    """Without a slowdown they have no verdict, but an interval, and what it would have seen."""
    report = ab_report(ab_run(0.0))
    for name in ("total_throughput_rps", "total_server_cpu_s_per_request"):
        found = metric(report, name)
        assert found.verdict is None
        assert found.p_adjusted is not None
        assert found.effect.lo is not None
        assert found.detectable is not None


@pytest.mark.parametrize(("every", "times", "is_told"), [(12, 1.9, True), (12, 1.2, False)])
def test_stalls_beside_a_slowdown_are_told_where_they_are_most_of_it(
    every: int, times: float, is_told: bool
) -> None:
    """A regression of 5 % is told as such; as stalls, where all slices lose 12 % together."""

    def edit(trial: Trial, role: Role) -> Trial:
        return stalled(trial, every, times)

    report = ab_report(ab_run(0.05, noise=0.001, edit=on("candidate", edit=edit)))
    gated, total = (metric(report, name) for name in ("throughput_rps", "total_throughput_rps"))
    assert gated.verdict == "regression"
    share = np.log1p(total.effect.d) / np.log1p(gated.effect.d)
    assert (2 < share < 3) if is_told else (1 < share < 2)
    assert ("stalls" in {reason.code for reason in report.cells[0].reasons}) == is_told
