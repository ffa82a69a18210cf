"""Runner files: what starts a server, in which variants, and what it can do.

One TOML file a server; the file's name is the server's name. No conditions, no inheritance: who
needs an `if` points `command` at a script beside the file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from asgi_bench.definitions.strict import check_keys, check_values, convert, read_toml
from asgi_bench.errors import UsageError

WorkersMode: TypeAlias = Literal["native", "shared-socket", "single"]

COMMAND_PLACEHOLDERS = ("python", "app", "app_dir", "host", "port", "fd", "workers", "here")
VERSION_PLACEHOLDERS = ("python", "here")
# What `proves` may speak of: names of classes, as `apps/probe.py` tells them.
PROVABLE = ("loop", "parser", "protocol", "transport")

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
# Names are parts of cell keys (`server/variant/w1/…`), globs and file names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


# What scenarios need and servers support: the one list both speak.
FEATURES = (
    "asgi2",
    "asgi3",
    "http2",
    "http3",
    "lifespan",
    "lifespan-state",
    "pathsend",
    "tls",
    "unix-socket",
    "websocket",
)


class Variant(msgspec.Struct, frozen=True):
    """A named set of flags of one server, appended to its command.

    `proves` are patterns of the class names that must really run.
    """

    name: str
    args: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    env: dict[str, str] = {}
    description: str = ""
    proves: dict[str, str] = {}


class Server(msgspec.Struct, frozen=True):
    """A runner file, validated. `here` is the folder it lies in."""

    name: str
    here: str
    command: tuple[str, ...]
    workers: WorkersMode
    requires: tuple[str, ...] = ()
    distribution: str | None = None
    version_command: tuple[str, ...] | None = None
    supports: tuple[str, ...] = ("asgi3",)
    env: dict[str, str] = {}
    homepage: str | None = None
    worker_timeout_flag: str | None = None
    """Its flag for how long a worker may stay silent, as in a long import, until it's replaced."""
    variants: dict[str, Variant] = {}


_SERVER_KEYS = frozenset(Server.__struct_fields__) - {"name", "here"}
_VARIANT_KEYS = frozenset(Variant.__struct_fields__) - {"name"}


def load_servers(folders: Iterable[Path]) -> dict[str, Server]:
    """Return all servers of the folders by name; a later folder's file replaces an earlier one.

    Raises:
        UsageError: a folder without runner files, or a file that is not understood.
    """
    servers: dict[str, Server] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of runner files")
        paths = sorted(folder.glob("*.toml"))
        if not paths:
            raise UsageError(f"{folder}: holds no runner file; one is named SERVER.toml")
        servers.update((path.stem, load_server(path)) for path in paths)
    return servers


def load_server(path: Path) -> Server:
    """Return the server that one runner file defines.

    Raises:
        UsageError: one line with the file, the key, and what is allowed.
    """
    where = str(path)
    table = read_toml(path)
    _check_name(path.stem, where)
    check_keys(table, _SERVER_KEYS, where)
    variants = table.get("variants", {"default": {}})
    if not isinstance(variants, dict) or not variants:
        raise UsageError(f"{where}: variants: expected tables like [variants.default]")
    mode = table.get("workers", _default_mode(table, variants))
    if isinstance(mode, str):
        check_values([mode], get_args(WorkersMode), f"{where}: workers")
    server = convert(
        {
            **table,
            "name": path.stem,
            "here": str(path.resolve().parent),
            "workers": mode,
            "variants": {name: _variant(name, value, where) for name, value in variants.items()},
        },
        Server,
        where,
    )
    _check_server(server, where)
    return server


def fill(argv: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return `argv` with the placeholders that `values` names filled in, the others left."""
    return tuple(
        _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), part) for part in argv
    )


def _default_mode(table: Mapping[str, Any], variants: Mapping[str, Any]) -> WorkersMode:
    """Native where the count is used, by the command or by what every variant appends to it."""
    appended = [variant.get("args") for variant in variants.values() if isinstance(variant, dict)]
    if _uses_workers(table.get("command")) or (appended and all(map(_uses_workers, appended))):
        return "native"
    return "single"


def _uses_workers(argv: Any) -> bool:
    return isinstance(argv, list) and any("{workers}" in str(part) for part in argv)


def _variant(name: str, table: Any, where: str) -> Variant:
    place = f"{where}: [variants.{name}]"
    if not isinstance(table, dict):
        raise UsageError(f"{place}: expected a table")
    _check_name(name, place)
    check_keys(table, _VARIANT_KEYS, place)
    variant = convert({**table, "name": name}, Variant, place)
    check_keys(variant.proves, PROVABLE, f"{place}: proves")
    return variant


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{where}: the name {name!r} may hold letters, digits, dot, dash and _")


def _check_server(server: Server, where: str) -> None:
    if not server.command or not server.command[0]:
        raise UsageError(f"{where}: command: must name a program")
    if server.distribution and server.version_command:
        raise UsageError(f"{where}: give either distribution or version_command, not both")
    check_features(server.supports, f"{where}: supports")
    _check_placeholders(server.command, COMMAND_PLACEHOLDERS, f"{where}: command")
    _check_placeholders(
        server.version_command or (), VERSION_PLACEHOLDERS, f"{where}: version_command"
    )
    _check_requirements(server.requires, f"{where}: requires")
    for variant in server.variants.values():
        place = f"{where}: [variants.{variant.name}]"
        _check_placeholders(variant.args, COMMAND_PLACEHOLDERS, f"{place}: args")
        _check_requirements(variant.requires, f"{place}: requires")
        _check_workers(server, (*server.command, *variant.args), place)


def _check_placeholders(argv: Iterable[str], allowed: Iterable[str], where: str) -> None:
    for part in argv:
        for name in _PLACEHOLDER.findall(part):
            if name not in allowed:
                names = " ".join(f"{{{known}}}" for known in allowed)
                raise UsageError(f"{where}: unknown placeholder {{{name}}}; allowed: {names}")


def _check_workers(server: Server, argv: Sequence[str], where: str) -> None:
    """A mode must have its placeholder, else a worker count would change a label alone."""
    used = {name for part in argv for name in _PLACEHOLDER.findall(part)}
    if server.workers == "native" and "workers" not in used:
        raise UsageError(f"{where}: workers = 'native' needs {{workers}} in the command")
    if (server.workers == "shared-socket") != ("fd" in used):
        raise UsageError(
            f"{where}: workers = 'shared-socket' and {{fd}} in the command belong together; "
            f"here are workers = {server.workers!r} and {'a' if 'fd' in used else 'no'} {{fd}}"
        )


def _check_requirements(lines: Iterable[str], where: str) -> None:
    for line in lines:
        try:
            Requirement(line)
        except InvalidRequirement:
            raise UsageError(
                f"{where}: {line!r} is no requirement line like 'uvicorn[standard]>=0.54'"
            ) from None


def check_features(names: Iterable[str], where: str) -> None:
    """Refuse a feature that nobody knows.

    Raises:
        UsageError: names the feature and those that are allowed.
    """
    check_values(names, FEATURES, where)
