import msgspec

from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Table
from asgi_bench.reporting.run.frameworks import frameworks_section
from asgi_bench.reporting.run.source import Source
from tests.synthetic_run import synthetic_run


def test_a_framework_stands_beside_the_server_alone() -> None:
    """The share is the CPU time without a framework over that with it, of the same server."""
    report = summarize(synthetic_run())
    bare = next(cell for cell in report.cells if cell.scenario == "hello" and cell.outcome == "ok")
    cost = bare.server_cpu_s_per_request
    assert cost.value is not None
    dearer = msgspec.structs.replace(cost, value=cost.value * 4)
    framed = msgspec.structs.replace(
        bare, scenario="framework-quart", server_cpu_s_per_request=dearer
    )
    report = msgspec.structs.replace(report, cells=(bare, framed))
    (table,) = [b for b in frameworks_section(Source(report)).blocks if isinstance(b, Table)]
    (row,) = table.rows
    assert row.cells[3] == "quart"
    assert row.cells[-1] == "25"


def test_without_both_there_is_nothing_to_compare() -> None:
    """A run of `hello` alone has no such table."""
    section = frameworks_section(Source(summarize(synthetic_run())))
    assert not [block for block in section.blocks if isinstance(block, Table)]
