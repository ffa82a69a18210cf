"""Environments for single servers: built like an A/B's setups, tried, and recorded."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asgi_bench.definitions.chosen import chosen_servers
from asgi_bench.definitions.folders import runner_folders
from asgi_bench.definitions.installed import Installation, name_in, widest
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.server_environments import Record, record_of, record_path
from asgi_bench.definitions.servers import Server, load_servers
from asgi_bench.errors import BenchError
from asgi_bench.model import ServerEnvironment
from asgi_bench.setups.cache import cache_folder, note
from asgi_bench.setups.environments import (
    COMPLETE_FILE,
    BuildFault,
    build_variables,
    modules_in,
    overlay,
)
from asgi_bench.setups.spec import Line, pinned_line

Announce = Callable[[str], None]
IMPORT_TIMEOUT_S = 60.0
_IMPORT = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
# A wheel's own files are named well enough without the folder they lie in.
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^/\s:]+/)+")


def install(server: Server, python: str, announce: Announce) -> Record:
    """Give a server an environment in front of an interpreter's; the result is recorded.

    One that was built before is used as it is, if its packages are pinned. It is tried by importing
    what was installed.

    Raises:
        UsageError: `python` is no interpreter that runs.
        BenchError: the cache can't be written.
    """
    record = _built(server, python, announce)
    note(record_path(server, python, cache_folder()), record)
    return record


def _built(server: Server, python: str, announce: Announce) -> Record:
    versions = _versions(server.pins)
    # As a constraint alone a pin would do the same, but pip then hides why it can't be had.
    lines = tuple(pinned_line(text, versions) for text in widest(server.all_requirements))
    try:
        built = overlay(python, lines, server.name, announce, constraints=versions)
    except BuildFault as fault:
        return Record(fault=f"can't be installed: {_without_name(str(fault), server.name)}")
    own = ServerEnvironment(built.python, built.installed)
    stamp = Path(built.python).parents[1] / COMPLETE_FILE
    return Record(own, str(stamp), _import_fault(built.python, lines))


def _versions(pins: Iterable[str]) -> dict[str, str]:
    """The versions of distributions that requirement lines with `==` state."""
    return {
        canonicalize_name(pin.name): one.version
        for pin in map(Requirement, pins)
        for one in pin.specifier
    }


def _without_name(text: str, name: str) -> str:
    """The last part of `NAME: 'LINE' can't be installed: REASON`."""
    return text.removeprefix(f"{name}: ").rpartition(" can't be installed: ")[2]


def _import_fault(python: str, lines: Iterable[Line]) -> str | None:
    """Why what was asked for can't be imported: a wheel may install and not fit the interpreter."""
    names = {name_in(line.text) for line in lines}
    modules = sorted(set(modules_in(python, names)))
    # Not in a folder of ours: it would be on the module path.
    with tempfile.TemporaryDirectory(prefix="asgi-bench-") as folder:
        try:
            done = subprocess.run(
                [python, "-c", _IMPORT, *modules],
                cwd=folder,
                env=build_variables(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=IMPORT_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return f"can't be imported: it takes more than {IMPORT_TIMEOUT_S:g} s"
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if line.strip()]
    how = said[-1] if said and done.returncode > 0 else f"Python ended with code {done.returncode}"
    return f"can't be imported: {_FOLDERS.sub('', how)}"


def prepare(selection: Selection, pythons: Iterable[str], announce: Announce) -> None:
    """Build what a selection names and no `install` has built: the versions that it pins.

    `pythons` are the interpreters that its servers run in front of. What was installed for one of
    them, or for asgi-bench's own, is built for all.

    Raises:
        BenchError: a version can't be installed or imported.
        UsageError: as `chosen_servers`, or an interpreter doesn't run.
    """
    if not selection.servers:
        return
    servers = load_servers(runner_folders(selection.runner_folders))
    wanted = dict.fromkeys(pythons)
    for server in chosen_servers(selection.servers, servers):
        was_installed = any(record_of(server, one) for one in (sys.executable, *wanted))
        if server.pinned_version is None and not was_installed:
            continue
        for python in wanted:
            if Installation(python).missing(server.requires) and record_of(server, python) is None:
                record = install(server, python, announce)
                if record.fault is not None and server.pinned_version is not None:
                    raise BenchError(f"{server.name}: {record.fault}")
