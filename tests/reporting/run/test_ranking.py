import msgspec
import pytest

from asgi_bench.analysis.report import Reached
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.run.ranking import surety_notes
from asgi_bench.reporting.run.report import Format, render_report
from tests.synthetic_run import planned_cells, synthetic_run


def test_few_rounds_say_that_no_order_is_claimed() -> None:
    """Under 6 rounds the table's order is that of estimates, and is called so."""
    *_, note = surety_notes(summarize(synthetic_run(planned_cells(worker_counts=(1,)))))
    assert "no ranks: they need 6 rounds, and this run has 5" in note


def test_sensitivity_is_stated() -> None:
    """Claims that hang on single rounds are counted and named; else all are said to hold."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,)), rounds=8))
    *_, sensitivity = surety_notes(report)
    assert "all survive" in sensitivity
    first, *others = report.comparisons
    fallen = msgspec.structs.replace(first, holds_trimmed=False)
    *_, sensitivity = surety_notes(msgspec.structs.replace(report, comparisons=(fallen, *others)))
    assert " 1 rests on a few rounds" in sensitivity
    assert f"{first.a} to {first.b}" in sensitivity


@pytest.mark.parametrize(("left_out", "is_said"), [(0.36, True), (0.004, False), (None, False)])
def test_slices_that_ratios_leave_out_are_stated(left_out: float | None, is_said: bool) -> None:
    """A share worth knowing is named with its cause."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,))))
    reached = Reached(5, 60.0, 0.02, 0.03, 0.2, left_out)
    facts = msgspec.structs.replace(report.run, reached=reached)
    text = " ".join(surety_notes(msgspec.structs.replace(report, run=facts)))
    sentence = "Ratios leave out 36% of the slices, in which something else used the load"
    assert (sentence in text) == is_said


def test_single_cells_claim_nothing() -> None:
    """Where there is nothing to compare there is nothing to say."""
    assert list(surety_notes(summarize(synthetic_run(planned_cells()[:1], rounds=8)))) == []


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_ranges_and_notes_are_shown(format: Format) -> None:
    """A tie is shown as a range of places, with what that means under the table."""
    shown = render_report(summarize(synthetic_run(rounds=9)), format)
    assert "1–2" in shown  # noqa: RUF001 (the dash of a range)
    assert "statistically tied" in shown
