"""Environments that differ from the user's own only in what was requested.

An overlay is a virtual environment of the same interpreter: its own site-packages contain what was
requested, and behind them on the module path is the user's environment, as it is. So everything
that isn't named is the same files in every setup, and nothing is installed into the user's own.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asgi_bench.definitions.installed import Installation
from asgi_bench.errors import BenchError
from asgi_bench.machine.commands import run_command
from asgi_bench.setups.cache import (
    KEY_LENGTH,
    cache_folder,
    content_digest,
    forget_unused,
    leads_out,
    left_out,
    locked,
    note,
)
from asgi_bench.setups.spec import Line
from asgi_bench.setups.worktrees import description_of

ENVIRONMENTS_FOLDER = "environments"
# Written last: an environment without it was not finished.
COMPLETE_FILE = "asgi-bench.json"
# Building a package from source may take minutes.
BUILD_TIMEOUT_S = 1200.0
SHOWN_LINES = 15
# Tells the folders that hold an interpreter's packages, the user's own folder included.
_ASK_SITE = """
import json, os, site, sys
folders = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
print(json.dumps([sys.version, [one for one in folders if os.path.isdir(one)]]))
"""
# Would send packages elsewhere than into the overlay, or hide what is there.
_DROPPED = ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH")
# Not isolated: it is a build that must see what the user's pip would see.
PIP_INSTALL = (
    *("-m", "pip", "install", "--no-user", "--no-input", "--disable-pip-version-check"),
    *("--no-warn-script-location", "--progress-bar", "off"),
)
# What ensurepip brings along where the user's environment has no pip.
_TOOLS = ("pip", "setuptools")
# Raised when environments are built otherwise than before.
FORMAT = 2
# What pip and compilers are told by the environment decides what is built: an index, a constraint,
# an optimisation.
_SETTINGS = frozenset(
    ("ARCHFLAGS", "CC", "CFLAGS", "CPPFLAGS", "CXX", "CXXFLAGS", "LDFLAGS", "RUSTFLAGS")
)
_PREFIXES = ("PIP_", "SETUPTOOLS_SCM_PRETEND_VERSION")
# These name files, and count by what stands there.
_FILES = frozenset(("PIP_BUILD_CONSTRAINT", "PIP_CONFIG_FILE", "PIP_CONSTRAINT", "PIP_REQUIREMENT"))


class BuildFault(BenchError):
    """An environment can't be built as requested."""


class Site(msgspec.Struct, frozen=True):
    """What an interpreter is, and the folders of its packages."""

    version: str
    folders: tuple[str, ...]


class Overlay(msgspec.Struct, frozen=True):
    """A built environment: its interpreter, and the distributions in it with their versions."""

    python: str
    installed: dict[str, str]
    left_out: dict[str, str] = {}
    """Lines that can't be installed there, each with the reason, where that was allowed."""


def overlay(
    base: str,
    lines: Sequence[Line],
    flag: str,
    announce: Callable[[str], None],
    *,
    constraints: Mapping[str, str] | None = None,
    leaves_out: bool = False,
) -> Overlay:
    """Return an environment with what `lines` name in front of that of the interpreter `base`.

    Dependencies get the versions in `constraints`, by distribution. With `leaves_out`, a line that
    can't be installed is left out.

    It is taken from the cache if the same was built before: same interpreter, same packages, same
    requirements with `==`, same content of wheels and folders, same settings of pip and compilers.
    Otherwise it is built, and `announce` is called. Two processes at once build it once; an
    interrupted build starts over.

    Raises:
        BuildFault: it can't be built; its account is the end of pip's output.
        UsageError: `base` is no interpreter that runs.
    """
    parent = cache_folder() / ENVIRONMENTS_FOLDER
    parent.mkdir(exist_ok=True)
    site = _site_of(base)
    pins = dict(constraints or {})
    folder = parent / environment_key(base, site, lines, build_variables(), pins)
    complete = folder / COMPLETE_FILE
    with locked(parent / f"{folder.name}.lock"):
        if not complete.is_file():
            asked = ", ".join(line.text for line in lines)
            announce(f"{flag}: building an environment with {asked}")
            shutil.rmtree(folder, ignore_errors=True)
            try:
                recipe = _Recipe(lines, pins, leaves_out, flag)
                built = _build(base, site, folder, recipe)
            except BaseException:
                # An interruption too: half an environment is of no use to anybody.
                shutil.rmtree(folder, ignore_errors=True)
                raise
            note(complete, built)
        complete.touch()
        found = msgspec.json.decode(complete.read_bytes(), type=Overlay)
    forget_unused(parent, COMPLETE_FILE)
    return found


