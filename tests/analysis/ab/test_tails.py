import msgspec
import pytest

from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.model import RESPONSE_TIME, CellVerdict, MetricVerdict, Role, Trial
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_sides import ab_run


def cell_of(samples: int | None, *, slower: float = 1.0) -> CellVerdict:
    """The cell of an A/B with so many response times in each block, the candidate's longer."""

    def timed(trial: Trial, role: Role) -> Trial:
        median_s = 0.002 * (slower if role == "candidate" else 1.0)
        blob = None if samples is None else histogram_blob(median_s, samples, spread=0.4)
        return msgspec.structs.replace(trial, times_hdr={RESPONSE_TIME: blob})

    (cell,) = ab_report(ab_run(0.0, edit=timed)).cells
    return cell


def p99_of(cell: CellVerdict) -> MetricVerdict:
    """Its p99."""
    (found,) = (one for one in cell.metrics if one.metric == "response_time_p99_s")
    return found


def test_p99_of_long_blocks_has_an_interval() -> None:
    """Where blocks have samples enough for it, they are what it is told from."""
    found = p99_of(cell_of(2000, slower=1.5))
    assert found.effect.d == pytest.approx(0.5, abs=0.02)
    assert found.effect.lo is not None
    assert found.blocks == 28


def test_p99_of_short_blocks_is_that_of_all_together() -> None:
    """Each side's response times of all blocks give a figure; there is nothing to test it by."""
    found = p99_of(cell_of(100, slower=1.5))
    assert found.effect.d == pytest.approx(0.5, abs=0.02)
    assert (found.effect.lo, found.verdict, found.confidence) == (None, None, None)
    assert found.blocks == 28
    assert found.candidate == pytest.approx(1.5 * found.baseline, rel=0.02)
    assert found.control is not None
    assert found.control.d == pytest.approx(0.0, abs=0.02)


def test_p99_of_all_together_may_lack_that_of_one_process() -> None:
    """Where the baseline's second process has too few samples, nothing is said of the control."""

    def timed(trial: Trial, role: Role) -> Trial:
        blob = histogram_blob(0.002, 10 if role == "control" else 100, spread=0.4)
        return msgspec.structs.replace(trial, times_hdr={RESPONSE_TIME: blob})

    found = p99_of(ab_report(ab_run(0.0, edit=timed)).cells[0])
    assert found.effect.d == pytest.approx(0.0, abs=0.05)
    assert found.control is None


def test_too_few_samples_for_p99_are_told() -> None:
    """Nothing is shown where all blocks together have too few, and it is said why."""
    cell = cell_of(10)
    assert "response_time_p99_s" not in {one.metric for one in cell.metrics}
    (reason,) = cell.reasons
    assert (reason.code, reason.level) == ("few-samples", "valid")
    assert "280 response times of a side in all blocks together are too few" in reason.text
    assert cell.verdict == "pass"


def test_a_run_without_histograms_has_no_p99() -> None:
    """What was not measured isn't missed."""
    cell = cell_of(None)
    assert "response_time_p99_s" not in {one.metric for one in cell.metrics}
    assert cell.reasons == ()
