from typing import Any

import jsonschema
import msgspec
import pytest

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.errors import BenchError
from asgi_bench.reporting.exports.figures import cell_figures, exported
from asgi_bench.reporting.exports.github_action_benchmark import github_action_benchmark
from tests.synthetic_run import planned_cells, synthetic_run

# The shape that the action's src/extract.ts checks: it coerces, we are strict.
SHAPE = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
    },
}


def files(subject: Survey) -> dict[str, list[dict[str, Any]]]:
    """The entries of each file."""
    return {
        document.name: msgspec.json.decode(document.text)
        for document in github_action_benchmark(exported(subject))
    }


def test_both_files_have_the_shape(subject: Survey) -> None:
    """Each file is a list of entries as the action takes them, their names all different."""
    found = files(subject)
    assert set(found) == {"bigger-is-better.json", "smaller-is-better.json"}
    for entries in found.values():
        jsonschema.validate(entries, SHAPE)
        assert len({entry["name"] for entry in entries}) == len(entries)


def test_every_figure_is_in_the_file_of_its_direction(subject: Survey) -> None:
    """Throughput and ratios are bigger, costs, times and memory smaller."""
    found = files(subject)
    expected: dict[str, int] = {}
    for cell in subject.report.everything:
        for figure in cell_figures(cell):
            better = "bigger" if figure.metric.more_is_better else "smaller"
            name = f"{better}-is-better.json"
            expected[name] = expected.get(name, 0) + 1
    assert {name: len(entries) for name, entries in found.items()} == expected
    titles = {entry["name"].rpartition(": ")[2] for entry in found["bigger-is-better.json"]}
    assert "throughput" in titles
    assert not any("time" in title or "CPU" in title for title in titles)


def test_units_are_those_people_read(subject: Survey) -> None:
    """CPU per request is in microseconds, with the half width of its interval."""
    (cell,) = (c for c in subject.report.cells if c.cell == "uvicorn/default/w1/hello/c64")
    (entry,) = (
        entry
        for entry in files(subject)["smaller-is-better.json"]
        if entry["name"] == f"{cell.cell}: server CPU per request"
    )
    cost = cell.server_cpu_s_per_request
    assert cost.value is not None and cost.upper is not None
    assert entry["unit"] == "µs"
    assert entry["value"] == pytest.approx(cost.value * 1e6)
    assert entry["range"].startswith("± ")
    assert float(entry["range"][2:]) == pytest.approx((cost.upper - cost.value) * 1e6, rel=0.01)


def test_nothing_usable_is_an_error() -> None:
    """The action refuses an empty list, so none is written."""
    nothing = survey(synthetic_run(planned_cells()[:1], rounds=0))
    with pytest.raises(BenchError, match="no cell has usable figures"):
        github_action_benchmark(exported(nothing))
