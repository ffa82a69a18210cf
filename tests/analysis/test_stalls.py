from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np
import pytest

from asgi_bench.analysis.ab_report import ab_report, is_settled
from asgi_bench.analysis.regression import judge_effect
from asgi_bench.model import ROLES, AbReport, GateMetric, MetricVerdict, Role, Trial
from tests.synthetic_sides import Edit, ab_run

replace = msgspec.structs.replace


def stalled(trial: Trial, every: int = 6, times: float = 3.0) -> Trial:
    """The trial with each so many-th slice as many times longer."""
    slices = tuple(
        piece if number % every else replace(piece, duration_s=times * piece.duration_s)
        for number, piece in enumerate(trial.slices)
    )
    return replace(trial, slices=slices)


def costlier(trial: Trial, every: int = 6, times: float = 3.0) -> Trial:
    """The trial with as many times the CPU time in each so many-th slice."""
    slices = tuple(
        piece if number % every else replace(piece, server_cpu_s=times * piece.server_cpu_s)
        for number, piece in enumerate(trial.slices)
    )
    cpu_s = sum(piece.server_cpu_s for piece in slices)
    return replace(trial, slices=slices, server_cpu_s=cpu_s)


def on(*roles: Role, edit: Edit) -> Edit:
    """An edit of these sides' trials alone."""
    return lambda trial, role: edit(trial, role) if role in roles else trial


def metric(report: AbReport, name: GateMetric) -> MetricVerdict:
    """One metric of the only cell."""
    (cell,) = report.cells
    (found,) = (one for one in cell.metrics if one.metric == name)
    return found


@pytest.mark.parametrize(
    ("edit", "gated", "total", "words"),
    [
        (stalled, "throughput_rps", "total_throughput_rps", "slower in throughput"),
        (
            costlier,
            "server_cpu_s_per_request",
            "total_server_cpu_s_per_request",
            "more CPU per request",
        ),
    ],
)
def test_a_candidate_that_stalls_is_no_pass(
    edit: Callable[[Trial], Trial], gated: GateMetric, total: GateMetric, words: str
) -> None:
    """Slices that stand out drop out of the gated estimate, not out of the verdict."""
    run = ab_run(0.0, edit=on("candidate", edit=lambda trial, role: edit(trial)))
    report = ab_report(run)
    assert report.verdict == "undecided"
    assert judge_effect(metric(report, gated).effect, 0.02) == "pass"
    assert metric(report, gated).verdict == "undecided"
    assert metric(report, total).verdict is None
    # Two of twelve slices, three times as long.
    assert metric(report, total).effect.d == pytest.approx(1 / 3, abs=0.02)
    (reason,) = report.cells[0].reasons
    assert reason.code == "stalls"
    assert words in reason.text
    assert reason.text in report.text


def test_stalls_are_measured_to_the_end_of_the_budget() -> None:
    """A run whose candidate stalls isn't settled at a look: more blocks may tell."""
    run = ab_run(0.0, edit=on("candidate", edit=lambda trial, role: stalled(trial)))
    ask = partial(is_settled, run.header.plan)
    settled = [
        n for n in range(1, 29) if ask(n, [trial for trial in run.trials if trial.round < n])
    ]
    assert settled == [28]


def test_one_slow_start_in_five_is_no_pass() -> None:
    """Blocks that the estimate trims away count in the totals: its starts are its own."""

    def slow(trial: Trial, role: Role) -> Trial:
        return stalled(trial, every=1, times=1.5) if trial.round % 5 == 0 else trial

    report = ab_report(ab_run(0.0, blocks=25, noise=0.001, edit=on("candidate", edit=slow)))
    assert judge_effect(metric(report, "throughput_rps").effect, 0.02) == "pass"
    assert report.verdict == "undecided"
    assert "some of its starts are slow" in report.text


def test_a_faster_candidate_that_stalls_is_no_improvement() -> None:
    """What is faster in the middle and slower in all is neither."""
    run = ab_run(-0.05, edit=on("candidate", edit=lambda trial, role: stalled(trial)))
    report = ab_report(run)
    assert judge_effect(metric(report, "throughput_rps").effect, 0.02) == "improvement"
    assert report.verdict == "undecided"


def test_stalls_leave_a_regression_alone() -> None:
    """What is slower in the middle too is a regression, and told as one."""
    run = ab_run(0.05, edit=on("candidate", edit=lambda trial, role: stalled(trial)))
    report = ab_report(run)
    assert report.verdict == "regression"
    assert report.cells[0].reasons == ()


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


def test_totals_take_no_part_in_what_is_gated() -> None:
    """They have no verdict and no p, but an interval, and what it would have seen."""
    report = ab_report(ab_run(0.0))
    for name in ("total_throughput_rps", "total_server_cpu_s_per_request"):
        found = metric(report, name)
        assert (found.verdict, found.p_adjusted) == (None, None)
        assert found.effect.lo is not None
        assert found.detectable is not None
