from pathlib import Path

import msgspec
import pytest

from asgi_bench.errors import BenchError
from asgi_bench.model.calibration import Calibration
from asgi_bench.store.calibrations import (
    calibration_path,
    read_calibration,
    stored_calibration,
    write_calibration,
)
from asgi_bench.store.folders import list_runs
from tests.synthetic_calibration import full_calibration, quick_calibration

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("calibration", [quick_calibration(), full_calibration()])
def test_what_was_written_is_read(tmp_path: Path, calibration: Calibration) -> None:
    """A calibration comes back whole, from a file of its machine's own in a folder of its own."""
    path = write_calibration(tmp_path / "results", calibration)
    assert path == tmp_path / "results/calibration/0123456789abcdef.json"
    assert read_calibration(path) == calibration
    assert stored_calibration(tmp_path / "results", calibration.fingerprint) == calibration


def test_newer_replaces_older(tmp_path: Path) -> None:
    """A machine has one calibration: the last; those of others and the folder's runs stay."""
    write_calibration(tmp_path, full_calibration("another"))
    write_calibration(tmp_path, quick_calibration())
    later = msgspec.structs.replace(full_calibration(), measured_at="2026-11-23T19:00:00+00:00")
    write_calibration(tmp_path, later)
    assert stored_calibration(tmp_path, later.fingerprint) == later
    names = sorted(path.name for path in (tmp_path / "calibration").iterdir())
    assert names == ["0123456789abcdef.json", "another.json"]
    assert list_runs(tmp_path) == ()


def test_none_is_stored(tmp_path: Path) -> None:
    """A machine that was never calibrated has no calibration."""
    write_calibration(tmp_path, quick_calibration())
    assert stored_calibration(tmp_path, "another") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not a calibration"),
        (b"\xff", "not a calibration"),
        (b'{"schema": "asgi-bench/calibration", "schema_version": 1}', "missing required field"),
        (b'{"schema": "asgi-bench/run", "schema_version": 1}', "schema is 'asgi-bench/run'"),
        (b'{"schema": "asgi-bench/calibration", "schema_version": 2}', "schema_version is 2"),
    ],
)
def test_what_can_not_be_read_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    """A broken file, another kind, or another version's: the line names the file and the fault."""
    path = calibration_path(tmp_path, "broken")
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(BenchError) as fault:
        stored_calibration(tmp_path, "broken")
    assert str(fault.value).startswith(f"{path}: ")
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_what_can_not_be_stored_is_one_line(tmp_path: Path) -> None:
    """Where the folder can't be made the line names the file."""
    (tmp_path / "calibration").write_text("in the way")
    with pytest.raises(BenchError, match="the calibration can't be stored"):
        write_calibration(tmp_path, quick_calibration())
    with pytest.raises(BenchError, match=r"can't be read"):
        read_calibration(tmp_path / "gone.json")
