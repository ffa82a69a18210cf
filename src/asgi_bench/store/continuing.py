"""A stored run's folder, open for further trials: what is half done is set aside, and kept."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model import Proof, Resumption, Run, Trial
from asgi_bench.store.files import write_whole
from asgi_bench.store.folders import HEADER_FILE, TRIALS_FILE, UNFINISHED_FILE
from asgi_bench.store.runs import UNREADABLE, RunWriter, encode_header


class _Place(msgspec.Struct):
    """As much of a trial as it takes to know its round."""

    round: int


class ContinuedRun(RunWriter):
    """A stored run, to which a further part adds trials once it was taken up.

    Until then nothing of it is changed; logs of the part have names of their own.
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
                raise BenchError(f"{path}: can't be written, so the run can't go on there")
        return self

    def take_up(self, resumption: Resumption, proofs: Sequence[Proof]) -> None:
        """Set aside what belongs to no complete round, and note the part in `run.json`.

        Raises BenchError where the folder takes nothing.
        """
        try:
            self._set_aside(resumption.first_round)
            resumed = (*self.header.resumed, resumption)
            self.header = msgspec.structs.replace(self.header, resumed=resumed)
            write_whole(self.folder / HEADER_FILE, encode_header(self.header), survives_crash=True)
            self.write_proofs(proofs)
            self._trials = (self.folder / TRIALS_FILE).open("ab", buffering=0)
        except OSError as error:
            raise BenchError(f"{self.folder}: the run can't go on: {error.strerror}") from None

    def _set_aside(self, first_round: int) -> None:
        """Move the trials of later rounds to `unfinished.jsonl`; a line cut off is dropped.

        They are there before they are gone here, and once, should a kill come between.
        """
        trials, unfinished = self.folder / TRIALS_FILE, self.folder / UNFINISHED_FILE
        content = trials.read_bytes() if trials.exists() else b""
        lines = list(_lines(content))
        kept = [line for line in lines if _round(line) < first_round]
        moved = [line for line in lines if _round(line) >= first_round]
        if moved:
            before = unfinished.read_bytes() if unfinished.exists() else b""
            known = set(before.splitlines(keepends=True))
            added = b"".join(line for line in moved if line not in known)
            write_whole(unfinished, before + added, survives_crash=True)
        if b"".join(kept) != content:
            write_whole(trials, b"".join(kept), survives_crash=True)


def _lines(content: bytes) -> Iterator[bytes]:
    """The whole lines; of the last one only its end may be lost."""
    for line in content.splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield line
        else:
            with contextlib.suppress(*UNREADABLE):
                msgspec.json.decode(line, type=Trial)
                yield line + b"\n"


def _round(line: bytes) -> int:
    return msgspec.json.decode(line, type=_Place).round
