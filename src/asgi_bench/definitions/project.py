"""A project's own defaults: the table `[tool.asgi-bench]` of its pyproject.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from asgi_bench.definitions.strict import check_keys, convert, read_toml
from asgi_bench.errors import UsageError
from asgi_bench.flags import Flag

TABLE = "[tool.asgi-bench]"


def project_defaults(folder: Path, flags: Mapping[str, Flag]) -> dict[str, tuple[Any, str]]:
    """Return what the project that contains `folder` sets for some flags, by their keys.

    It is read from the nearest pyproject.toml upwards. Values are as a command line would give
    them: texts, all of them for repeatable flags, bools for switches; each with what to blame.
    Paths are resolved against that file's folder.

    Raises:
        UsageError: a key that is no flag, or a value that the flag would not take.
    """
    path = next(
        (
            parent / "pyproject.toml"
            for parent in (folder, *folder.parents)
            if (parent / "pyproject.toml").is_file()
        ),
        None,
    )
    if path is None:
        return {}
    tool = read_toml(path).get("tool", {})
    table = tool.get("asgi-bench", {}) if isinstance(tool, dict) else {}
    where = f"{path}: {TABLE}"
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table")
    if not table:
        return {}
    check_keys(table, flags, where)
    types = [(key.replace("-", "_"), flag.kind.toml | None, None) for key, flag in flags.items()]
    convert(table, msgspec.defstruct("Table", types, rename="kebab"), where)
    found = {}
    for key, value in table.items():
        kind = flags[key].kind
        found[key] = (_as_told(flags[key], value, path.parent), f"{where}: {key}")
        # Read for whatever verb, so that the fault is found; a path counts where it is used.
        if kind.locate is None and kind.toml is not bool:
            kind.read(*found[key])
    return found


def _as_told(flag: Flag, value: Any, folder: Path) -> Any:
    """Return a value as the command line would have given it."""
    kind = flag.kind
    if isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return tuple(f"{name}={content}" for name, content in value.items())
    values = [str(one) for one in (value if isinstance(value, list) else [value])]
    if kind.locate is not None:
        values = [kind.locate(one, folder) for one in values]
    return tuple(values) if kind.is_repeatable else ",".join(values)
