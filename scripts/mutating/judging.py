"""Mutants, each in a forked process with the tests of its lines: do they notice?"""

import ast
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from mutating.mutants import Mutant, Outcome, mutants_of
from mutating.tests_by_line import PASSED, PLAIN

PACKAGE = "asgi_bench"
# All tests of a module take a few seconds of CPU; a mutant that takes this long never ends.
LIMIT_CPU_S = 60
# So many looks at a process that neither ends nor computes. Looks and no clock: whoever stops this
# process for a while stops its mutants too.
LIMIT_LOOKS = 12_000
LOOK_S = 0.02
LIMIT_BYTES = 4 << 30


@dataclass
class _Trial:
    mutant: Mutant
    tests: Sequence[str]
    folder: tempfile.TemporaryDirectory[str]
    looks: int = 0


def judge(
    asked: Iterable[tuple[Mutant, Sequence[str]]],
    src: Path,
    jobs: int,
    told: Callable[[Mutant, Outcome, int], None],
) -> None:
    """Have each mutant tried by its tests, some at a time, and tell of each what came of it."""
    running: dict[int, _Trial] = {}
    try:
        for mutant, tests in asked:
            if not tests:
                told(mutant, "uncovered", 0)
                continue
            while len(running) >= jobs:
                _look(running, told)
            folder = tempfile.TemporaryDirectory(prefix="asgi-bench-mutant-")
            running[_start(mutant, tests, src, folder.name)] = _Trial(mutant, tests, folder)
        while running:
            _look(running, told)
    finally:
        for pid, trial in running.items():
            _kill(pid)
            os.waitpid(pid, 0)
            trial.folder.cleanup()


def _look(running: dict[int, _Trial], told: Callable[[Mutant, Outcome, int], None]) -> None:
    for pid, trial in list(running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del running[pid]
            _kill(pid)
            trial.folder.cleanup()
            told(trial.mutant, _outcome(status), len(trial.tests))
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


def _start(mutant: Mutant, tests: Sequence[str], src: Path, folder: str) -> int:
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
        sys.meta_path.insert(0, _Finder(src, mutant))
        code = int(pytest.main([*PLAIN, f"--basetemp={folder}/t", *tests]))
    finally:
        os._exit(code)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the one module that is changed."""

    def __init__(self, src: Path, mutant: Mutant) -> None:
        self._file = src / mutant.module
        self._mutant = mutant
        self._name = ".".join([PACKAGE, *Path(mutant.module).with_suffix("").parts])

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the changed module, and nothing for any other."""
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._file))
        loader.mutant = self._mutant
        return importlib.util.spec_from_file_location(fullname, self._file, loader=loader)


class _Loader(SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code with the one change, never what is cached."""
        tree = ast.parse(Path(self.path).read_bytes(), self.path)
        found = next(one for one in mutants_of(self.mutant.module, tree) if one == self.mutant)
        found.apply()
        return compile(tree, self.path, "exec", dont_inherit=True)