def _site_of(python: str) -> Site:
    Installation(python).check_interpreter()
    done = subprocess.run(
        [python, "-c", _ASK_SITE], env=build_variables(), capture_output=True, check=True
    )
    version, folders = json.loads(done.stdout)
    return Site(version, tuple(folders))


class _Recipe(NamedTuple):
    """What to install, with which versions of what comes along; as in `overlay`."""

    lines: Sequence[Line]
    constraints: Mapping[str, str]
    leaves_out: bool
    flag: str


def _build(base: str, site: Site, folder: Path, recipe: _Recipe) -> Overlay:
    flag = recipe.flag
    python = folder / "bin" / "python"
    run_step([base, "-m", "venv", "--without-pip", str(folder)], f"{flag}: no virtual environment")
    (packages,) = folder.glob("lib/python*/site-packages")
    # Not merely the path: the user's own .pth files, as of editable installs, count too.
    joined = "; ".join(["import site", *(f"site.addsitedir({one!r})" for one in site.folders)])
    (packages / "asgi_bench_user_environment.pth").write_text(f"{joined}\n", encoding="utf-8")
    has_pip = subprocess.run(
        [python, "-c", "import pip"], env=build_variables(), capture_output=True
    )
    if has_pip.returncode != 0:
        run_step([str(python), "-m", "ensurepip"], f"{flag}: no pip")
    pins = folder / "constraints.txt"
    pins.write_text("".join(f"{name}=={at}\n" for name, at in sorted(recipe.constraints.items())))
    left_out = {}
    for line in recipe.lines:
        try:
            with _apart(line) as ours:
                _install(python, packages, ours, flag, pins)
                _check_apart(packages, ours, f"{flag}: {line.text!r} can't be used")
        except BenchError as fault:
            if not recipe.leaves_out:
                raise
            left_out[line.text] = str(fault)
    if has_pip.returncode != 0:
        run_step([str(python), "-m", "pip", "uninstall", "--yes", *_TOOLS], f"{flag}: no pip")
    return Overlay(str(python), _versions(packages), left_out)


@contextlib.contextmanager
def _apart(line: Line) -> Iterator[Line]:
    """A line whose source folder is a copy: a build leaves `build` and `*.egg-info` where it runs.

    Git's data is copied too, for versions that are told by it. What lies in our own cache is a
    worktree, whose project may need what lies above it, and nobody else's.
    """
    if line.path is None or not Path(line.path).is_dir():
        yield line
        return
    source = Path(line.path)
    if source.is_relative_to(cache_folder().resolve()):
        yield line
        return
    with tempfile.TemporaryDirectory(prefix="asgi-bench-") as folder:
        copy = Path(folder) / source.name
        shutil.copytree(source, copy, symlinks=True, ignore=left_out)
        _keep_links(source, copy)
        yield msgspec.structs.replace(line, path=str(copy))


def _keep_links(source: Path, copy: Path) -> None:
    """Let links out of the folder, as to a README above it, lead where they did."""
    for link in [path for path in copy.rglob("*") if path.is_symlink()]:
        target = leads_out(source / link.relative_to(copy), source)
        if target is not None:
            link.unlink()
            link.symlink_to(target)


def _check_apart(packages: Path, line: Line, what: str) -> None:
    """See that what was installed stays whole without the folder it was built in, which goes.

    Raises:
        BenchError: a path file leads back there, as that of an editable install.
    """
    if line.path is None:
        return
    paths = (line.path, os.path.realpath(line.path))
    for found in packages.glob("*.pth"):
        text = found.read_text("utf-8", errors="replace")
        if any(path in text for path in paths):
            raise BenchError(f"{what}: its {found.name} leads back to the folder it was built in")


