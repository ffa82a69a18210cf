"""A stored run's folder, open for further trials: incomplete rounds are set aside, and kept."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model import Proof, Resumption, Run, Trial
from asgi_bench.regular_files import read_regular
from asgi_bench.store.files import open_to_append, write_whole
from asgi_bench.store.folders import (
    CUT_FILE,
    HEADER_FILE,
    MOST_BYTES_OF_RUN,
    TRIALS_FILE,
    UNFINISHED_FILE,
)
from asgi_bench.store.runs import UNREADABLE, RunWriter, encode_header


class _Place(msgspec.Struct):
    """As much of a trial as it takes to know its round."""

    round: int


class ContinuedRun(RunWriter):
    """A stored run, to which a further part adds trials after `take_up`.

    Until then it is unchanged; logs of the part have names of their own.
    """

    def __init__(self, run: Run) -> None:
        self.folder = Path(run.folder)
        super().__init__(self.folder.parent, run.header)
        self.folder = Path(run.folder)
        self._log_suffix = f"-resumed{len(run.header.resumed) + 1}"

    def __enter__(self) -> Self:
        """Raise BenchError where the folder takes nothing."""
        for path in (self.folder, self.folder / TRIALS_FILE):
            if path.exists() and not os.access(path, os.W_OK):
                raise BenchError(f"{path}: can't be written, so the run can't be continued there")
        return self

    def take_up(self, resumption: Resumption, proofs: Sequence[Proof]) -> None:
        """Set aside what belongs to no complete round, and record the part in `run.json`.

        Raises BenchError if the folder can't be written.
        """
        try:
            self._set_aside(resumption.first_round)
            resumed = (*self.header.resumed, resumption)
            self.header = msgspec.structs.replace(self.header, resumed=resumed)
            write_whole(self.folder / HEADER_FILE, encode_header(self.header), survives_crash=True)
            self.write_proofs(proofs)
            self._trials = open_to_append(self.folder / TRIALS_FILE)
        except OSError as error:
            raise BenchError(
                f"{self.folder}: the run can't be continued: {error.strerror}"
            ) from None

    def _set_aside(self, first_round: int) -> None:
        """Move the trials of later rounds to `unfinished.jsonl`, a line cut off to `cut.jsonl`.

        They are there before they are gone here, and once, should a kill come between.
        """
        trials = self.folder / TRIALS_FILE
        content = _content(trials)
        lines, cut = _lines(content)
        kept = [line for line in lines if _round(line) < first_round]
        moved = [line for line in lines if _round(line) >= first_round]
        _add(self.folder / UNFINISHED_FILE, moved)
        _add(self.folder / CUT_FILE, [cut + b"\n"] if cut else [])
        if b"".join(kept) != content:
            write_whole(trials, b"".join(kept), survives_crash=True)


def _add(file: Path, lines: Sequence[bytes]) -> None:
    """Add lines to a file, but for those that it has."""
    if lines:
        before = _content(file)
        known = set(_split(before))
        added = b"".join(line for line in lines if line not in known)
        write_whole(file, before + added, survives_crash=True)


def _content(file: Path) -> bytes:
    try:
        return read_regular(file, MOST_BYTES_OF_RUN)
    except FileNotFoundError:
        return b""


def _split(content: bytes) -> list[bytes]:
    """Lines as the reader has them: what JSON holds may have other ends of lines in it."""
    return [line + b"\n" for line in content.split(b"\n")[:-1]]


def _lines(content: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what was cut off of a last one; only its end may be lost."""
    lines, last = _split(content), content[content.rfind(b"\n") + 1 :]
    if last:
        try:
            msgspec.json.decode(last, type=Trial)
        except UNREADABLE:
            return lines, last
        lines.append(last + b"\n")
    return lines, b""


def _round(line: bytes) -> int:
    return msgspec.json.decode(line, type=_Place).round
