"""Interpreters given by version: the servers are installed for each of them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from asgi_bench.definitions.installed import Installation, widest
from asgi_bench.definitions.interpreters import is_version, program_of
from asgi_bench.definitions.plan import installed_requirements, requirements_of
from asgi_bench.definitions.selection import Selection
from asgi_bench.model import Setup
from asgi_bench.setups.environments import overlay
from asgi_bench.setups.spec import Line, pinned_line

SelectionT = TypeVar("SelectionT", bound=Selection)
Announce = Callable[[str], None]
FLAG = "--python"


def with_environments(selection: SelectionT, announce: Announce) -> SelectionT:
    """The selection with the interpreter of an environment in place of each version.

    The environment has what the chosen servers require, with the versions of these packages and
    their dependencies that asgi-bench's own interpreter has. That interpreter's own version is
    itself. `announce` is called with what takes time, and with what can't be installed there: the
    cells of such a server are skipped.

    Raises:
        BenchError: an environment can't be built.
    """
    if not any(map(is_version, selection.interpreters)):
        return selection
    here = Installation()
    # The same for each choice of servers, as far as may be: it is built once.
    usual = installed_requirements(selection.runner_folders, here)
    lines = _pinned((*usual, *requirements_of(selection, only_shared=True)), here.versions)
    own = _label(here.python_version)

    def path_of(name: str) -> str:
        if name == own:
            return sys.executable
        return _built(name, lines, here.versions, announce) if is_version(name) else name

    return msgspec.structs.replace(
        selection, interpreters=tuple(map(path_of, selection.interpreters))
    )


def interpreter_setups(asked: Selection, built: Selection) -> tuple[Setup, ...]:
    """A setup for each of several interpreters: as requested, and with environments.

    Each is named by its version; if two share one, the second is `3.12-2`.
    """
    found: list[Setup] = []
    for name, path in zip(asked.interpreters, built.interpreters, strict=True):
        installation = Installation(path)
        version = installation.python_version
        label = name if is_version(name) else _label(version)
        same = sum(one.name.partition("-")[0] == label for one in found)
        found.append(
            Setup(
                name=f"{label}-{same + 1}" if same else label,
                python=path,
                description=name,
                packages=installation.versions,
                python_version=version,
            )
        )
    return tuple(found)


def _label(version: str) -> str:
    """`3.12` of `CPython 3.12.1`, `pypy3.11` of `PyPy 3.11.13`, `3.14t` where it is free-threaded.

    >>> _label("CPython 3.14.0 free-threaded")
    '3.14t'
    """
    implementation, number, *threads = version.split(" ")
    label = ".".join(number.split(".")[:2]) + ("t" if threads else "")
    return label if implementation == "CPython" else implementation.lower() + label


def _pinned(requirements: Sequence[str], versions: Mapping[str, str]) -> tuple[Line, ...]:
    """Each requirement in the version that is installed here, if it is."""
    pinned = (pinned_line(text, versions) for text in widest(requirements))
    return tuple(dict.fromkeys(pinned))


def _built(
    version: str, lines: Sequence[Line], constraints: Mapping[str, str], announce: Announce
) -> str:
    base = program_of(version, FLAG)
    flag = f"{FLAG} {version}"
    built = overlay(base, lines, flag, announce, constraints=constraints, leaves_out=True)
    for text, reason in built.left_out.items():
        announce(f"{text} is left out: {reason}")
    return built.python
