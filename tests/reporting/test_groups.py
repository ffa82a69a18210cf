from asgi_bench.analysis.summary import summarize
from asgi_bench.model import ClosedLoop, OpenLoop
from asgi_bench.reporting.groups import group_cells
from tests.synthetic_run import planned_cells, synthetic_run, troubled_run


def test_order_within_a_section() -> None:
    """Ranked cells by falling throughput, then invalid ones, then those without figures."""
    (group,) = group_cells(summarize(troubled_run()).cells)
    first = group.sections[0]
    rates = [cell.throughput_rps.value or 0 for cell in first.ranked]
    assert rates == sorted(rates, reverse=True)
    assert {cell.validity for cell in first.ranked} == {"valid", "suspect"}
    assert {cell.validity for cell in first.invalid} == {"invalid"}
    assert [cell.outcome for cell in first.absent] == ["failed", "skipped"]
    assert first.cells == (*first.ranked, *first.invalid, *first.absent)
    assert first.cells[0].throughput_rps.value != max(
        cell.throughput_rps.value or 0 for cell in first.cells
    )


def test_no_cell_is_lost() -> None:
    """Every cell is in exactly one section."""
    report = summarize(troubled_run())
    shown = [cell.cell for group in group_cells(report.cells) for cell in group.cells]
    assert sorted(shown) == sorted(cell.cell for cell in report.cells)


def test_loads_and_worker_counts_are_kept_apart() -> None:
    """Only cells of one scenario, load and worker count are ranked against each other."""
    loads = (ClosedLoop(8), ClosedLoop(64), OpenLoop(None, rate_share=0.5))
    cells = summarize(synthetic_run(planned_cells(loads), rounds=1)).cells
    groups = group_cells(cells)
    assert [group.name for group in groups] == ["hello-c8", "hello-c64", "hello-r50pct"]
    for group in groups:
        assert [section.workers for section in group.sections] == [1, 2]
        assert [len(section.cells) for section in group.sections] == [11, 6]
