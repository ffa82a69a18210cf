"""Files as each schema version really wrote them: parts of recorded runs, never written anew."""

from pathlib import Path

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import RESPONSE_TIME, SCHEMA_VERSION
from asgi_bench.model.calibration import CALIBRATION_VERSION
from asgi_bench.store.calibrations import read_calibration
from asgi_bench.store.runs import read_run

GOLDEN = Path(__file__).with_name("golden")
# By version: requests of each trial as its file has them, in the file's order.
REQUESTS = {1: (52_049, 13_146, 54_416), 2: (33_779, 24_331, 2_629)}


def test_every_version_has_a_file() -> None:
    """From the first version on; a new one adds a folder here."""
    assert sorted(REQUESTS) == list(range(1, SCHEMA_VERSION + 1))
    assert CALIBRATION_VERSION == 1


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
