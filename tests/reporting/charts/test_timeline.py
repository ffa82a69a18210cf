import pytest

from asgi_bench.analysis.history.series import Series, build_history, run_entry
from asgi_bench.reporting.charts.timeline import labelled
from asgi_bench.reporting.history import place_sentence
from tests.synthetic_history import run_at

FACTORS = {0: 1.0, 10: 0.9, 16: 1.3, 30: 1.2}


@pytest.fixture(scope="module")
def series() -> Series:
    """A series that changed three times, most in the middle."""
    starts = sorted(FACTORS)
    entries = [
        run_entry(run_at(number, FACTORS[max(s for s in starts if s <= number)]), "facts")
        for number in range(40)
    ]
    found = build_history(entries, {"facts": {}})
    return next(one for one in found.series if one.metric.name == "throughput_rps")


def test_all_are_labelled_where_there_is_room(series: Series) -> None:
    """Each label stands where its change does, between two runs."""
    assert len(series.shifts) == 3
    assert {place for place, _ in labelled(series, 1.0)} == {9.5, 15.5, 29.5}


def test_the_larger_change_keeps_its_label(series: Series) -> None:
    """Of two that would overlap the smaller one goes without, whatever their order."""
    assert [place for place, _ in labelled(series, 8.0)] == [15.5, 29.5]
    assert [place for place, _ in labelled(series, 100.0)] == [15.5]


def test_its_sentence_names_the_largest_change(series: Series) -> None:
    """What changed most comes with its size and the run it came with; without any it says so."""
    found = place_sentence([series])
    assert found.startswith("3 lasting changes in this series, the largest: granian/uvloop/")
    assert "% faster [" in found
    calm = series._replace(shifts=())
    assert place_sentence([calm, calm]) == "No lasting change in these 2 series."
