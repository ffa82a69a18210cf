"""Servers' own environments: where `asgi-bench install` put them.

The shared interpreter is tried first. A server that doesn't find everything it requires there runs
in its own environment, if it has one.
"""

import contextlib
import functools
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from asgi_bench.definitions.availability import Home
from asgi_bench.definitions.folders import cache_path
from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.servers import Server
from asgi_bench.model import ServerEnvironment

SERVERS_FOLDER = "servers"
# Raised when they are noted otherwise than before.
FORMAT = 1
_KEY_LETTERS = 16


class Record(msgspec.Struct, frozen=True):
    """The result of installing a server: its environment, or why it can't be used."""

    environment: ServerEnvironment | None = None
    stamp: str | None = None
    """The file whose age tells when the environment was last used."""
    fault: str | None = None
    """Why it can't be installed, or can't be imported."""


def record_path(server: Server, base: str, cache: Path) -> Path:
    """The file that records it, for the interpreter `base` and the runner file's requirements."""
    parts = (FORMAT, base, server.all_requirements, server.pins)
    key = sha256(msgspec.json.encode(parts)).hexdigest()[:_KEY_LETTERS]
    return cache / SERVERS_FOLDER / f"{server.name}-{key}.json"


def record_of(server: Server, base: str) -> Record | None:
    """What was recorded; None if nothing was, or if the environment is gone."""
    try:
        record = msgspec.json.decode(
            record_path(server, base, cache_path()).read_bytes(), type=Record
        )
    except (OSError, msgspec.MsgspecError):
        return None
    if record.environment is not None and not Path(record.environment.python).exists():
        return None
    if record.stamp is not None:
        # It is in use, and so is kept.
        with contextlib.suppress(OSError):
            os.utime(record.stamp)
    return record


def homes_apart(base: str) -> Callable[[Server], Home | None]:
    """Return a function from a server to its own environment, each looked up once.

    `base` is the shared interpreter. The function returns None if nothing was installed.
    """
    known: dict[str, Home | None] = {}

    def home_of(server: Server) -> Home | None:
        if server.name not in known:
            record = record_of(server, base)
            known[server.name] = None if record is None else _home(record)
        return known[server.name]

    return home_of


def _home(record: Record) -> Home:
    own = record.environment
    return Home(None if own is None else _installation(own.python), own, record.fault)


@functools.cache
def _installation(python: str) -> Installation:
    return Installation(python)
