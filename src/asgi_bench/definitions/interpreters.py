"""Interpreters as users name them: a path, a program, or a version such as 3.12 or 3.13t."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from asgi_bench.errors import UsageError

_VERSION = re.compile(r"3\.\d+t?", re.ASCII)
# Where the usual tools keep interpreters that stand on no PATH; `*` is a release.
_MANAGED = (
    ("PYENV_ROOT", "~/.pyenv", "versions/*/bin"),
    ("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python", "*/bin"),
)
_TRIAL_TIMEOUT_S = 10.0
# Its `t` is for a build without the interpreter lock.
_ASK_VERSION = """
import sys, sysconfig
letter = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print("%d.%d%s" % (*sys.version_info[:2], letter))
"""


def is_version(name: str) -> bool:
    """Whether an interpreter is named by its version: its servers then get an environment."""
    return _VERSION.fullmatch(name) is not None


def read_interpreters(given: str, where: str) -> tuple[str, ...]:
    """Return the interpreters that a flag names, each once: versions as they are, else paths.

    Raises:
        UsageError: a path that is no program, or a version that isn't found here.
    """
    return tuple(dict.fromkeys(_interpreter(name.strip(), where) for name in given.split(",")))


def located(given: str, folder: Path) -> str:
    """The list with its paths resolved against a folder."""
    names = (name.strip() for name in given.split(","))
    return ",".join(str(folder / name) if os.sep in name else name for name in names)


def program_of(version: str, where: str) -> str:
    """Return the interpreter of a version: on the PATH, or where pyenv and uv keep theirs.

    Raises:
        UsageError: there is none that runs; the text says which there are.
    """
    for program in _candidates(version):
        if _runs_as(program, version):
            return program
    others = sorted({other.name.removeprefix("python") for other in _managed("python3.*")})
    known = ", ".join(name for name in others if is_version(name))
    there = f"; available: {known}" if known else ""
    raise UsageError(f"{where}: Python {version} was not found{there}")


def _interpreter(name: str, where: str) -> str:
    """A version, a path as given, or a program found on the PATH.

    Links aren't followed: a virtual environment is known by its own path.
    """
    if is_version(name):
        program_of(name, where)
        return name
    # Path.resolve would follow links.
    path = os.path.abspath(name) if os.sep in name else shutil.which(name)  # noqa: PTH100
    if path is None or shutil.which(path) is None:
        raise UsageError(f"{where}: {name!r} is not a program that can be run")
    return path


def _candidates(version: str) -> Iterator[str]:
    found = shutil.which(f"python{version}")
    if found is not None:
        yield found
    # The newest release first.
    yield from map(str, sorted(_managed(f"python{version}"), key=_release, reverse=True))


def _managed(name: str) -> Iterator[Path]:
    for variable, usual, places in _MANAGED:
        root = Path(os.environ.get(variable) or usual).expanduser()
        yield from root.glob(f"{places}/{name}")


def _release(path: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", path.parents[1].name)))


def _runs_as(program: str, version: str) -> bool:
    """Whether it runs, and is that version: pyenv has a shim for each, whatever is chosen."""
    try:
        done = subprocess.run(
            [program, "-c", _ASK_VERSION], capture_output=True, timeout=_TRIAL_TIMEOUT_S, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version
