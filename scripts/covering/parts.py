"""The tests in parts: a folder each, and its slow tests by themselves."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
# They compute: as `tests/conftest.py` says.
PURE = frozenset({"analysis", "gate", "reporting", "store"})
# What a browser shows is no line of Python.
FAST, SLOW = "not slow and not browser", "slow and not browser"
# These run scripts of the project, which run asgi-bench for minutes.
LEFT_OUT = frozenset({"faultmatrix", "fuzzing"})


class Part(NamedTuple):
    """Some files of tests, run by one call of pytest."""

    name: str
    files: tuple[str, ...]
    flags: tuple[str, ...]
    is_pure: bool

    @property
    def digest(self) -> str:
        """What it is run from, as letters."""
        return digest_of(Path(ROOT, file) for file in self.files)


def all_parts() -> list[Part]:
    """Return all parts: those that compute, then those that start processes, the slow ones last."""
    parts = [*_parts(FAST, "fast"), *_parts(SLOW, "slow")]
    return sorted(parts, key=lambda part: (not part.is_pure, part.name.startswith("slow")))


def _parts(marker: str, word: str) -> Iterator[Part]:
    folders: dict[str, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        if word == "fast" or "mark.slow" in file.read_text(encoding="utf-8"):
            # Those in `tests` itself are a folder of their own.
            folder = file.parent.relative_to(TESTS.parent).parts[:2][-1]
            folders.setdefault(folder, []).append(str(file.relative_to(ROOT)))
    for folder, files in folders.items():
        if folder not in LEFT_OUT:
            yield Part(f"{word}/{folder}", tuple(files), ("-m", marker), folder in PURE)


def digest_of(files: Iterable[Path]) -> str:
    """Return a digest of what stands in some files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
