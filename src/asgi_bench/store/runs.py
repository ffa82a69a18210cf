"""The run folder: written trial by trial so that a kill loses nothing, and read back whole."""

import base64
import binascii
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model import (
    SCHEMA_VERSION,
    AbReport,
    Behaviour,
    Proof,
    RequestFigures,
    Run,
    RunHeader,
    Slice,
    Trial,
)
from asgi_bench.regular_files import open_regular, read_regular
from asgi_bench.store.files import open_to_append, write_fully, write_whole
from asgi_bench.store.folders import (
    BEHAVIOUR_FILE,
    HEADER_FILE,
    LOGS_FOLDER,
    MOST_BYTES_OF_RUN,
    PHASES_FILE,
    PROOFS_FILE,
    TRIALS_FILE,
    VERDICT_FILE,
    safe_name,
)
from asgi_bench.store.migrations import (
    Migration,
    migrate_header,
    migrate_trial,
    migration_path,
)
from asgi_bench.store.withheld import without_values

T = TypeVar("T")
_TRIAL_DECODER = msgspec.json.Decoder(Trial)
# msgspec leaves bytes that are no UTF-8, and what is nested without end, to Python.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# Of an HDR V2 histogram: the cookie, and the length of what zlib has packed.
_HEAD_BYTES = 8
# Unpacked it has some 100 KB.
_MOST_UNPACKED_BYTES = 16 * 2**20


