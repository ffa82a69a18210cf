import msgspec
import pytest

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from tests.synthetic_interpreters import RATIOS as INTERPRETERS
from tests.synthetic_interpreters import interpreters_run
from tests.synthetic_run import synthetic_run
from tests.synthetic_ways import RATIOS, ways_run


@pytest.fixture(scope="module")
def report() -> Report:
    """Six rounds of every way."""
    return summarize(ways_run())


def test_each_way_is_held_against_the_plain_one(report: Report) -> None:
    """Over the same server by HTTP/1.1 over TCP, whatever another server does."""
    assert len(report.ways) == 5 * 4 + 2
    for way in report.ways:
        server, variant, workers, request_key, load = way.cell.split("/")
        assert way.base == f"{server}/{variant}/{workers}/hello/{load}"
        wanted = RATIOS[request_key]
        found = way.throughput_ratio
        assert found.value == pytest.approx(wanted, rel=0.1)
        assert (found.lower or 2) < (found.value or 0) < (found.upper or 0)
        # As much CPU time for so many answers.
        cost = way.server_cpu_ratio.value
        assert cost == pytest.approx(1 / wanted, rel=0.1)


def test_what_was_not_measured_has_no_ratio(report: Report) -> None:
    """A skipped way is left out; so is all of it where the plain one was not asked for."""
    skipped = "uvicorn/default/w1/hello+h2/c64"
    assert skipped in {cell.cell for cell in report.cells}
    assert skipped not in {way.cell for way in report.ways}
    run = ways_run()
    cells = tuple(one for one in run.header.plan.cells if one.cell.transport == "tls")
    alone = synthetic_run(cells, rounds=3)
    assert summarize(alone).ways == ()


def test_ways_are_ranked_among_their_like(report: Report) -> None:
    """A server over TLS is compared with others over TLS, and its reference is one too."""
    by_key = {cell.cell: cell for cell in report.cells}
    over_tls = by_key["daphne/default/w1/hello+tls/c64"]
    assert over_tls.throughput_ratio is not None
    assert over_tls.throughput_ratio.reference == "uvicorn/default/w1/hello+tls/c64"
    pairs = {tuple(sorted(key.split("/")[3] for key in (p.a, p.b))) for p in report.comparisons}
    assert all(one == other for one, other in pairs)


def test_each_interpreter_is_held_against_the_first() -> None:
    """Over the same server under that one; both are told by their versions."""
    report = summarize(interpreters_run())
    assert {cell.variant for cell in report.cells} == {f"default@{name}" for name in INTERPRETERS}
    assert len(report.setup_ratios) == 6 * 2
    for one in report.setup_ratios:
        server, variant, *rest = one.cell.split("/")
        assert one.base == "/".join((server, "default@3.11", *rest))
        wanted = INTERPRETERS[variant.partition("@")[2]]
        assert one.throughput_ratio.value == pytest.approx(wanted, rel=0.1)
        assert one.server_cpu_ratio.value == pytest.approx(1 / wanted, rel=0.1)
    first, older, free = report.interpreters
    assert (first.name, first.version, first.other_packages) == ("3.11", "CPython 3.11.7", {})
    assert older.other_packages == {"uvloop": "0.21.0"}
    assert free.version == "CPython 3.14.0 free-threaded"


def test_stored_cells_of_earlier_runs_have_no_other_way() -> None:
    """A document without a word of ways is one by HTTP/1.1 over TCP."""
    plain = summarize(synthetic_run(rounds=3))
    assert plain.ways == ()
    assert {(cell.http, cell.transport) for cell in plain.cells} == {("1", "tcp")}
    assert msgspec.to_builtins(plain)["ways"] == ()
