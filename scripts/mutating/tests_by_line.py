"""Which tests execute which line of the modules that are to be changed, and how long each takes."""

import importlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

# Nothing that a test of logic needs, and nothing of one mutant for the next.
PLAIN = (
    *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow and not browser"),
    # What is imported once for all mutants was imported before pytest.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
PASSED = 0


# Named so, for there is a script of that name beside this folder.
_LIBRARY: Any = importlib.import_module("coverage")


class KnownTests(msgspec.Struct, frozen=True):
    """What one run of all chosen tests has shown."""

    state: str
    """A digest of the sources and tests that it was made from."""
    lines: Mapping[str, Mapping[int, tuple[str, ...]]]
    """By module and line: the tests that execute it."""
    seconds: Mapping[str, float]
    """By test."""

    def of(self, module: str, first: int, last: int) -> list[str]:
        """Return the tests of some lines, the quickest first.

        Lines that are executed as the module is imported have those of the whole module.
        """
        by_line = self.lines.get(module, {})
        found = {test for line in range(first, last + 1) for test in by_line.get(line, ())}
        if not found:
            imported = any(line in by_line for line in range(first, last + 1))
            found = {test for tests in by_line.values() for test in tests} if imported else set()
        return sorted(found, key=lambda test: (self.seconds.get(test, 0.0), test))


class _Watch:
    """A plugin of pytest that tells coverage which test runs."""

    def __init__(self, told: Any) -> None:
        self._told = told
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._told.switch_context(test_of(item.nodeid))
        yield
        self._told.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[test_of(report.nodeid)] += report.duration


def test_of(nodeid: str) -> str:
    """Return a test without its parameters: what is run is all of them."""
    return nodeid.partition("[")[0]


def find_tests(state: str, src: Path, modules: Sequence[str], paths: Sequence[str]) -> KnownTests:
    """Run tests in a process of their own, watched; exits where one fails."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as told:
            told.write(msgspec.json.encode(_watched(state, src, modules, paths)))
        os._exit(PASSED)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        answer = told.read()
    _, status = os.waitpid(pid, 0)
    if status != PASSED:
        sys.exit("mutation: the tests fail without any change")
    return msgspec.json.decode(answer, type=KnownTests)


def _watched(state: str, src: Path, modules: Sequence[str], paths: Sequence[str]) -> KnownTests:
    files = {str(src / module): module for module in modules}
    told = _LIBRARY.Coverage(data_file=None, config_file=False, include=list(files))
    watch = _Watch(told)
    told.start()
    code = pytest.main([*PLAIN, *paths], plugins=[watch])
    told.stop()
    if code != PASSED:
        os._exit(1)
    data = told.get_data()
    lines = {
        module: {
            line: tuple(sorted(filter(None, tests)))
            for line, tests in data.contexts_by_lineno(file).items()
        }
        for file, module in files.items()
    }
    return KnownTests(state, lines, dict(watch.seconds))
