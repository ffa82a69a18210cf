from typing import Any

import jsonschema
import msgspec
import pytest

from asgi_bench.analysis.summary import Survey
from asgi_bench.reporting.exports.bmf import bmf
from asgi_bench.reporting.exports.figures import cell_figures, exported

# bencher.dev/bmf.json
NUMBER = {"type": "number"}
MEASURE = {
    "type": "object",
    "properties": {"value": NUMBER, "lower_value": NUMBER, "upper_value": NUMBER},
    "required": ["value"],
}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "patternProperties": {".+": {"type": "object", "patternProperties": {".+": MEASURE}}},
}
MEASURE_NAME_LENGTH = 64


def benchmarks(subject: Survey) -> dict[str, dict[str, Any]]:
    """The file as an object."""
    (document,) = bmf(exported(subject))
    found: dict[str, dict[str, Any]] = msgspec.json.decode(document.text)
    return found


def test_file_follows_benchers_schema(subject: Survey) -> None:
    """It is valid, and its names are as long as Bencher takes them."""
    found = benchmarks(subject)
    jsonschema.Draft7Validator(SCHEMA).validate(found)
    assert found
    assert all(len(measure) <= MEASURE_NAME_LENGTH for each in found.values() for measure in each)


def test_built_in_measures_have_benchers_units(subject: Survey) -> None:
    """Latency is in nanoseconds and throughput per second; bounds enclose the value."""
    key = "uvicorn/default/w1/hello/c64"
    (cell,) = (c for c in subject.report.cells if c.cell == key)
    measures = benchmarks(subject)[key]
    assert measures["latency"]["value"] == pytest.approx((cell.response_time_s.p50 or 0) * 1e9)
    throughput = measures["throughput"]
    assert throughput["value"] == cell.throughput_rps.value
    assert throughput["lower_value"] < throughput["value"] < throughput["upper_value"]


def test_every_usable_cell_has_all_its_figures(subject: Survey) -> None:
    """A benchmark a cell, a measure a figure; none of any other cell."""
    counts = [len(f) for cell in subject.report.everything if (f := cell_figures(cell))]
    assert [len(measures) for measures in benchmarks(subject).values()] == counts
