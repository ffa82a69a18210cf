"""Which formats there are, and what becomes of a run that counted in them."""

import csv
import json
from collections import Counter
from io import StringIO

import msgspec
import pytest

from asgi_bench.analysis.counts import counts_report
from asgi_bench.analysis.history.counted import Counted
from asgi_bench.analysis.summary import Survey
from asgi_bench.errors import BenchError
from asgi_bench.reporting.exports.formats import ExportFormat
from tests.synthetic_counts import CALLS, CELL, counted_run

OF_COUNTS = [one for one in ExportFormat if one.of_counts is not None]


def counted_in(format: ExportFormat, run: Counted) -> str:
    """The one document of a run that counted."""
    assert format.of_counts is not None
    (file,) = format.of_counts(run)
    return file.text


@pytest.mark.parametrize("format", ExportFormat)
def test_a_format_of_one_document_gives_one(format: ExportFormat, subject: Survey) -> None:
    """Each format has a document for a run that timed; only those that say so have several."""
    files = format.documents(subject)
    assert files and all(file.text for file in files)
    assert len(files) == 1 or format.is_several
    assert len({file.name for file in files}) == len(files)


def test_formats_of_counts() -> None:
    """What follows figures has room for counts; what is made of times has not."""
    assert {one.value for one in OF_COUNTS} == {
        "github-action-benchmark",
        "bmf",
        "openmetrics",
        "csv",
    }


def test_counts_are_exported_with_their_bounds() -> None:
    """Bencher's file has each count as the report has it."""
    run = counted_run()
    measures = json.loads(counted_in(ExportFormat.BMF, run))[CELL.key]
    (cell,) = counts_report(run.header, run.lives).cells
    for name, figures in zip(
        ("instructions-per-request", "syscalls-per-request"), cell.figures, strict=True
    ):
        assert measures[name]["value"] == pytest.approx(figures.per_request.value)
        assert measures[name]["lower_value"] == pytest.approx(figures.per_request.lower)


def test_each_layout_is_a_line() -> None:
    """CSV has what every layout gave, by counter, with what was counted and where."""
    lines = list(csv.DictReader(StringIO(counted_in(ExportFormat.CSV, counted_run()))))
    assert Counter(line["counter"] for line in lines) == {"instructions": 4, "syscalls": 4}
    assert {line["cell"] for line in lines} == {CELL.key}
    assert {(line["server"], line["server_version"]) for line in lines} == {("uvicorn", "1.2.3")}
    calls = [float(line["per_request"]) for line in lines if line["counter"] == "syscalls"]
    assert calls == pytest.approx([CALLS] * 4)


@pytest.mark.parametrize("format", OF_COUNTS)
def test_an_ab_is_exported_with_its_sides(format: ExportFormat) -> None:
    """Baseline and candidate are told apart; the control, which isn't counted, is left out."""
    text = counted_in(format, counted_run(is_ab=True))
    assert "baseline" in text and "candidate" in text and "control" not in text


def test_nothing_counted_is_told() -> None:
    """A list that the dashboard would refuse as empty is an error in place of a file."""
    with pytest.raises(BenchError, match="no cell has usable figures"):
        counted_in(ExportFormat.GITHUB_ACTION_BENCHMARK, counted_run()._replace(lives=()))


def test_what_only_explains_is_not_followed() -> None:
    """Calls by Python function say where a count comes from; no dashboard gets them."""
    run = counted_run()
    calls = tuple(
        msgspec.structs.replace(life, counter="python_calls", backend="monitoring")
        for life in run.lives
        if life.counter == "syscalls"
    )
    both = run._replace(lives=(*run.lives, *calls))
    assert counted_in(ExportFormat.BMF, both) == counted_in(ExportFormat.BMF, run)
    assert "python_calls" in counted_in(ExportFormat.CSV, both)
