"""The lives that a run counted, one per line, so that a kill loses none."""

import os
from pathlib import Path

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model.counts import Life
from asgi_bench.regular_files import read_regular
from asgi_bench.store.files import open_to_append, write_fully
from asgi_bench.store.folders import MOST_BYTES_OF_RUN
from asgi_bench.store.runs import UNREADABLE

LIVES_FILE = "lives.jsonl"
_DECODER = msgspec.json.Decoder(Life)


def has_counts(folder: Path) -> bool:
    """Whether a run counted instead of timing."""
    return (folder / LIVES_FILE).is_file()


def append_life(folder: Path, life: Life) -> None:
    """Store a life: when this returns, it is on the disk. Raises BenchError."""
    path = folder / LIVES_FILE
    try:
        with open_to_append(path) as file:
            write_fully(file, msgspec.json.encode(life) + b"\n")
            os.fsync(file.fileno())
    except OSError as error:
        raise BenchError(f"{path}: can't be stored: {error.strerror}") from None


def read_lives(folder: Path) -> tuple[Life, ...]:
    """Read the lives of a run; a last line that was cut off is left out.

    Raises BenchError if they can't be read, naming file and line.
    """
    path = folder / LIVES_FILE
    try:
        lines = read_regular(path, MOST_BYTES_OF_RUN).splitlines(keepends=True)
    except OSError as error:
        raise BenchError(f"{path}: can't be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_DECODER.decode(line))
        except UNREADABLE as error:
            if not line.endswith(b"\n"):
                break
            raise BenchError(
                f"{path} line {number}: {error}; remove this line to read the others"
            ) from None
    return tuple(found)