def _install(python: Path, packages: Path, line: Line, flag: str, pins: Path) -> None:
    """Install one line, then whatever it needs that the user's environment doesn't have."""
    what = f"{flag}: {line.text!r} can't be installed"
    before = _versions(packages)
    # A folder's version says nothing of its content; what merely is required stays.
    force = ("--force-reinstall",) if line.must_replace else ()
    run_step([str(python), *PIP_INSTALL, "--no-deps", *force, line.argument], what)
    if line.with_needs:
        added = _versions(packages).items() - before.items()
        extras = _extras(line)
        needing = [f"{name}{extras}=={version}" for name, version in added] or [line.argument]
        run_step([str(python), *PIP_INSTALL, "-c", str(pins), *needing], what)


def _extras(line: Line) -> str:
    if line.path is not None:
        return line.extras
    extras = sorted(Requirement(line.text).extras)
    return f"[{','.join(extras)}]" if extras else ""


def _versions(packages: Path) -> dict[str, str]:
    found: list[Distribution] = list(distributions(path=[str(packages)]))
    return {canonicalize_name(one.name): one.version for one in found}


def modules_in(python: str, only: Collection[str] = ()) -> Iterator[str]:
    """Yield the top-level modules that were installed into the environment of an interpreter.

    `only` are the normalised names of the distributions to consider; without it, all.
    """
    (packages,) = Path(python).parents[1].glob("lib/python*/site-packages")
    for found in distributions(path=[str(packages)]):
        if only and canonicalize_name(found.name) not in only:
            continue
        for file in found.files or ():
            name = file.parts[0].partition(".")[0]
            if name.isidentifier() and file.suffix in (".py", ".so"):
                yield name


def run_step(argv: Sequence[str], what: str) -> None:
    """Run a step of a build; its output is shown if it fails.

    Raises:
        BuildFault: it failed or took too long.
    """
    with tempfile.TemporaryFile() as output:
        code = run_command(argv, output=output, env=build_variables(), timeout_s=BUILD_TIMEOUT_S)
        output.seek(0)
        said = output.read().decode(errors="replace").strip().splitlines()
    if code == 0:
        return
    fault = BuildFault(f"{what}: {_reason(said, code)}")
    fault.account = "\n".join(said[-SHOWN_LINES:])
    raise fault


def _reason(said: Sequence[str], code: int | None) -> str:
    """The one line that tells most: pip's last error, or how the step ended."""
    if code is None:
        return f"it took more than {BUILD_TIMEOUT_S:g} s"
    refused = [line for line in said if "require a different python version" in line]
    if refused:
        # Of every version that there is; the newest stands last.
        return f"needs Python {refused[-1].rpartition('Requires-Python ')[2]}"
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    return errors[-1] if errors else f"it ended with code {code}"


def build_variables() -> Mapping[str, str]:
    """The variables that environments are built with, and tried."""
    return {name: value for name, value in os.environ.items() if name not in _DROPPED}


def environment_key(
    base: str,
    site: Site,
    lines: Sequence[Line],
    environ: Mapping[str, str],
    constraints: Mapping[str, str] | None = None,
) -> str:
    """Return the name of the environment with `lines` in front of the interpreter `base`.

    `environ` and `constraints` are what it will be built with.
    """
    parts = [
        FORMAT,
        base,
        site,
        Installation(base).versions,
        [_meaning(line) for line in lines],
        _settings(environ),
        sorted((constraints or {}).items()),
        # What may mean something else tomorrow is built each time.
        "" if all(line.is_fixed for line in lines) else secrets.token_hex(),
    ]
    return sha256(msgspec.json.encode(parts)).hexdigest()[:KEY_LENGTH]


def _meaning(line: Line) -> tuple[Line, str]:
    """What a line stands for: of a path what lies there, for worktrees are elsewhere each time."""
    if line.path is None:
        return line, ""
    path = Path(line.path)
    # Versions are often told by tags, and a tag changes no file.
    told = f"{content_digest(path)} {description_of(path) if path.is_dir() else ''}"
    return msgspec.structs.replace(line, path=None), sha256(os.fsencode(told)).hexdigest()


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings by hashes alone: an index's address may hold a password."""
    return {
        name: _hash_of(name, value)
        for name, value in sorted(environ.items())
        if name in _SETTINGS or name.startswith(_PREFIXES)
    }


def _hash_of(name: str, value: str) -> str:
    digest = sha256(os.fsencode(value))
    for word in (value, *value.split()) if name in _FILES else ():
        # An address may stand there too; what pip can't read it will tell.
        with contextlib.suppress(OSError):
            digest.update(Path(word).read_bytes())
    return digest.hexdigest()
