from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Items, Table
from asgi_bench.reporting.run.connections import connections_section
from asgi_bench.reporting.run.report import render_report
from asgi_bench.reporting.run.source import Source
from tests.reporting.document_words import texts_of
from tests.situation import Said, situation
from tests.synthetic_levels import turning_run
from tests.synthetic_run import synthetic_run


def test_a_setting_has_a_row_for_each_count() -> None:
    """Ratio, its change, switches and whether it may be first stand beside the connections."""
    blocks = connections_section(Source(summarize(turning_run()))).blocks
    (table,) = [block for block in blocks if isinstance(block, Table)]
    rows = [texts_of(row) for row in table.rows]
    assert [row[2] for row in rows] == ["64", "256"] * 6
    few, many = (row for row in rows if row[:2] == ("granian", "default"))
    assert (few[4], few[6], few[7]) == ("\N{EN DASH}", "0.75", "no")
    assert many[4].startswith("2.0") and many[7] == "yes"


@situation(
    "reasons",
    "A server is second at 64 connections and first at 256",
    says="First at 64 connections: gunicorn-uvicorn or uvicorn; at 256: granian",
)
def test_who_passes_whom_is_said_in_words(said: Said) -> None:
    """The turn of the first place, and each setting that others pass, in every format."""
    report = summarize(turning_run())
    blocks = connections_section(Source(report)).blocks
    (items,) = [block for block in blocks if isinstance(block, Items)]
    assert [item.words for item in items.items][1:] == [
        "At 256 connections granian overtakes gunicorn-uvicorn and uvicorn."
    ]
    said(render_report(report, "text"))


@situation(
    "reasons",
    "A server with several threads and one CPU is slow at few connections",
    says="its threads share a CPU and wake each other up: 0.75 context switches per request at 64 "
    "connections, 0.013 at 256, because each hand-over carries few requests when few are waiting",
)
def test_why_it_passes_them_is_said_of_the_cell(said: Said) -> None:
    """The finding names both figures and what they cost."""
    said(render_report(summarize(turning_run()), "text"))


def test_one_count_has_no_section() -> None:
    """A run at one level says nothing of others."""
    assert "Connections" not in render_report(summarize(synthetic_run(rounds=6)), "text")
