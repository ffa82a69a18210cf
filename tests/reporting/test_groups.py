from asgi_bench.analysis.summary import summarize
from asgi_bench.model import ClosedLoop, Objective, OpenLoop, RateSweep
from asgi_bench.reporting.groups import group_cells, report_groups
from tests.synthetic_run import OPEN_AND_SWEEP, planned_cells, synthetic_run, troubled_run


def test_order_within_a_section() -> None:
    """Ranked cells by falling throughput, then invalid ones, then those without figures."""
    (group,) = group_cells(summarize(troubled_run()).cells)
    first = group.sections[0]
    rates = [cell.throughput_rps.value or 0 for cell in first.ranked]
    assert rates == sorted(rates, reverse=True)
    assert {cell.validity for cell in first.ranked} == {"valid", "suspect"}
    assert {cell.validity for cell in first.invalid} == {"invalid"}
    assert [cell.outcome for cell in first.absent] == ["failed", "skipped"]
    assert first.cells == (*first.ranked, *first.unranked, *first.invalid, *first.absent)
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


def test_open_loops_are_ranked_by_response_time() -> None:
    """All have the same rate, so the quickest median is first; the overloaded have no place."""
    (group,) = group_cells(summarize(synthetic_run(planned_cells((OpenLoop(3000),)))).cells)
    first = group.sections[0]
    times = [cell.response_time_s.p50 or 0 for cell in first.ranked]
    assert times == sorted(times)
    assert first.ranked[0].server == "granian"
    assert [cell.variant for cell in first.unranked] == ["trio"]
    assert all(cell.overloaded for cell in first.unranked)
    assert first.cells == (*first.ranked, *first.unranked)


def test_sweeps_are_ranked_by_the_highest_rate() -> None:
    """With an objective by what kept it, without by what was answered at saturation."""
    for load in (OPEN_AND_SWEEP[-1], RateSweep((0.5, 1.2))):
        report = summarize(synthetic_run(planned_cells((load,), worker_counts=(1,)), rounds=3))
        (group,) = group_cells(report.sweeps)
        (section,) = group.sections
        rates = [
            (sweep.highest_rate_rps if sweep.objective else sweep.saturation_rps).value or 0
            for sweep in section.ranked
        ]
        assert rates == sorted(rates, reverse=True)
        assert len(rates) == 11


def test_sweep_that_kept_nothing_has_no_place() -> None:
    """An objective that no rate keeps ranks nobody."""
    load = RateSweep((0.5, 0.9), Objective(0.99, 1e-5), search_steps=1)
    report = summarize(synthetic_run(planned_cells((load,), worker_counts=(1,)), rounds=3))
    (group,) = group_cells(report.sweeps)
    assert group.sections[0].ranked == ()
    assert len(group.sections[0].unranked) == 11


def test_all_groups_of_a_report() -> None:
    """Cells first, then sweeps: nothing that was planned is left out."""
    report = summarize(synthetic_run(planned_cells((ClosedLoop(64), *OPEN_AND_SWEEP)), rounds=1))
    groups = report_groups(report)
    names = ["hello-c64", "hello-r3000", "hello-r50pct", "hello-sweep"]
    assert [group.name for group in groups] == names
    assert sum(len(group.cells) for group in groups) == len(report.everything)
