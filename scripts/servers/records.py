"""What is kept of each server's conformance: a file a server, variant and Python."""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from asgi_bench.conformance.catalogue import ENTRIES
from asgi_bench.model.matrix import Matrix, MatrixResult, Result
from asgi_bench.setups.cache import cache_folder
from asgi_bench.store.files import write_whole

ROOT = Path(__file__).resolve().parents[2]


class Remark(msgspec.Struct, frozen=True):
    """A result that is no `yes`."""

    check: str
    result: Result
    seen: str = ""
    """The evidence."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one server was found to do."""

    server: str
    version: str | None
    variant: str
    python: str
    """The interpreter: `CPython 3.11.7`."""
    checked_at: str = ""
    tool_version: str = ""
    yes: tuple[str, ...] = ()
    """The checks that it passes."""
    remarks: tuple[Remark, ...] = ()
    """What came of the others."""
    fault: str = ""
    """Why it can't be checked, where it can't: then there is nothing else."""

    @property
    def setting(self) -> str:
        """The server, and the variant where it is another than `default`."""
        return self.server if self.variant == "default" else f"{self.server}/{self.variant}"

    @property
    def label(self) -> str:
        """The interpreter in short: `3.11`."""
        return label_of(self.python)

    def is_current(self, version: str | None) -> bool:
        """Whether it is of this version, and of all checks that there are now."""
        if self.fault:
            return self.version == version
        known = {*self.yes, *(one.check for one in self.remarks)}
        return self.version == version and known >= {entry.id for entry in ENTRIES}


def label_of(python: str) -> str:
    """The interpreter in short.

    >>> label_of("CPython 3.11.7")
    '3.11'
    """
    return ".".join(python.split()[1].split(".")[:2])


def record_of(matrix: Matrix) -> Record:
    """What is kept of a matrix of one server."""
    results: Sequence[MatrixResult] = matrix.results
    first = results[0]
    return Record(
        server=first.server,
        version=first.server_version,
        variant=first.variant,
        python=first.python,
        checked_at=matrix.checked_at,
        tool_version=matrix.tool_version,
        yes=tuple(one.check for one in results if one.result == "yes"),
        remarks=tuple(
            Remark(one.check, one.result, without_places(one.evidence or ""))
            for one in results
            if one.result != "yes"
        ),
    )


def without_places(text: str) -> str:
    """Evidence as it is on any machine: no folder of this one."""
    for place, name in (
        (str(cache_folder()), "~/.cache/asgi-bench"),
        (sys.prefix, ".venv"),
        (str(ROOT), "."),
        (sys.base_prefix, "python"),
        (str(Path.home()), "~"),
    ):
        text = text.replace(place, name)
    # Of a temporary folder's name a part is drawn.
    return re.sub(r"(/asgi-bench)-\w+(?=/)", r"\1", text)


def file_of(server: str, variant: str, python: str, folder: Path) -> Path:
    """Where the record of a server lies."""
    return folder / f"{server}-{variant}-py{label_of(python)}.json"


def read_record(file: Path) -> Record | None:
    """What is known; None where nothing is."""
    return msgspec.json.decode(file.read_bytes(), type=Record) if file.exists() else None


def read_all(folder: Path) -> list[Record]:
    """All that is known, by server, variant and Python."""
    files = sorted(folder.glob("*.json"))
    return [record for file in files if (record := read_record(file)) is not None]


def write_record(record: Record, folder: Path) -> None:
    """Keep a record."""
    folder.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(record), indent=1)
    write_whole(file_of(record.server, record.variant, record.python, folder), content + b"\n")


def lacking(record: Record, checks: Iterable[str]) -> set[str]:
    """The checks that were not put to a server."""
    return set(checks) - {*record.yes, *(one.check for one in record.remarks)}
