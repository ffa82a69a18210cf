"""Runner files: what starts a server, in which variants, and what it can do.

One TOML file per server; the file's name is the server's name. No conditions, no inheritance:
anyone who needs an `if` points `command` at a script beside the file.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from asgi_bench.definitions.strict import (
    LONGEST_NAME,
    check_keys,
    check_values,
    convert,
    read_toml,
)
from asgi_bench.errors import UsageError
from asgi_bench.model.endpoint import HttpVersion, Transport
from asgi_bench.plain_text import shortened

WorkersMode: TypeAlias = Literal["native", "shared-socket", "single"]
EnvironmentKind: TypeAlias = Literal["shared", "own"]

WAY_PLACEHOLDERS = ("host", "port", "fd", "socket", "cert", "key")
COMMAND_PLACEHOLDERS = (
    *("python", "app", "app_dir", "workers", "here", "bind", "http", "interface"),
    *WAY_PLACEHOLDERS,
)
VERSION_PLACEHOLDERS = ("python", "here")
COUNT_KEYS = ("args",)
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
    "rsgi",
    "tls",
    "unix-socket",
    "websocket",
    "wsgi",
)
# How a server calls its app; what isn't ASGI a scenario names among its needs.
INTERFACES = ("asgi", "rsgi", "wsgi")


# What a table of a runner file may tell how to switch on. `2+tls` is HTTP/2 over TLS alone, and
# counts there before `2`.
TRANSPORTS = get_args(Transport)
HTTP_KEYS = tuple(
    f"{version}{suffix}"
    for version in get_args(HttpVersion)
    for suffix in ("", *(f"+{transport}" for transport in TRANSPORTS))
)


class Variant(msgspec.Struct, frozen=True):
    """A named set of flags of one server."""

    name: str
    """Its name, from the table's."""
    args: tuple[str, ...] = ()
    """Arguments appended to the server's command."""
    requires: tuple[str, ...] = ()
    """Requirement lines of this variant, besides those of the server."""
    env: dict[str, str] = {}
    """Variables set for this variant, besides those of the server."""
    description: str = ""
    """What the variant is, in one line."""
    proves: dict[str, str] = {}
    """Patterns of the class names that must really run, by `loop`, `parser`, `protocol` and
    `transport`. If another one runs, the variant's cells fail."""


