from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.analysis.ab.vetoes import few_blocks_veto, overload_veto
from asgi_bench.model import ROLES, AbReport, Role, Trial, Verdict
from asgi_bench.model.metrics import P50
from tests.synthetic_sides import CELL, ab_run
from tests.synthetic_sides_open import OPEN_CELL, open_trial

# Whether a side falls behind in a block.
Behind = Callable[[Role, int], bool]


def report_of(
    *, samples: Callable[[int], int] = lambda block: 600, behind: Behind = lambda role, block: False
) -> AbReport:
    """An A/B at a fixed rate, with so many response times in a block, where sides fall behind."""

    def edit(trial: Trial, role: Role) -> Trial:
        return open_trial(
            trial, role, samples=samples(trial.round), overloaded=behind(role, trial.round)
        )

    return ab_report(ab_run(0.0, cells=(OPEN_CELL,), noise=0.0001, edit=edit))


def codes(report: AbReport) -> list[str]:
    """The codes of the findings on the only cell."""
    (cell,) = report.cells
    return [reason.code for reason in cell.reasons]


def test_an_open_loop_that_is_measured_well_passes() -> None:
    """With enough requests and none too many there is nothing to veto."""
    report = report_of()
    assert report.verdict == "pass"
    assert "few-measured" not in codes(report)


@pytest.mark.parametrize(
    ("samples", "known"), [(lambda block: 10, 0), (lambda block: 10 if block % 2 else 600, 14)]
)
def test_a_gated_metric_that_was_not_measured_is_no_pass(
    samples: Callable[[int], int], known: int
) -> None:
    """Where most blocks have too few requests for a median, the CPU alone passes nothing."""
    report = report_of(samples=samples)
    assert report.verdict == "undecided"
    assert codes(report)[0] == "few-measured"
    assert report.cells[0].reasons[0].value == pytest.approx(known / 28)
    assert f"median response time is known in only {known} of 28 blocks" in report.text
    assert "use more --duration or a higher rate" in report.text


def test_few_blocks_without_a_metric_are_judged_without_them() -> None:
    """A third may lack it."""
    report = report_of(samples=lambda block: 600 if block % 4 else 10)
    assert report.verdict == "pass"
    (p50, *_) = report.cells[0].metrics
    assert (p50.metric, p50.blocks) == ("response_time_p50_s", 21)


def test_lost_slices_are_no_pass_either() -> None:
    """The same holds for the metrics of a closed loop."""

    def lose(trial: Trial, role: Role) -> Trial:
        slices = tuple(
            msgspec.structs.replace(piece, server_cpu_s=0.0) if trial.round % 2 else piece
            for piece in trial.slices
        )
        return msgspec.structs.replace(trial, slices=slices)

    report = ab_report(ab_run(0.0, edit=lose))
    assert report.verdict == "undecided"
    assert "CPU per request is known in only 14 of 28 blocks" in report.text


@pytest.mark.parametrize("candidate_too", [False, True])
def test_a_rate_that_the_baseline_cannot_take_compares_nothing(candidate_too: bool) -> None:
    """The median of a queue that grows tells how long it was loaded: no verdict, and why."""

    def behind(role: Role, block: int) -> bool:
        return block % 2 == 0 and (role != "candidate" or candidate_too)

    report = report_of(behind=behind)
    assert report.verdict == "undecided"
    assert codes(report) == ["baseline-overloaded"]
    assert "the rate is more than the baseline can handle" in report.text
    assert "in 14 of 28 blocks" in report.text
    (p50, *_) = report.cells[0].metrics
    assert (p50.verdict, p50.blocks) == ("undecided", 14)


def test_a_candidate_that_alone_falls_behind_is_a_regression() -> None:
    """It can't take what its baseline takes, which the line says in words."""
    report = report_of(behind=lambda role, block: role == "candidate" and block % 2 == 0)
    assert report.verdict == "regression"
    assert codes(report) == ["candidate-overloaded"]
    assert "the candidate alone could not keep up with the rate in 14 of 28 blocks" in report.text


def test_a_candidate_that_seldom_falls_behind_is_judged_by_its_median() -> None:
    """What happens in few blocks on one side is left to the estimate."""
    report = report_of(behind=lambda role, block: role == "candidate" and block % 7 == 0)
    assert report.verdict == "pass"


def test_two_thirds_of_the_blocks_are_enough() -> None:
    """Exactly so many; one less is too few."""
    assert few_blocks_veto(P50, 4, 6) is None
    veto = few_blocks_veto(P50, 3, 6)
    assert veto is not None
    assert (veto.verdict, veto.reason.value) == ("undecided", 0.5)
    assert "a block needs 20 response times" in veto.reason.text


@pytest.mark.parametrize(("alone", "is_found"), [(0, False), (1, True), (3, True)])
def test_falling_behind_that_may_be_chance_leaves_it_open(alone: int, is_found: bool) -> None:
    """From exactly a third of the blocks on; of three blocks nothing is sure."""
    trial = ab_run(0.0, blocks=1).trials[0]
    calm, late = (open_trial(trial, "baseline", overloaded=late) for late in (False, True))
    veto = overload_veto(
        OPEN_CELL,
        {
            block: {"baseline": calm, "control": calm, "candidate": late if block < alone else calm}
            for block in range(3)
        },
    )
    assert (veto is not None) is is_found
    if veto is not None:
        assert (veto.verdict, veto.reason.code) == ("undecided", "perhaps-overloaded")
        assert veto.reason.value == pytest.approx(alone / 3)


def test_a_closed_loop_is_never_too_much() -> None:
    """It offers what is taken."""
    assert overload_veto(CELL, {}) is None


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_sides_that_are_alike_are_seldom_told_apart_by_falling_behind(rate: float) -> None:
    """At the edge of what all can take, an A/A is called a regression in one of 1,000 at most."""
    chance = np.random.default_rng(int(10 * rate))
    calm, late = (
        open_trial(ab_run(0.0, blocks=1).trials[0], "baseline", overloaded=overloaded)
        for overloaded in (False, True)
    )
    found: list[Verdict] = []
    for _ in range(1000):
        blocks = {
            block: {role: late if chance.random() < rate else calm for role in ROLES}
            for block in range(28)
        }
        veto = overload_veto(OPEN_CELL, blocks)
        found += [veto.verdict] if veto is not None else []
    assert found.count("regression") <= 5
