"""Calibrations: one file for each machine, beside the runs measured on it."""

from pathlib import Path

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model.calibration import CALIBRATION_SCHEMA, CALIBRATION_VERSION, Calibration
from asgi_bench.regular_files import read_regular
from asgi_bench.store.files import write_whole
from asgi_bench.store.folders import safe_name

CALIBRATIONS_FOLDER = "calibration"


class _Version(msgspec.Struct):
    """As much of a file as it takes to know whether the rest can be read."""

    schema: str
    schema_version: int


def calibration_path(parent: Path, fingerprint: str) -> Path:
    """Where the calibration of the machine with that fingerprint is in a folder of runs."""
    return parent / CALIBRATIONS_FOLDER / f"{safe_name(fingerprint)}.json"


def write_calibration(parent: Path, calibration: Calibration) -> Path:
    """Store a calibration in place of an earlier one of that machine; return the file.

    Raises BenchError if it can't be written.
    """
    path = calibration_path(parent, calibration.fingerprint)
    content = msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise BenchError(f"{path}: the calibration can't be stored: {error.strerror}") from None
    return path


def read_calibration(path: Path) -> Calibration:
    """Read a calibration. Raises BenchError if it can't be read, naming the file."""
    again = "measure again with `asgi-bench calibrate`"
    try:
        content = read_regular(path)
        version = msgspec.json.decode(content, type=_Version)
        if version.schema != CALIBRATION_SCHEMA:
            raise BenchError(f"{path}: schema is {version.schema!r}, not {CALIBRATION_SCHEMA!r}")
        if version.schema_version != CALIBRATION_VERSION:
            raise BenchError(
                f"{path}: schema_version is {version.schema_version}, but this asgi-bench reads "
                f"{CALIBRATION_VERSION}; {again}"
            )
        return msgspec.json.decode(content, type=Calibration)
    except OSError as error:
        raise BenchError(f"{path}: can't be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BenchError(f"{path}: not a calibration: {error}; {again}") from None


def stored_calibration(parent: Path, fingerprint: str) -> Calibration | None:
    """The calibration of that machine in a folder of runs; None if there is none.

    Raises as `read_calibration`.
    """
    path = calibration_path(parent, fingerprint)
    return read_calibration(path) if path.exists() else None