class Server(msgspec.Struct, frozen=True):
    """A runner file, validated."""

    name: str
    """The server's name, from the file's."""
    here: str
    """The folder of the file."""
    command: tuple[str, ...]
    """The command that starts the server, with placeholders."""
    workers: WorkersMode
    """How it gets workers. `native`: by `{workers}` in the command. `shared-socket`: asgi-bench
    starts that many processes, which inherit one listening socket as `{fd}`. `single`: not at all.
    Default: `native` if the command has `{workers}`, otherwise `single`."""
    requires: tuple[str, ...] = ()
    """Requirement lines that install it."""
    environment: EnvironmentKind = "shared"
    """`shared` (the default): it is installed beside the others. `own`: `asgi-bench install` builds
    an environment for it, and it is measured only if `-s` names it."""
    pins: tuple[str, ...] = ()
    """Requirement lines with `==`: the versions in its own environment."""
    distribution: str | None = None
    """The installed distribution whose version is recorded."""
    version_command: tuple[str, ...] | None = None
    """A command that prints the version, for servers that are no distribution."""
    supports: tuple[str, ...] = ("asgi3",)
    """Features that scenarios may need. Default: `asgi3`."""
    env: dict[str, str] = {}
    """Variables set for the server."""
    homepage: str | None = None
    """Where to read about it."""
    worker_timeout_flag: str | None = None
    """Its flag for how long a worker may be silent, for example in a long import, before it is
    replaced. Errors suggest it."""
    unset: tuple[str, ...] = ()
    """Patterns of variables that it reads in place of flags. No server inherits them."""
    reference: int | None = None
    """Makes it a default reference for ratios; the lowest number comes first."""
    idles: bool = True
    """Whether it uses no CPU without requests. A server that polls endlessly would slow down its
    neighbours, so it is measured in a block of its own."""
    count: dict[str, tuple[str, ...]] = {}
    """`args`: added to the command when it is counted, since valgrind doesn't know every
    instruction of a CPU."""
    bind: dict[str, tuple[str, ...]] = {}
    """The arguments that replace `{bind}`, by transport (`tcp`, `tls`, `unix`). Without the table
    it is measured over TCP only."""
    http: dict[str, tuple[str, ...]] = {}
    """The arguments that replace `{http}`, by HTTP version (`1`, `2`, `2+tls`). Without the table
    it is measured with HTTP/1.1 only."""
    interface: dict[str, tuple[str, ...]] = {}
    """The arguments that replace `{interface}`, by kind of app (`asgi`, `wsgi`, `rsgi`). Without
    the table it serves ASGI apps."""
    variants: dict[str, Variant] = {}
    """Its variants, by name. Default: one variant, `default`."""
    pinned_version: str | None = None
    """The version of `-s NAME==VERSION`, which then is the name; no key of the file."""

    @property
    def all_requirements(self) -> tuple[str, ...]:
        """The requirements of all its variants, each line once."""
        lines = (line for variant in self.variants.values() for line in variant.requires)
        return tuple(dict.fromkeys((*self.requires, *lines)))

    @property
    def features(self) -> tuple[str, ...]:
        """The features that scenarios may need: stated ones, and those it can be switched to."""
        told = {
            "http2": any(key.startswith("2") for key in self.http),
            "tls": "tls" in self.bind,
            "unix-socket": "unix" in self.bind,
            **{name: name in self.interface for name in INTERFACES[1:]},
        }
        return (
            *self.supports,
            *(name for name, is_told in told.items() if is_told and name not in self.supports),
        )

    def lack(self, http: HttpVersion, transport: Transport) -> str | None:
        """What it lacks for an HTTP version, transport or interface, in words; None if nothing."""
        if transport not in (self.bind or {"tcp": ()}):
            return f"its runner file gives no way to bind to {TRANSPORT_WORDS[transport]}"
        if self._version(http, transport) is not None:
            return None
        others = [each for each in TRANSPORTS if self._version(http, each) is not None]
        if others:
            known = " or ".join(TRANSPORT_WORDS[each] for each in others)
            return f"speaks HTTP/{http} only over {known}"
        return f"does not speak HTTP/{http}"

    def argv(
        self,
        variant: Variant,
        http: HttpVersion,
        transport: Transport,
        needs: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Its command under a variant, with the arguments for a protocol; it must not lack that.

        `needs` are those of the scenario.
        """
        ways = {
            "{interface}": self.interface.get(interface_of(needs), ()),
            "{bind}": self.bind.get(transport, ()),
            "{http}": self._version(http, transport) or (),
        }
        command = (*self.command, *variant.args)
        return tuple(part for word in command for part in ways.get(word, (word,)))

    def _version(self, http: HttpVersion, transport: Transport) -> tuple[str, ...] | None:
        """The arguments for an HTTP version over a transport; None where it can't."""
        table = self.http or {"1": ()}
        return table.get(f"{http}+{transport}", table.get(http))


def interface_of(needs: Collection[str]) -> str:
    """How an app with these needs is called."""
    return next((name for name in INTERFACES if name in needs), INTERFACES[0])


TRANSPORT_WORDS: Mapping[str, str] = {"tcp": "TCP", "tls": "TLS", "unix": "a Unix socket"}
_SERVER_KEYS = frozenset(Server.__struct_fields__) - {"name", "here", "pinned_version"}
_VARIANT_KEYS = frozenset(Variant.__struct_fields__) - {"name"}


def load_servers(folders: Iterable[Path]) -> dict[str, Server]:
    """Return all servers of the folders by name; a later folder's file replaces an earlier one.

    Raises:
        UsageError: a folder without runner files, or an invalid file.
    """
    servers: dict[str, Server] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of runner files")
        paths = sorted(folder.glob("*.toml"))
        if not paths:
            raise UsageError(f"{folder}: contains no runner file (SERVER.toml)")
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
        raise UsageError(f"{where}: variants: expected tables such as [variants.default]")
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


def by_reference(servers: Iterable[Server]) -> list[str]:
    """Return the names of the default references, the first choice first."""
    placed = [(one.reference, one.name) for one in servers if one.reference is not None]
    return [name for _, name in sorted(placed)]


def fill(argv: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return `argv` with the placeholders in `values` filled in, and the others left."""
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
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{where}: the name {shortened(repr(name), LONGEST_NAME)} may contain only letters, "
            f"digits, dots, dashes and underscores, at most {LONGEST_NAME} of them"
        )


def _check_server(server: Server, where: str) -> None:
    if not server.command or not server.command[0]:
        raise UsageError(f"{where}: command: must name a program")
    if server.distribution and server.version_command:
        raise UsageError(f"{where}: give either distribution or version_command, not both")
    check_values([server.environment], get_args(EnvironmentKind), f"{where}: environment")
    check_features(server.supports, f"{where}: supports")
    _check_placeholders(server.command, COMMAND_PLACEHOLDERS, f"{where}: command")
    _check_placeholders(
        server.version_command or (), VERSION_PLACEHOLDERS, f"{where}: version_command"
    )
    _check_requirements(server.requires, f"{where}: requires")
    check_keys(server.count, COUNT_KEYS, f"{where}: count")
    _check_placeholders(server.count.get("args", ()), VERSION_PLACEHOLDERS, f"{where}: count: args")
    _check_pins(server, where)
    _check_ways(server, where)
    for variant in server.variants.values():
        place = f"{where}: [variants.{variant.name}]"
        _check_placeholders(variant.args, COMMAND_PLACEHOLDERS, f"{place}: args")
        _check_requirements(variant.requires, f"{place}: requires")
        bound = (word for argv in server.bind.values() for word in argv)
        _check_workers(server, (*server.command, *variant.args, *bound), place)


def _check_ways(server: Server, where: str) -> None:
    """A table must have its placeholder, else a way would change a label alone."""
    tables = (
        ("bind", server.bind, TRANSPORTS),
        ("http", server.http, HTTP_KEYS),
        ("interface", server.interface, INTERFACES),
    )
    for name, table, allowed in tables:
        check_keys(table, allowed, f"{where}: {name}")
        for key, argv in table.items():
            _check_placeholders(argv, WAY_PLACEHOLDERS, f"{where}: {name}: {key}")
        words = server.command.count(f"{{{name}}}")
        if any(f"{{{name}}}" in word for word in server.command) and not words:
            raise UsageError(f"{where}: command: {{{name}}} must be a word of its own")
        if bool(table) != bool(words):
            raise UsageError(
                f"{where}: {{{name}}} in the command and the table [{name}] belong together"
            )


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
            f"{where}: workers = 'shared-socket' and {{fd}} in the command belong together, but "
            f"workers = {server.workers!r} and the command has {'a' if 'fd' in used else 'no'} "
            "{fd}"
        )


def _check_requirements(lines: Iterable[str], where: str) -> None:
    for line in lines:
        try:
            Requirement(line)
        except InvalidRequirement:
            raise UsageError(
                f"{where}: {line!r} is not a requirement such as 'fastest[loop]>=2'"
            ) from None


def _check_pins(server: Server, where: str) -> None:
    """Pins are for an environment of its own: what is shared is pinned by who installs it."""
    _check_requirements(server.pins, f"{where}: pins")
    for line in server.pins:
        pin = Requirement(line)
        if [one.operator for one in pin.specifier] != ["=="] or pin.marker or pin.extras:
            raise UsageError(f"{where}: pins: {line!r} must look like 'fastest==2.1'")
    if server.pins and server.environment != "own":
        raise UsageError(f"{where}: pins need environment = 'own'")


def check_features(names: Iterable[str], where: str) -> None:
    """Refuse an unknown feature.

    Raises:
        UsageError: names the feature and those that are allowed.
    """
    check_values(names, FEATURES, where)
