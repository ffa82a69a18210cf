"""The newest releases of what servers require, as pip finds them."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from asgi_bench.definitions.installed import Installation, in_version, name_in, widest
from asgi_bench.setups.environments import PIP_INSTALL, run_step

FLAG = "--upgrade"


def upgrades(requirements: Sequence[str], python: str) -> tuple[str, ...]:
    """Return those of the requirements that have a newer release, each as that: `uvicorn==0.55.0`.

    Extras stay; a line without any gives way to one with some.

    Raises:
        BenchError: pip can't tell; its account is the end of what it said.
        UsageError: the interpreter doesn't run.
    """
    names = tuple(dict.fromkeys(map(name_in, requirements)))
    newest, installed = _newest(python, names), Installation(python).versions
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
        run_step([python, *PIP_INSTALL, *flags, *names], f"{FLAG}: pip can't tell what is newest")
        told = json.loads(report.read_text(encoding="utf-8"))
    metadata = [one["metadata"] for one in told["install"]]
    return {canonicalize_name(one["name"]): one["version"] for one in metadata}
