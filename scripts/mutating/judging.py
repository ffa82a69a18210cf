"""Mutants, each in a forked process with the tests of its lines: do they notice?

What is in the body of a function is changed in place, once all tests are collected: a fork then
takes no longer than its tests. What stands elsewhere is executed as its module is imported, so a
fork imports everything anew.
"""

import ast
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple, TypeAlias

import pytest

from mutating.mutants import Mutant, Outcome, mutants_of
from mutating.tests_by_line import PASSED, PLAIN, test_of

PACKAGE = "asgi_bench"
# All tests of a module take a few seconds of CPU; a mutant that takes this long never ends.
LIMIT_CPU_S = 60
# So many looks at a process that neither ends nor computes. Looks and no clock: whoever stops this
# process for a while stops its mutants too.
LIMIT_LOOKS = 12_000
LOOK_S = 0.01
LIMIT_BYTES = 4 << 30

Asked: TypeAlias = tuple[Mutant, Sequence[str]]
Told: TypeAlias = Callable[[Mutant, Outcome, int], None]


class Place(NamedTuple):
    """Where mutants are tried, and how many at a time."""

    src: Path
    """The folder of the package."""
    paths: Sequence[str]
    """All tests, for what is collected once."""
    jobs: int


def judge(asked: Sequence[Asked], place: Place, in_time: Callable[[], bool], told: Told) -> None:
    """Have each mutant tried by its tests, and tell of each what came of it.

    Nothing of the package may have been imported. Functions are tried in a process of their own,
    whatever is told is told there: it has to be written down.
    """
    for mutant, tests in asked:
        if not tests:
            told(mutant, "uncovered", 0)
    trying = _Trying(place, in_time, told)
    within = [one for one in asked if one[1] and one[0].function]
    pid = os.fork()
    if pid == 0:
        pytest.main([*PLAIN, *place.paths], plugins=[_Within(within, trying)])
        os._exit(PASSED)
    os.waitpid(pid, 0)
    anew = [one for one in asked if one[1] and not one[0].function]
    trying.all(anew, lambda mutant, tests: _import_changed(place.src, mutant, tests))


class _Within:
    """A plugin of pytest that, in place of running the tests, tries mutants by them."""

    def __init__(self, asked: Sequence[Asked], trying: "_Trying") -> None:
        self._asked, self._trying = asked, trying

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        for item in session.items:
            items[test_of(item.nodeid)].append(item)

        def attempt(mutant: Mutant, tests: Sequence[str]) -> int:
            change(self._trying.place.src, mutant)
            return _run(session, [item for test in tests for item in items[test]])

        self._trying.all(self._asked, attempt)
        return True


def _run(session: pytest.Session, items: Sequence[pytest.Item]) -> int:
    """Run some of the collected tests, up to the first that fails."""
    for item, after in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return 1
    return PASSED


def change(src: Path, mutant: Mutant) -> None:
    """Change the function that a mutant is in, wherever it is referred to."""
    module = importlib.import_module(_module_name(mutant))
    function = _function_at(module, mutant.function)
    wanted = (function.__code__.co_qualname, function.__code__.co_firstlineno)
    (code,) = (
        one
        for one in _codes_in(_compiled(src / mutant.module, mutant))
        if (one.co_qualname, one.co_firstlineno) == wanted
    )
    function.__code__ = code


def _function_at(module: ModuleType, place: str) -> FunctionType:
    """The function of a name, or of a name within a class, without what is wrapped around it."""
    found: Any = module
    for name in place.split("."):
        found = vars(found)[name]
    while not isinstance(found, FunctionType) or hasattr(found, "__wrapped__"):
        if hasattr(found, "cache_clear"):
            # Something may have been computed as the tests were collected.
            found.cache_clear()
        match found:
            case staticmethod() | classmethod():
                found = found.__func__
            case property():
                found = found.fget
            case cached_property():
                found = found.func
            case _:
                found = found.__wrapped__
    return found


def _codes_in(code: CodeType) -> Iterable[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)


def _compiled(file: Path, mutant: Mutant) -> CodeType:
    """A module with one change."""
    tree = ast.parse(file.read_bytes(), str(file))
    next(one for one in mutants_of(mutant.module, tree) if one == mutant).apply()
    code: CodeType = compile(tree, str(file), "exec", dont_inherit=True)
    return code


def _module_name(mutant: Mutant) -> str:
    return ".".join([PACKAGE, *Path(mutant.module).with_suffix("").parts])


@dataclass
class _Trial:
    mutant: Mutant
    tests: Sequence[str]
    looks: int = 0


class _Trying:
    """Tries mutants in processes of their own, some at a time, as long as there is time."""

    def __init__(self, place: Place, in_time: Callable[[], bool], told: Told) -> None:
        self.place = place
        self._in_time = in_time
        self._told = told
        self._running: dict[int, _Trial] = {}

    def all(self, asked: Iterable[Asked], attempt: Callable[[Mutant, Sequence[str]], int]) -> None:
        """Try each; what runs when this is left is ended."""
        try:
            for mutant, tests in asked:
                while len(self._running) >= self.place.jobs:
                    self._look()
                if not self._in_time():
                    break
                self._running[_start(attempt, mutant, tests)] = _Trial(mutant, tests)
            while self._running:
                self._look()
        finally:
            for pid in self._running:
                _kill(pid)
                os.waitpid(pid, 0)

    def _look(self) -> None:
        for pid, trial in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._running[pid]
                _kill(pid)
                self._told(trial.mutant, _outcome(status), len(trial.tests))
                continue
            trial.looks += 1
            if trial.looks == LIMIT_LOOKS:
                _kill(pid)
        time.sleep(LOOK_S)


def _outcome(status: int) -> Outcome:
    if os.WIFSIGNALED(status):
        return "timeout"
    return "survived" if os.WEXITSTATUS(status) == PASSED else "killed"


def _kill(pid: int) -> None:
    """End a mutant with what its tests have started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _start(
    attempt: Callable[[Mutant, Sequence[str]], int], mutant: Mutant, tests: Sequence[str]
) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        # A group, so that it is ended as a whole, and no session: a terminal stops all of it.
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_CPU_S, LIMIT_CPU_S))
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _silence()
        with tempfile.TemporaryDirectory(prefix="asgi-bench-mutant-") as folder:
            # Where pytest makes the folders of tests.
            os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
            code = attempt(mutant, tests)
    finally:
        os._exit(code)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)


def _import_changed(src: Path, mutant: Mutant, tests: Sequence[str]) -> int:
    sys.meta_path.insert(0, _Finder(src, mutant))
    return int(pytest.main([*PLAIN, *tests]))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the one module that is changed."""

    def __init__(self, src: Path, mutant: Mutant) -> None:
        self._file = src / mutant.module
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the changed module, and nothing for any other."""
        if fullname != _module_name(self._mutant):
            return None
        loader = _Loader(fullname, str(self._file))
        loader.mutant = self._mutant
        return importlib.util.spec_from_file_location(fullname, self._file, loader=loader)


class _Loader(SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code with the one change, never what is cached."""
        return _compiled(Path(self.path), self.mutant)
