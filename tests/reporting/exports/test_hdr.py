import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.errors import BenchError
from asgi_bench.model import Run
from asgi_bench.reporting.exports.hdr import hgrm, hlog
from tests.reporting.exports.conftest import ROUNDS
from tests.synthetic_run import planned_cells, synthetic_run


def test_percentile_tables_are_those_of_the_report(subject: Survey) -> None:
    """One table a usable cell, in milliseconds, rising to all samples, p50 and p99 as reported."""
    documents = {document.name: document.text for document in hgrm(subject)}
    (cell,) = (c for c in subject.report.cells if c.cell == "uvicorn/default/w1/hello/c64")
    lines = documents["uvicorn-default-w1-hello-c64.hgrm"].splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [list(map(float, line.split())) for line in lines[2:] if not line.startswith("#")]
    values, shares, counts = (np.array([row[column] for row in rows]) for column in range(3))
    assert (np.diff(values) >= 0).all() and (np.diff(counts) >= 0).all()
    assert shares[-1] == 1 and counts[-1] == subject.response_times[cell.cell].total
    assert rows[1][3] == pytest.approx(1 / (1 - rows[1][1]), abs=0.01)
    for quantile, expected_s in ((0.5, cell.response_time_s.p50), (0.99, cell.response_time_s.p99)):
        read_ms = np.interp(quantile, shares, values)
        assert read_ms == pytest.approx((expected_s or 0) * 1e3, rel=0.05)
    assert len(documents) == len({key for key in subject.response_times if "granian" not in key})


def test_footer_is_all_in_milliseconds(subject: Survey) -> None:
    """Mean, deviation and maximum are of one unit, and the count is that of the samples."""
    text = next(d.text for d in hgrm(subject) if d.name.startswith("uvicorn-default-w1-hello-c64"))
    found = dict(re.findall(r"(Mean|StdDeviation|Max|TotalCount) += *([\d.]+)", text))
    times = subject.response_times["uvicorn/default/w1/hello/c64"]
    mean_ms = np.average(times.values_ns, weights=times.counts) / 1e6
    deviation_ms = np.average((times.values_ns / 1e6 - mean_ms) ** 2, weights=times.counts) ** 0.5
    assert float(found["Mean"]) == pytest.approx(mean_ms, rel=0.01)
    assert float(found["StdDeviation"]) == pytest.approx(deviation_ms, rel=0.02)
    assert float(found["TotalCount"]) == times.total


def test_log_reads_back_losslessly(subject: Survey, exported_run: Run, tmp_path: Path) -> None:
    """hdrh's own reader finds each trial's histogram under its cell's tag, in order of time."""
    (document,) = hlog(subject)
    path = tmp_path / document.name
    path.write_text(document.text)
    reader = HistogramLogReader(str(path), HdrHistogram(1, 60_000_000_000, 3))
    counts: dict[str, list[int]] = {}
    begins_s = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        counts.setdefault(histogram.get_tag(), []).append(histogram.get_total_count())
        begins_s.append(histogram.get_start_time_stamp() / 1e3)
    reader.input_file.close()
    key = "uvicorn/default/w1/hello/c64"
    assert len(counts[key]) == ROUNDS
    assert sum(counts[key]) == subject.response_times[key].total
    assert not any("granian" in tag or "daphne" in tag for tag in counts)
    assert begins_s == sorted(begins_s)
    first_s = min(t.slices[0].start_s for t in exported_run.trials if t.slices)
    assert begins_s[0] == pytest.approx(1795374000 + first_s, abs=0.01)


def test_a_cell_whose_name_differs_in_a_separator_has_a_file_of_its_own(subject: Survey) -> None:
    """Names that a file system can't tell apart are numbered."""
    key, twin = "uvicorn/default/w1/hello/c64", "uvicorn-default/w1/hello/c64"
    (cell,) = (c for c in subject.report.cells if c.cell == key)
    cells = (cell, msgspec.structs.replace(cell, cell=twin))
    both = subject._replace(
        report=msgspec.structs.replace(subject.report, cells=cells),
        response_times=dict.fromkeys((key, twin), subject.response_times[key]),
    )
    assert len({document.name for document in hgrm(both)}) == 2


def test_nothing_to_export_is_an_error() -> None:
    """A run without response times has no percentile tables."""
    with pytest.raises(BenchError, match="no cell has response times"):
        hgrm(survey(synthetic_run(planned_cells()[:1], rounds=0)))
