"""The newest releases of what servers require, as pip finds them."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asgi_bench.definitions.chosen import PIN, chosen_servers
from asgi_bench.definitions.folders import runner_folders
from asgi_bench.definitions.installed import Installation, in_version, name_in, widest
from asgi_bench.definitions.plan import requirements_of
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.server_environments import record_of
from asgi_bench.definitions.servers import Server, load_servers
from asgi_bench.errors import UsageError
from asgi_bench.setups.environments import PIP_INSTALL, run_step

FLAG = "--upgrade"


class Upgrade(NamedTuple):
    """What `--upgrade` compares, for the chosen servers."""

    servers: tuple[str, ...]
    """The same servers, without a version that `-s` pins."""
    baseline: tuple[str, ...]
    """That version as a requirement line, for the baseline; empty where none is pinned."""
    candidate: tuple[str, ...]
    """Requirement lines: the newest releases. Empty where the baseline has them already."""


def upgrade_of(selection: Selection) -> Upgrade:
    """What baseline and candidate have: the version pinned or installed, and the newest.

    Raises:
        BenchError: pip can't say what is newest.
        UsageError: a server is pinned to several versions, or as `chosen_servers`.
    """
    files = load_servers(runner_folders(selection.runner_folders))
    chosen = chosen_servers(selection.servers, files)
    pinned = _pinned_versions(chosen)
    names = tuple(dict.fromkeys(glob.partition(PIN)[0].strip() for glob in selection.servers))
    requirements = requirements_of(msgspec.structs.replace(selection, servers=names))
    known = {**Installation(selection.python).versions}
    for server in chosen:
        known |= _own_versions(server, selection.python)
    return Upgrade(
        names,
        tuple(
            in_version(line, pinned[name_in(line)])
            for line in widest(requirements)
            if name_in(line) in pinned
        ),
        upgrades(requirements, selection.python, {**known, **pinned}),
    )


def _pinned_versions(servers: Iterable[Server]) -> dict[str, str]:
    """The versions that are pinned, by distribution."""
    found: dict[str, str] = {}
    for server in servers:
        if server.pinned_version is None or server.distribution is None:
            continue
        name = canonicalize_name(server.distribution)
        if found.setdefault(name, server.pinned_version) != server.pinned_version:
            raise UsageError(
                f"{FLAG}: the baseline has one version of {server.distribution}: use one of "
                f"{found[name]} and {server.pinned_version}"
            )
    return found


def _own_versions(server: Server, python: str) -> dict[str, str]:
    """What a server has in an environment of its own: as built, else as its runner file pins it."""
    if server.environment != "own":
        return {}
    record = record_of(server, python)
    if record is not None and record.environment is not None:
        return record.environment.packages
    pins = map(Requirement, server.pins)
    return {canonicalize_name(pin.name): one.version for pin in pins for one in pin.specifier}


def upgrades(
    requirements: Sequence[str], python: str, known: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the requirements that have a newer release, each with it: `uvicorn==0.55.0`.

    Extras stay; a line without any gives way to one with some. `known` are the versions to compare
    with; if it is None, the installed ones.

    Raises:
        BenchError: pip can't say; its account is the end of its output.
        UsageError: the interpreter doesn't run.
    """
    names = tuple(dict.fromkeys(map(name_in, requirements)))
    newest = _newest(python, names)
    installed = Installation(python).versions if known is None else known
    newer = {name: at for name, at in newest.items() if at != installed.get(name)}
    return tuple(
        in_version(line, newer[name_in(line)])
        for line in widest(requirements)
        if name_in(line) in newer
    )


def _newest(python: str, names: Sequence[str]) -> dict[str, str]:
    """The newest release of each distribution that this interpreter can have."""
    with tempfile.TemporaryDirectory(prefix="asgi-bench-") as folder:
        report = Path(folder) / "report.json"
        flags = ("--dry-run", "--no-deps", "--ignore-installed", "--report", str(report))
        run_step(
            [python, *PIP_INSTALL, *flags, *names], f"{FLAG}: pip can't find the newest releases"
        )
        told = json.loads(report.read_text(encoding="utf-8"))
    metadata = [one["metadata"] for one in told["install"]]
    return {canonicalize_name(one["name"]): one["version"] for one in metadata}
