"""What flags request for one setup: packages, an interpreter, an app, flags, a git ref."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from asgi_bench.definitions.installed import in_version, name_in
from asgi_bench.errors import UsageError
from asgi_bench.flags import ARGUMENTS, FOLDER, SIDES, Flag, many, text
from asgi_bench.regular_files import kind_of

# The environment that `run` would use, as it is.
INSTALLED = "installed"
ARCHIVES = (".whl", ".tar.gz", ".zip")
# What pip would take, but without the name that the result is told by.
_ADDRESS = re.compile(r"[a-z]+(\+[a-z]+)?://")
_EXTRAS = re.compile(r"(?P<path>.+?)(?P<extras>\[[\w\s,.-]+\])?", re.ASCII)

AskedRole: TypeAlias = Literal["baseline", "candidate"]


class Line(msgspec.Struct, frozen=True):
    """One thing to install: a requirement, or the absolute `path` of a wheel or a source folder.

    Without `with_needs` its dependencies are not installed.
    """

    text: str
    path: str | None = None
    extras: str = ""
    with_needs: bool = True

    @property
    def is_fixed(self) -> bool:
        """Whether it always means the same files, so that a build of it can be reused."""
        if self.path is not None:
            return True
        requirement = Requirement(self.text)
        pins = [one for one in requirement.specifier if one.operator in ("==", "===")]
        return any("*" not in pin.version for pin in pins)

    @property
    def must_replace(self) -> bool:
        """Whether it counts even if the same version is already installed."""
        return self.path is not None or Requirement(self.text).url is not None

    @property
    def argument(self) -> str:
        """Its argument for pip."""
        return self.text if self.path is None else f"{self.path}{self.extras}"


def pinned_line(text: str, versions: Mapping[str, str]) -> Line:
    """Return a requirement line in the version that its distribution has, if it has one."""
    version = versions.get(name_in(text))
    return Line(text if version is None else in_version(text, version))


class Environment(msgspec.Struct, frozen=True):
    """What `--baseline` or `--candidate` name: an interpreter, things to install, or neither."""

    python: str | None = None
    lines: tuple[Line, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """Everything requested for one setup; the rest is as in `run`, and so the same in all.

    `texts` are the values of `--baseline` or `--candidate` as given.
    """

    role: AskedRole
    texts: Annotated[
        tuple[str, ...],
        Flag(
            "--SIDE",
            SIDES,
            many("WHAT"),
            "Environment of the SIDE: `installed`, requirements ('SERVER==VERSION', a wheel, a "
            "source folder) or a Python interpreter; repeatable. Default: `installed`.",
            is_common=True,
        ),
    ] = ()
    ref: Annotated[
        str | None,
        Flag(
            "--SIDE-ref",
            SIDES,
            text("REF"),
            "Git ref of the SIDE: its app and project are taken from that commit.",
            is_common=True,
        ),
    ] = None
    app: Annotated[
        str | None, Flag("--SIDE-app", SIDES, text("APP"), "App of the SIDE. Default: APP.")
    ] = None
    app_dir: Annotated[
        Path | None,
        Flag("--SIDE-app-dir", SIDES, FOLDER, "Folder of the SIDE's app. Default: --app-dir."),
    ] = None
    server_args: Annotated[
        tuple[str, ...],
        Flag("--SIDE-args", SIDES, ARGUMENTS, "Server arguments for the SIDE only."),
    ] = ()

    def flag(self, part: str = "") -> str:
        """The name of one of its flags: `--baseline`, `--baseline-ref`."""
        return f"--{self.role}{f'-{part}' if part else ''}"


def parse_environment(texts: Sequence[str], flag: str) -> Environment:
    """Return what the values of a flag name; each may contain several requirements.

    Raises:
        UsageError: a word that is none of them, or an interpreter among others.
    """
    words = [word for text in texts for word in _words(text, flag)]
    alone = [word for word in words if word == INSTALLED or _is_interpreter(word)]
    if alone and len(words) > 1:
        kind = "is the environment as it is" if alone[0] == INSTALLED else "is an interpreter"
        raise UsageError(f"{flag}: {alone[0]!r} {kind} and can't be combined with other values")
    if words == [INSTALLED]:
        return Environment()
    if alone:
        # Links are kept: a virtual environment is known by its own path.
        return Environment(python=os.path.abspath(alone[0]))  # noqa: PTH100
    return Environment(lines=tuple(_line(word, flag) for word in words))


def is_source_folder(folder: Path) -> bool:
    """Whether a folder contains a project that pip can install."""
    return any((folder / name).is_file() for name in ("pyproject.toml", "setup.py"))


def _words(text: str, flag: str) -> list[str]:
    """The text whole where it is one thing (`uvicorn >= 0.50`, `a folder/`), else its words."""
    if not text.strip():
        raise UsageError(f"{flag}: is empty; {_ALLOWED}")
    if kind_of(Path(text)) or _is_requirement(text):
        return [text.strip()]
    try:
        return shlex.split(text)
    except ValueError as fault:
        raise UsageError(f"{flag}: {text!r} can't be split: {fault}") from None


_ALLOWED = (
    f"allowed are {INSTALLED!r}, requirements such as 'fastest==2.0', a wheel, a source folder, "
    "or a Python interpreter"
)


def _line(word: str, flag: str) -> Line:
    # As with pip, what could be a name is one, even if a folder of that name lies here.
    if _is_requirement(word) and not Requirement(word).name.endswith(ARCHIVES):
        return Line(word)
    match = _EXTRAS.fullmatch(word)
    path = Path(match["path"] if match else word)
    extras = (match["extras"] or "") if match else ""
    kind = kind_of(path)
    if kind == "file" and path.name.endswith(ARCHIVES):
        return Line(word, str(path.resolve()), extras)
    if kind == "folder" and is_source_folder(path):
        return Line(word, str(path.resolve()), extras)
    if _ADDRESS.match(word):
        raise UsageError(f"{flag}: {word!r} needs a name before it, as in 'NAME @ {word}'")
    raise UsageError(f"{flag}: {word!r} {_fault_of(word, path)}; {_ALLOWED}")


def _fault_of(word: str, path: Path) -> str:
    kind = kind_of(path)
    if kind == "folder":
        return "contains neither pyproject.toml nor setup.py"
    if kind == "file":
        return "is not a wheel, a source archive or a program"
    is_path = os.sep in word or path.name.endswith(ARCHIVES)
    return "does not exist" if is_path else "is not a requirement"


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _is_interpreter(word: str) -> bool:
    is_archive = word.endswith(ARCHIVES)
    return os.sep in word and not is_archive and shutil.which(word) is not None
