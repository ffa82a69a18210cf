"""The charts of what each protocol costs or gains."""

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize, survey
from asgi_bench.reporting.charts.drawing import draw
from asgi_bench.reporting.charts.panels import HATCHED, WHISKERS
from asgi_bench.reporting.charts.ways import ways_notes
from asgi_bench.reporting.run.own_ratios import own_charts
from tests.synthetic_interpreters import interpreters_run
from tests.synthetic_ways import ways_run


@pytest.mark.parametrize(
    ("topic", "title", "ratio"),
    [
        ("protocols", "Throughput by protocol", 0.8),
        # As much CPU time for so many answers less.
        ("protocols-cpu", "CPU time per request by protocol", 1.25),
    ],
)
def test_each_way_has_a_panel_with_its_ratios(topic: str, title: str, ratio: float) -> None:
    """One chart shows all ways to ask, each server over itself by the plain one."""
    (drawing,) = [one for one in draw(survey(ways_run(3))) if one.topic == topic]
    assert drawing.name == f"{topic}-hello-c64"
    assert drawing.words.title.startswith(title)
    assert drawing.fault is None
    for heading in ("HTTP/1.1 over TLS", "HTTP/1.1 over a Unix socket", "HTTP/2 over TLS"):
        assert f">{heading}<" in drawing.svg
    assert f"×{ratio}" in drawing.svg  # noqa: RUF001 (the sign before every ratio)


def test_each_interpreter_has_a_panel_with_its_ratios() -> None:
    """Beside the first each of them, every server over itself under that one."""
    (drawing,) = [o for o in draw(survey(interpreters_run(3))) if o.topic == "interpreters"]
    assert drawing.name == "interpreters-hello-c64"
    assert drawing.fault is None
    for heading in ("3.12", "3.14t"):
        assert f">{heading}<" in drawing.svg
    assert "under CPython 3.11.7" in drawing.svg


def test_notes_speak_of_what_is_drawn() -> None:
    """Whiskers and hatches are explained where there are any; one round has no interval."""
    for rounds, has_whiskers in ((1, False), (3, True)):
        report = summarize(ways_run(rounds))
        chart = next(own_charts(report))
        notes = list(ways_notes(report, chart))
        assert (WHISKERS in notes) == has_whiskers
        assert HATCHED not in notes
    cells = tuple(msgspec.structs.replace(cell, validity="invalid") for cell in report.cells)
    spoilt = msgspec.structs.replace(report, cells=cells)
    assert HATCHED in list(ways_notes(spoilt, next(own_charts(spoilt))))
