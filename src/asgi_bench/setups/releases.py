"""The newest releases of what servers require, as pip finds them."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asgi_bench.definitions.installed import Installation
from asgi_bench.setups.environments import PIP_INSTALL, run_step

FLAG = "--upgrade"


def upgrades(requirements: Sequence[str], python: str) -> tuple[str, ...]:
    """Return those of the requirements that have a newer release, each as that: `uvicorn==0.55.0`.

    Extras stay; of several lines about one distribution it is the one with most of them.

    Raises:
        BenchError: pip can't tell; its account is the end of what it said.
        UsageError: the interpreter doesn't run.
    """
    lines: dict[str, Requirement] = {}
    for line in map(Requirement, requirements):
        known = lines.setdefault(canonicalize_name(line.name), line)
        if len(line.extras) > len(known.extras):
            lines[canonicalize_name(line.name)] = line
    newest, installed = _newest(python, tuple(lines)), Installation(python).versions
    found = []
    for name, line in lines.items():
        version = newest.get(name)
        if version is not None and version != installed.get(name):
            extras = f"[{','.join(sorted(line.extras))}]" if line.extras else ""
            found.append(f"{line.name}{extras}=={version}")
    return tuple(found)


def _newest(python: str, names: Sequence[str]) -> dict[str, str]:
    """The newest release of each distribution that this interpreter can have."""
    with tempfile.TemporaryDirectory(prefix="asgi-bench-") as folder:
        report = Path(folder) / "report.json"
        flags = ("--dry-run", "--no-deps", "--ignore-installed", "--report", str(report))
        run_step([python, *PIP_INSTALL, *flags, *names], f"{FLAG}: pip can't tell what is newest")
        told = json.loads(report.read_text(encoding="utf-8"))
    metadata = [one["metadata"] for one in told["install"]]
    return {canonicalize_name(one["name"]): one["version"] for one in metadata}
