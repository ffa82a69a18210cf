import csv
import io
import json

import pytest

from asgi_bench.analysis.summary import summarize, survey
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.pages import render_page
from asgi_bench.reporting.run.latency import REQUESTS_NOTE, request_table
from asgi_bench.reporting.run.report import render_report
from tests.reporting.document_words import texts_of
from tests.synthetic_requests import LIST_SENT, ORDER_ERRORS, ORDER_SENT, requests_run
from tests.synthetic_run import synthetic_run

ROUNDS = 3
REPORT = summarize(requests_run(ROUNDS))


def test_a_cell_is_parted_by_its_requests() -> None:
    """Counts are summed over the rounds, times merged, shares are of all weights."""
    listed, ordered = REPORT.cells[0].by_request
    assert (listed.name, listed.method, listed.path) == ("list", "GET", "/items")
    assert (listed.share, ordered.share) == (0.75, 0.25)
    assert listed.sent == listed.requests == ROUNDS * LIST_SENT
    assert ordered.sent == ROUNDS * ORDER_SENT
    assert ordered.errors.total == ordered.errors.status == ROUNDS * ORDER_ERRORS
    assert listed.response_time_s.p50 == pytest.approx(0.002, rel=0.1)
    assert ordered.response_time_s.p50 == pytest.approx(0.02, rel=0.1)
    # 600 samples are too few for it.
    assert ordered.response_time_s.p99 is None
    assert (listed.response_bytes, ordered.response_bytes) == (900, 100)
    assert summarize(synthetic_run()).cells[0].by_request == ()


def test_the_table_has_a_row_for_each_request_of_each_cell() -> None:
    """In the order of the cells' own table; a run of single requests has none."""
    (group, *_) = report_groups(REPORT)
    rows = [texts_of(row) for row in request_table(group).rows]
    assert [(row[0], row[1], row[2]) for row in rows[::2]] == [
        (cell.server, cell.variant, str(cell.workers)) for cell in group.cells
    ]
    texts = [list(row[3:]) for row in rows[:2]]
    assert texts[0][:3] == ["list", "75", "1,800"]
    assert texts[1][:3] == ["order | now", "25", "600"]
    validity = group.cells[0].validity
    assert [text[-2:] for text in texts] == [["0", validity], ["2.0", validity]]
    plain = summarize(synthetic_run())
    assert not [row for each in report_groups(plain) for row in request_table(each).rows]
    assert "By request" not in render_report(plain, "text")


def test_json_and_csv_have_the_same_figures() -> None:
    """CSV has a line for each request after that of its cell, in columns of their own."""
    cells = json.loads(render_report(REPORT, "json"))["cells"]
    lines = list(csv.DictReader(io.StringIO(render_report(REPORT, "csv"))))
    of_first = [line for line in lines if line["cell"] == cells[0]["cell"]]
    assert [line["request.name"] for line in of_first] == ["", "list", "order | now"]
    assert of_first[0]["requests"] == str(cells[0]["requests"])
    for line, part in zip(of_first[1:], cells[0]["by_request"], strict=True):
        assert (line["requests"], line["server"]) == ("", cells[0]["server"])
        assert line["request.requests"] == str(part["requests"])
        assert line["request.errors.status"] == str(part["errors"]["status"])
        assert line["request.response_time_s.p50"] == str(part["response_time_s"]["p50"])


def test_the_page_shows_the_requests() -> None:
    """A table of them under the latencies, and what each is beside the servers' commands."""
    run = requests_run(ROUNDS)
    page = " ".join(render_page(survey(run)).split())
    assert "By request · hello" in page
    assert "<td" in page.partition("By request · ")[2].partition("order | now")[0]
    assert "order | now, weight 2" in page
    assert "POST /orders" in page
    assert REQUESTS_NOTE in page
