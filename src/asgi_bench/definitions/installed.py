"""What the servers' interpreter has installed: missing requirements, programs, versions."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from asgi_bench.definitions.servers import Server, fill
from asgi_bench.errors import UsageError
from asgi_bench.model import FREE_THREADED

VERSION_TIMEOUT_S = 10.0

_VERSION = re.compile(r"\d+(?:\.\d+)+[A-Za-z0-9.+!_-]*", re.ASCII)
# Where nothing of that kind is printed: a number alone, as in `build 7`.
_NUMBER = re.compile(r"(?<![\w.])v?(\d+)(?![\w.])", re.ASCII)
# Run by the servers' interpreter, which need not have any package of ours. The markers are those
# of PEP 508; the rest of them we have in common, since it is the same machine.
_ASK_INTERPRETER = """
import json, platform, sys, sysconfig
print(json.dumps({"path": sys.path, "is_free_threaded": bool(
    sysconfig.get_config_var("Py_GIL_DISABLED")), "markers": {
    "implementation_name": sys.implementation.name,
    "implementation_version": platform.python_version(),
    "platform_python_implementation": platform.python_implementation(),
    "python_full_version": platform.python_version(),
    "python_version": ".".join(platform.python_version_tuple()[:2])}}))
"""


class Installation:
    """The packages that one Python interpreter sees; looked up once, then remembered."""

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self._printed: dict[tuple[str, ...], str | None] = {}

    def missing(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """Return the requirement lines that are not met, extras included, each once."""
        return tuple(line for line in dict.fromkeys(requirements) if not self._meets(line))

    def version(self, server: Server) -> str | None:
        """Return the version that will be measured, or None if it isn't known."""
        if server.distribution is not None:
            found = self._distributions.get(canonicalize_name(server.distribution))
            return found.version if found else None
        if server.version_command is not None:
            argv = fill(server.version_command, {"python": self.python, "here": server.here})
            if argv not in self._printed:
                self._printed[argv] = _printed_version(argv)
            return self._printed[argv]
        return None

    def check_interpreter(self) -> None:
        """Raise UsageError if the interpreter doesn't run, before that looks like another fault."""
        self._interpreter  # noqa: B018  (it is asked there)

    @property
    def versions(self) -> dict[str, str]:
        """The installed distributions with their versions, sorted by normalised name.

        Raises:
            UsageError: the interpreter doesn't run.
        """
        return {name: found.version for name, found in sorted(self._distributions.items())}

    @property
    def python_version(self) -> str:
        """The interpreter's own version: `CPython 3.11.7`, `CPython 3.14.0 free-threaded`.

        Raises UsageError as `versions`.
        """
        markers, (_, _, is_free_threaded) = self._markers, self._interpreter
        version = f"{markers['platform_python_implementation']} {markers['python_full_version']}"
        return f"{version} {FREE_THREADED}" if is_free_threaded else version

    def sources_in(self, folder: Path) -> dict[str, Path]:
        """Return the distributions that were installed from source folders within a folder.

        Each with that folder, as pip recorded it (PEP 610), editable or not.
        """
        sources: dict[str, Path] = {}
        for name, found in self._distributions.items():
            source = _source_of(found)
            if source is not None and source.is_relative_to(folder):
                sources[name] = source
        return sources

    def has_program(self, program: str, working_dir: str, env: Mapping[str, str]) -> bool:
        """Whether `program` can be started as a server is: in its folder, with its PATH."""
        if os.sep in program:
            program = str(Path(working_dir, program))
        return shutil.which(program, path=env.get("PATH")) is not None

    @cached_property
    def _interpreter(self) -> tuple[list[str], dict[str, str], bool]:
        """The module search path, the markers that may differ from ours, and whether it has no GIL.

        That is how it was built: it may still run with one.
        """
        if self.python == sys.executable:
            return sys.path, {}, bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
        try:
            answer = subprocess.run(
                [self.python, "-c", _ASK_INTERPRETER],
                capture_output=True,
                check=True,
                timeout=VERSION_TIMEOUT_S,
            ).stdout
            told = json.loads(answer)
            return told["path"], told["markers"], told["is_free_threaded"]
        except (OSError, subprocess.SubprocessError, ValueError):
            raise UsageError(f"{self.python}: not a Python interpreter that runs") from None

    @cached_property
    def _distributions(self) -> dict[str, Distribution]:
        path, _, _ = self._interpreter
        found: dict[str, Distribution] = {}
        for distribution in distributions(path=path):
            # The first on the path is the one that is imported.
            found.setdefault(canonicalize_name(distribution.name), distribution)
        return found

    @cached_property
    def _markers(self) -> dict[str, str]:
        _, own, _ = self._interpreter
        return {**{key: str(value) for key, value in default_environment().items()}, **own}

    def _meets(self, line: str) -> bool:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({**self._markers, "extra": ""}):
            return True
        found = self._distributions.get(canonicalize_name(requirement.name))
        if found is None or not requirement.specifier.contains(found.version, prereleases=True):
            return False
        return all(self._meets_extra(found, extra) for extra in requirement.extras)

    def _meets_extra(self, found: Distribution, extra: str) -> bool:
        """Pip checks an extra only while it installs; what it brings may be gone since."""
        offered = found.metadata.get_all("Provides-Extra") or []
        if canonicalize_name(extra) not in {canonicalize_name(name) for name in offered}:
            return False
        return all(self._meets(line) for line in self._brought_by(found, extra))

    def _brought_by(self, found: Distribution, extra: str) -> Iterable[str]:
        for line in found.requires or []:
            brought = Requirement(line)
            if brought.marker is None:
                continue
            with_extra, without = (
                brought.marker.evaluate({**self._markers, "extra": name}) for name in (extra, "")
            )
            if with_extra and not without:
                brought.marker = None
                yield str(brought)


def _source_of(found: Distribution) -> Path | None:
    """The folder that a distribution was installed from."""
    try:
        noted = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    parts = urlsplit(noted.get("url", ""))
    if parts.scheme != "file" or "dir_info" not in noted:
        return None
    return Path(unquote(parts.path))


def install_command(requirements: Iterable[str]) -> str:
    """Return the command line that installs what is missing, quoted for a shell."""
    return "pip install " + " ".join(
        line if re.fullmatch(r"[\w.-]+", line) else f"'{line}'" for line in widest(requirements)
    )


def in_version(line: str, version: str) -> str:
    """Return a requirement line for one version; extras and markers stay.

    >>> in_version("uvicorn[standard]>=0.50", "0.54.0")
    'uvicorn[standard]==0.54.0'
    """
    requirement = Requirement(line)
    requirement.specifier = SpecifierSet(f"=={version}")
    return str(requirement)


def name_in(line: str) -> str:
    """Return the normalised name of the distribution that a requirement line is about."""
    return canonicalize_name(Requirement(line).name)


def widest(requirements: Iterable[str]) -> list[str]:
    """Return the lines without `hypercorn` if `hypercorn[trio]` is there as well."""
    lines = list(dict.fromkeys(requirements))
    wide = {line.partition("[")[0] for line in lines if "[" in line}
    return [line for line in lines if line not in wide]


def _printed_version(argv: tuple[str, ...]) -> str | None:
    """Return the first version number that a command prints, on stdout before stderr.

    None where it fails: what it then prints may hold other numbers.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    outputs = (done.stdout, done.stderr) if done.returncode == 0 else ()
    searched = (pattern.search(output) for pattern in (_VERSION, _NUMBER) for output in outputs)
    return next((match[match.lastindex or 0] for match in searched if match), None)
