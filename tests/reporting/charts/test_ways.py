"""The chart of what each protocol costs or gains."""

from asgi_bench.analysis.summary import survey
from asgi_bench.reporting.charts.drawing import draw
from tests.synthetic_ways import ways_run


def test_each_way_has_a_panel_with_its_ratios() -> None:
    """One chart shows all ways to ask, each server's throughput over its own by the plain one."""
    drawings = [one for one in draw(survey(ways_run(3))) if one.topic == "protocols"]
    (drawing,) = drawings
    assert drawing.name == "protocols-hello-c64"
    assert drawing.fault is None
    for heading in ("HTTP/1.1 over TLS", "HTTP/1.1 over a Unix socket", "HTTP/2 over TLS"):
        assert f">{heading}<" in drawing.svg
    assert "×0.8" in drawing.svg  # noqa: RUF001 (the sign before every ratio)
