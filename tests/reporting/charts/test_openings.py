"""The chart of how long it took to open connections."""

import msgspec

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.reporting.charts.drawing import Drawing, draw
from tests.synthetic_run import synthetic_run
from tests.synthetic_streams import streams_run

replace = msgspec.structs.replace


def test_each_request_has_a_panel_on_one_sheet() -> None:
    """Handshakes with resumption stand beside those without, the shortest first."""
    found = survey(streams_run())
    resumed = [
        replace(
            cell,
            cell=cell.cell.replace("hello", "hello-resumed"),
            scenario="hello-resumed",
            handshake_time_s=replace(cell.handshake_time_s, p50=0.0001),
        )
        for cell in found.report.cells
    ]
    both: Report = replace(found.report, cells=(*found.report.cells, *resumed))
    (drawing,) = _handshakes(found._replace(report=both))
    assert (drawing.name, drawing.fault) == ("handshake-c64", None)
    resumed_at = drawing.svg.index(">hello-resumed, HTTP/1.1<")
    assert resumed_at < drawing.svg.index(">hello, HTTP/1.1<")
    assert drawing.words.title == "Time to open a connection, median"


def test_without_opened_connections_there_is_none() -> None:
    """Connections that live as long as the load tell nothing of their opening."""
    assert not _handshakes(survey(synthetic_run()))


def _handshakes(found: Survey) -> list[Drawing]:
    return [one for one in draw(found) if one.topic == "handshake"]