class RunWriter:
    """A new run folder, open for trials.

    Entering creates `<parent>/<run id>/` with `run.json` and an empty `trials.jsonl`. If a run
    with that id exists, the id gets a number: `header` has the final one.
    """

    def __init__(self, parent: Path, header: RunHeader) -> None:
        self._parent = parent
        self._log_suffix = ""
        self.header = header
        self.folder = parent / header.run_id
        self._trials: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Create the folder. Raises BenchError where that can't be done."""
        try:
            self.folder = _new_folder(self._parent, self.header.run_id)
            self.header = msgspec.structs.replace(self.header, run_id=self.folder.name)
            write_whole(self.folder / HEADER_FILE, encode_header(self.header), survives_crash=True)
            self._trials = open_to_append(self.folder / TRIALS_FILE)
        except OSError as error:
            raise BenchError(f"{self.folder}: the run can't be stored: {error.strerror}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file of trials."""
        if self._trials is not None:
            self._trials.close()
            self._trials = None

    def append(self, trial: Trial) -> None:
        """Store a trial: when this returns, it is on the disk.

        Raises BenchError if it can't be written, RuntimeError outside the context.
        """
        if self._trials is None:
            raise RuntimeError("trials are appended inside the writer's context")
        line = msgspec.json.encode(trial) + b"\n"
        try:
            write_fully(self._trials, line)
            os.fsync(self._trials.fileno())
        except OSError as error:
            path = self.folder / TRIALS_FILE
            raise BenchError(f"{path}: the trial can't be stored: {error.strerror}") from None

    def write_phases(self, phases_s: Mapping[str, float]) -> None:
        """Store how long each phase of the run took in all, in seconds."""
        _write_phases(self.folder, phases_s)

    def write_proofs(self, proofs: Sequence[Proof]) -> None:
        """Store what really ran under each server setting."""
        content = msgspec.json.format(msgspec.json.encode(proofs), indent=2)
        write_whole(self.folder / PROOFS_FILE, content + b"\n", survives_crash=True)

    def write_behaviours(self, behaviours: Sequence[Behaviour]) -> None:
        """Store how the server settings behaved, as far as that is known."""
        content = msgspec.json.format(msgspec.json.encode(behaviours), indent=2)
        write_whole(self.folder / BEHAVIOUR_FILE, content + b"\n", survives_crash=True)

    def log_path(self, cell_key: str, round: int, block: int = 0) -> Path:
        """Where a server's output of one round goes: `logs/<cell>/<round>.log`; creates its folder.

        A cell that is up in several blocks of a round has one log in each: `<round>-b<block>`.
        Raises BenchError if the folder can't be created.
        """
        parts = [safe_name(part) for part in cell_key.split("/")]
        folder = self.folder.joinpath(LOGS_FOLDER, *filter(None, parts))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(f"{folder}: can't be made: {error.strerror}") from None
        of_block = f"-b{block}" if block else ""
        return folder / f"{round}{of_block}{self._log_suffix}.log"


def read_run(folder: Path) -> Run:
    """Read a run folder, migrated to this tool's schema version.

    A last line of `trials.jsonl` that was cut off by a kill is left out, and a trial with a damaged
    histogram counts as failed; `damage` lists both.
    Raises BenchError if it can't be read, naming file and line.
    """
    header, path = _read_header(folder / HEADER_FILE)
    damage: list[str] = []
    trials = tuple(_read_trials(folder / TRIALS_FILE, path, damage))
    behaviours = _read_beside(folder / BEHAVIOUR_FILE, tuple[Behaviour, ...], ())
    return Run(
        header=header,
        trials=trials,
        folder=str(folder),
        damage=tuple(damage),
        behaviours=behaviours,
        proofs=read_proofs(folder),
        stored_version=SCHEMA_VERSION - len(path),
    )


def read_proofs(folder: Path) -> tuple[Proof, ...]:
    """Read what really ran under each server setting; empty if the run has no proofs.

    Raises BenchError if the file can't be read.
    """
    return _read_beside(folder / PROOFS_FILE, tuple[Proof, ...], ())


def add_phases(folder: Path, more_s: Mapping[str, float]) -> dict[str, float]:
    """Add time to the phases of a finished run, and return all of them; raises as `read_phases`."""
    phases_s = read_phases(folder)
    for phase, duration_s in more_s.items():
        phases_s[phase] = phases_s.get(phase, 0.0) + duration_s
    _write_phases(folder, phases_s)
    return phases_s


def read_phases(folder: Path) -> dict[str, float]:
    """Read the seconds that each phase took; empty if the run has none, as after a kill.

    Raises BenchError if the file can't be read.
    """
    return _read_beside(folder / PHASES_FILE, dict[str, float], {})


def _read_beside(file: Path, kind: type[T], default: T) -> T:
    """A file that a run may have or not."""
    try:
        return msgspec.json.decode(read_regular(file), type=kind)
    except FileNotFoundError:
        return default
    except OSError as error:
        raise BenchError(f"{file}: can't be read: {error.strerror}") from None
    except UNREADABLE as error:
        raise BenchError(f"{file}: {error}") from None


def write_verdict(folder: Path, report: AbReport) -> Path:
    """Store the verdict on an A/B in its run folder, whole, in place of an older one."""
    file = folder / VERDICT_FILE
    write_whole(
        file,
        msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n",
        survives_crash=True,
    )
    return file


class _Version(msgspec.Struct):
    """As much of a header as it takes to know how to read the rest."""

    schema: str
    schema_version: int


def _read_header(file: Path) -> tuple[RunHeader, tuple[Migration, ...]]:
    """The header, and the migrations its trials need too."""
    try:
        content = read_regular(file, MOST_BYTES_OF_RUN)
        version = msgspec.json.decode(content, type=_Version)
        path = migration_path(version.schema, version.schema_version)
        if not path:
            return msgspec.json.decode(content, type=RunHeader), path
        return msgspec.convert(migrate_header(_raw(content), path), RunHeader), path
    except OSError as error:
        raise BenchError(f"{file}: can't be read: {error.strerror}") from None
    except (BenchError, *UNREADABLE) as error:
        raise BenchError(f"{file}: {error}") from None


def _read_trials(file: Path, path: tuple[Migration, ...], damage: list[str]) -> Iterator[Trial]:
    """The trials line by line; what can't be read of them goes to `damage`."""
    first_lines: dict[tuple[str, int, int], int] = {}
    try:
        opened = open_regular(file, MOST_BYTES_OF_RUN)
    except FileNotFoundError:
        damage.append(f"{file.name} is missing: no trial was stored")
        return
    except OSError as error:
        raise BenchError(f"{file}: can't be read: {error.strerror}") from None
    with opened as lines:
        for number, line in enumerate(lines, start=1):
            try:
                trial = _decode_trial(line, path)
            except UNREADABLE as error:
                if not line.endswith(b"\n"):
                    damage.append(
                        f"{file.name} line {number} is cut off after {len(line)} bytes: that "
                        "trial is left out"
                    )
                    return
                raise BenchError(
                    f"{file} line {number}: {error}; remove this line to read the others"
                ) from None
            before = first_lines.setdefault((trial.cell, trial.round, trial.block), number)
            if before != number:
                raise BenchError(
                    f"{file} line {number}: {trial.cell} already has a trial of round "
                    f"{trial.round}, block {trial.block}, in line {before}: remove the wrong one"
                )
            if not _has_sound_histograms(trial):
                damage.append(
                    f"{file.name} line {number}: a histogram of {trial.cell}, round "
                    f"{trial.round}, can't be read: the trial counts as failed"
                )
                trial = _given_up(trial)
            yield trial


def _decode_trial(line: bytes, path: tuple[Migration, ...]) -> Trial:
    """One line as a trial of this tool's version."""
    if not path:
        return _TRIAL_DECODER.decode(line)
    return msgspec.convert(migrate_trial(_raw(line), path), Trial)


def _has_sound_histograms(trial: Trial) -> bool:
    """Whether each histogram of a trial can be unpacked; some 20 us each."""
    return all(map(_is_sound, _histograms(trial)))


def _given_up(trial: Trial) -> Trial:
    """A trial whose figures can't be read: failed, without them."""
    return Trial(
        cell=trial.cell,
        round=trial.round,
        block=trial.block,
        started_at=trial.started_at,
        outcome="failed",
        reason="its stored histogram can't be read",
        log=trial.log,
    )


def _histograms(trial: Trial) -> Iterator[str]:
    parts: tuple[Trial | RequestFigures | Slice, ...] = (trial, *trial.by_request, *trial.slices)
    return (blob for part in parts for blob in part.times_hdr.values())


def _is_sound(blob: str) -> bool:
    try:
        packed = base64.b64decode(blob, validate=True)[_HEAD_BYTES:]
        unpacking = zlib.decompressobj()
        unpacking.decompress(packed, _MOST_UNPACKED_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        return False
    return unpacking.eof


def _raw(content: bytes) -> dict[str, Any]:
    """An object of JSON, unchecked."""
    return msgspec.json.decode(content, type=dict[str, Any])


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that didn't exist before: two runs of one second and label get two."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def encode_header(header: RunHeader) -> bytes:
    """`run.json`, indented for people. Values that may be secrets are left out."""
    content = msgspec.json.encode(without_values(header))
    return msgspec.json.format(content, indent=2) + b"\n"


def _write_phases(folder: Path, phases_s: Mapping[str, float]) -> None:
    content = msgspec.json.encode({phase: round(s, 3) for phase, s in phases_s.items()})
    write_whole(folder / PHASES_FILE, content + b"\n", survives_crash=True)
