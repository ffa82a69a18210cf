"""Wrong answers with several workers, right ones with one: the app's state may be the worker's."""

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.cell import worker_state_findings
from asgi_bench.model import Cell, ErrorCounts, Trial
from asgi_bench.model.figures import sent_in_slices
from tests.situation import Said, situation
from tests.synthetic_run import CLOSED_64, make_trial, planned_cells, synthetic_run

BOTH = planned_cells(worker_counts=(1, 2))
NONE = ErrorCounts()


def found(errors: ErrorCounts, *, alone: ErrorCounts = NONE) -> list[str]:
    """The texts of the finding, of a run where two workers had these errors and one had others."""

    def spoil(trial: Trial) -> Trial:
        wrong = errors if "/w2/" in trial.cell else alone
        return msgspec.structs.replace(trial, errors=wrong)

    report = summarize(synthetic_run(BOTH, rounds=3, edit=spoil))
    return [
        reason.text
        for cell in report.cells
        for reason in cell.validity_reasons
        if reason.code == "worker-state"
    ]


@situation(
    "answers",
    "`-w 1` gets right answers and `-w 2` doesn't: sessions or counters in memory",
    says="with 2 workers …% of the responses were wrong, with 1 almost none: the app may keep "
    "state within one worker",
)
def test_state_within_a_worker_is_suggested(said: Said) -> None:
    """One worker answered rightly in the same run."""
    said(found(ErrorCounts(status=500))[0])


@pytest.mark.parametrize(
    ("errors", "alone"),
    [
        (ErrorCounts(status=500), ErrorCounts(body=400)),
        (NONE, NONE),
        (NONE, ErrorCounts(status=500)),
        (ErrorCounts(reset=500, connect=20), NONE),
    ],
)
def test_nothing_else_is_state(errors: ErrorCounts, alone: ErrorCounts) -> None:
    """Not where one worker fails as well, nor where connections broke."""
    assert found(errors, alone=alone) == []


def test_the_share_of_wrong_answers_is_that_of_all_rounds() -> None:
    """Over what was sent in slices, and only by trials that were measured."""
    alone, both = (Cell("uvicorn", "default", workers, "hello", CLOSED_64) for workers in (1, 2))
    sound = make_trial(both, 0, 0)
    spoilt = msgspec.structs.replace(sound, errors=ErrorCounts(status=300, body=200, reset=9))
    lost = msgspec.structs.replace(spoilt, outcome="failed")
    (reason,) = worker_state_findings(
        both, {both: (sound, spoilt, lost), alone: (make_trial(alone, 0, 0),)}
    )
    assert reason.value == pytest.approx(500 / (2 * sent_in_slices(sound)))
