"""Which servers a selection means: those that globs match, and versions that are pinned."""

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from asgi_bench.definitions.installed import in_version, name_in
from asgi_bench.definitions.servers import Server
from asgi_bench.errors import UsageError

PIN = "=="


def chosen_servers(globs: Collection[str], servers: Mapping[str, Server]) -> list[Server]:
    """Return the requested servers in their own order, pinned ones after the plain one.

    Without a glob these are the servers that share the interpreter: a server with an environment of
    its own is measured if it is named.

    Raises:
        UsageError: a glob that matches nothing, or an invalid pin.
    """
    if not globs:
        return [server for server in servers.values() if server.environment == "shared"]
    pins = [glob for glob in globs if PIN in glob]
    plain = [glob for glob in globs if PIN not in glob]
    named = matching(plain, servers, "--server") if plain else []
    chosen = {name: [servers[name]] if name in named else [] for name in servers}
    for pin in dict.fromkeys(pins):
        name, _, version = (part.strip() for part in pin.partition(PIN))
        chosen.setdefault(name, []).append(_pinned(pin, servers.get(name), version, servers))
    return [server for same in chosen.values() for server in same]


def _pinned(pin: str, server: Server | None, version: str, servers: Iterable[str]) -> Server:
    """The server that `NAME==VERSION` means."""
    if server is None:
        raise UsageError(
            f"--server {pin!r} matches no server to pin; available: {', '.join(servers)}"
        )
    if server.distribution is None:
        raise UsageError(f"--server {pin!r} can't be pinned: its runner file names no distribution")
    try:
        Version(version)
    except InvalidVersion:
        raise UsageError(f"--server {pin!r}: {version!r} is not a version") from None
    return _pinned_to(server, server.distribution, version)


def _pinned_to(server: Server, distribution: str, version: str) -> Server:
    """The server with its distribution in one version."""

    def line(text: str) -> str:
        is_meant = name_in(text) == canonicalize_name(distribution)
        return in_version(text, version) if is_meant else text

    requires = (*map(line, server.requires), f"{distribution}=={version}")
    return msgspec.structs.replace(
        server,
        name=f"{server.name}{PIN}{version}",
        pinned_version=version,
        requires=tuple(dict.fromkeys(requires)),
        # They are of the version that the runner file is about.
        pins=(),
        variants={
            name: msgspec.structs.replace(variant, requires=tuple(map(line, variant.requires)))
            for name, variant in server.variants.items()
        },
    )


def matching(globs: Collection[str], names: Iterable[str], flag: str) -> list[str]:
    """Return the names that any glob matches, in their own order; all without a glob.

    Raises:
        UsageError: a glob that matches none of them; the text lists them all.
    """
    known = list(dict.fromkeys(names))
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in known):
            raise UsageError(f"{flag} {glob!r} matches nothing; available: {', '.join(known)}")
    if not globs:
        return known
    return [name for name in known if any(fnmatchcase(name, glob) for glob in globs)]
