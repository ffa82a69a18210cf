"""Files as each schema version really wrote them: parts of recorded runs, never written anew."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from asgi_bench.analysis.counts import counts_report
from asgi_bench.analysis.matrix import judge_matrix
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import RESPONSE_TIME, SCHEMA_VERSION, VERDICT_VERSION, AbReport
from asgi_bench.model.calibration import CALIBRATION_VERSION
from asgi_bench.model.counts import COUNTS_VERSION
from asgi_bench.model.matrix import VERSION as MATRIX_VERSION
from asgi_bench.model.matrix import Matrix
from asgi_bench.store.calibrations import read_calibration
from asgi_bench.store.counts import read_lives
from asgi_bench.store.runs import read_run

GOLDEN = Path(__file__).with_name("golden")
SCHEMAS = Path(__file__).parents[2] / "src/asgi_bench/store/schemas"
# By version: requests of each trial as its file has them, in the file's order.
REQUESTS = {1: (52_049, 13_146, 54_416), 2: (33_779, 24_331, 2_629)}


def test_every_version_has_a_file() -> None:
    """From the first version on; a new one adds a folder here."""
    assert sorted(REQUESTS) == list(range(1, SCHEMA_VERSION + 1))
    for name, version in {
        "calibration-{}.json": CALIBRATION_VERSION,
        "counts-{}/lives.jsonl": COUNTS_VERSION,
        "matrix-{}.json": MATRIX_VERSION,
        "verdict-{}.json": VERDICT_VERSION,
    }.items():
        for each in range(1, version + 1):
            assert (GOLDEN / name.format(each)).is_file()


@pytest.mark.parametrize("version", sorted(REQUESTS))
def test_a_run_of_each_version_is_read_and_reported(version: int) -> None:
    """Trials, their times and meters come through, and the report has both cells."""
    run = read_run(GOLDEN / f"run-{version}")
    assert run.stored_version == version
    assert run.damage == ()
    assert tuple(trial.requests for trial in run.trials) == REQUESTS[version]
    assert all(RESPONSE_TIME in trial.times_hdr for trial in run.trials)
    assert all("steal_s" in piece.meters for trial in run.trials for piece in trial.slices)
    assert run.header.preparation.calibration is not None
    report = summarize(run)
    assert {cell.cell for cell in report.cells} == {
        "uvicorn/default/w1/hello/c64",
        "daphne/default/w1/hello/c64",
    }
    assert all(cell.throughput_rps.value for cell in report.cells)


def test_a_calibration_is_read() -> None:
    """As the first version wrote it."""
    file = GOLDEN / "calibration-1.json"
    told = msgspec.json.decode(file.read_bytes())
    assert read_calibration(file).fingerprint == told["fingerprint"]


def test_a_verdict_still_has_the_form_of_its_version() -> None:
    """A gate that reads `verdict.json` of an older asgi-bench finds every key that it knows."""
    told = msgspec.json.decode((GOLDEN / "verdict-1.json").read_bytes())
    jsonschema.validate(told, msgspec.json.decode((SCHEMAS / "verdict.json").read_bytes()))
    report = msgspec.convert(told, AbReport)
    assert (report.verdict, report.blocks) == ("regression", 6)
    (cell,) = report.cells
    found = {metric.metric: metric.verdict for metric in cell.metrics}
    assert found["throughput_rps"] == "regression"
    assert found.keys() == {one["metric"] for one in told["cells"][0]["metrics"]}
    # What has been added since has a default, and nothing has gone.
    assert _keys(told) <= _keys(msgspec.to_builtins(report))


def test_counts_are_read_and_reported() -> None:
    """Lives as the first version wrote them come to the same figures per request."""
    folder = GOLDEN / "counts-1"
    lives = read_lives(folder)
    assert len(lives) == 12
    report = counts_report(read_run(folder).header, lives)
    (cell,) = report.cells
    figures = {figure.counter: figure.per_request.value for figure in cell.figures}
    assert figures["instructions"] == pytest.approx(115_319, rel=1e-3)
    assert figures["syscalls"] == pytest.approx(4.374, rel=1e-3)


def test_a_matrix_is_read_and_judged() -> None:
    """A matrix that an older asgi-bench wrote has the same failures today."""
    told = msgspec.json.decode((GOLDEN / "matrix-1.json").read_bytes())
    matrix = msgspec.convert(told, Matrix)
    assert _keys(told) <= _keys(msgspec.to_builtins(matrix))
    failed = [one.check for one in matrix.results if (one.result, one.level) == ("no", "must")]
    assert [one.check for one in judge_matrix(matrix).failures] == failed


def _keys(value: object, where: str = "") -> set[str]:
    """Every key of a file, with its place; members of a list share theirs."""
    if isinstance(value, dict):
        below = (
            _keys(each, f"{where}.{name}") | {f"{where}.{name}"} for name, each in value.items()
        )
    elif isinstance(value, list | tuple):
        below = (_keys(each, f"{where}[]") for each in value)
    else:
        return set()
    return set().union(*below)
