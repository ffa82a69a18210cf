"""Where files are: runner files and applications, shipped or from other packages, and the cache."""

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from asgi_bench.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]
# A package that ships runner files names the folder they lie in: `fastest = "fastest.runners"`.
RUNNERS_GROUP = "asgi_bench.runners"


def runner_folders(own: Iterable[Path] = ()) -> list[Path]:
    """The folders of all runner files: other packages', the shipped ones, then the user's `own`.

    If two files have the same name, the later folder's counts: a package can't replace a shipped
    server, but a user can.

    Raises:
        UsageError: a package names a folder that doesn't exist.
    """
    named = sorted(entry_points(group=RUNNERS_GROUP), key=lambda one: (one.name, one.value))
    return [*map(_packaged_runners, named), shipped_runners(), *own]


def _packaged_runners(named: EntryPoint) -> Path:
    """The folder that an entry point names; nothing of the package is imported."""
    top, *rest = named.value.split(".")
    # Of a top-level name this only looks where it lies.
    spec = find_spec(top)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    for place in places:
        folder = Path(place, *rest)
        if folder.is_dir():
            return folder
    of = "" if named.dist is None else f" of {named.dist.name}"
    raise UsageError(
        f"entry point {named.name!r}{of}, group {RUNNERS_GROUP}: {named.value!r} is not a "
        "folder of an installed package"
    )


def shipped_runners() -> Path:
    """The folder of the shipped runner files."""
    return _shipped("runners")


def shipped_apps() -> Path:
    """The folder of the shipped applications and of `scenarios.toml`."""
    return _shipped("apps")


def cache_path() -> Path:
    """The folder for what can be made again (XDG base directory specification)."""
    # A relative path there is to be ignored, says the specification.
    named = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (named if named.is_absolute() else Path.home() / ".cache") / "asgi-bench"


def _shipped(name: str) -> Path:
    """The copy an installed wheel carries; in a checkout, which has none, the top-level folder."""
    packaged = PACKAGE / "shipped" / name
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / name
