from asgi_bench.analysis.summary import Survey
from asgi_bench.model.metrics import METRICS
from asgi_bench.reporting.exports.figures import cell_figures, is_usable


def test_only_usable_cells_have_figures(subject: Survey) -> None:
    """What is invalid, failed or skipped is no number."""
    verdicts = {(cell.outcome, cell.validity) for cell in subject.report.everything}
    assert {"failed", "skipped"} <= {outcome for outcome, _ in verdicts}
    assert ("ok", "invalid") in verdicts
    for cell in subject.report.everything:
        assert bool(cell_figures(cell)) == is_usable(cell)


def test_offered_throughput_and_own_ratio_are_left_out(subject: Survey) -> None:
    """An open loop has no throughput to track, and the reference no ratio to itself."""
    names = {
        cell.cell: [figure.metric.name for figure in cell_figures(cell)]
        for cell in subject.report.cells
    }
    assert "throughput_rps" not in names["uvicorn/default/w1/hello/r500"]
    assert "throughput_rps" in names["uvicorn/default/w1/hello/c64"]
    assert "throughput_ratio" not in names["uvicorn/default/w1/hello/c64"]


def test_figures_are_those_of_the_report(subject: Survey) -> None:
    """Each is the report's own value with its bounds, in SI units."""
    (cell,) = (c for c in subject.report.cells if c.cell == "uvicorn/default/w1/hello/c64")
    figures = {figure.metric.name: figure for figure in cell_figures(cell)}
    throughput = figures["throughput_rps"]
    assert (throughput.value, throughput.lower, throughput.upper) == (
        cell.throughput_rps.value,
        cell.throughput_rps.lower,
        cell.throughput_rps.upper,
    )
    assert figures["response_time_p99_s"].value == cell.response_time_s.p99
    assert list(figures) == [metric.name for metric in METRICS if metric.name in figures]


def test_a_lower_bound_is_no_highest_rate(subject: Survey) -> None:
    """Where no rate broke the objective, the highest rate isn't known."""
    found = {
        sweep.highest_rate_is_least: "highest_rate_rps"
        in [figure.metric.name for figure in cell_figures(sweep)]
        for sweep in subject.report.sweeps
        if is_usable(sweep)
    }
    assert found
    assert all(has != is_least for is_least, has in found.items())
