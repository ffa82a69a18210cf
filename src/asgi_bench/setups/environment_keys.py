"""What tells built environments apart: a hash of all that their content depends on."""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from asgi_bench.definitions.installed import Installation
from asgi_bench.setups.cache import KEY_LENGTH, content_digest
from asgi_bench.setups.spec import Line
from asgi_bench.setups.worktrees import description_of

# Raised when environments are built otherwise than before.
FORMAT = 1
# What pip and compilers are told by the environment decides what is built: an index, a constraint,
# an optimisation.
_SETTINGS = frozenset(
    ("ARCHFLAGS", "CC", "CFLAGS", "CPPFLAGS", "CXX", "CXXFLAGS", "LDFLAGS", "RUSTFLAGS")
)
_PREFIXES = ("PIP_", "SETUPTOOLS_SCM_PRETEND_VERSION")
# These name files, and count by what stands there.
_FILES = frozenset(("PIP_BUILD_CONSTRAINT", "PIP_CONFIG_FILE", "PIP_CONSTRAINT", "PIP_REQUIREMENT"))


class Site(msgspec.Struct, frozen=True):
    """What an interpreter is, and the folders that hold its packages."""

    version: str
    folders: tuple[str, ...]


def environment_key(
    base: str, site: Site, lines: Sequence[Line], environ: Mapping[str, str]
) -> str:
    """Return the name of the environment with `lines` in front of the interpreter `base`.

    `environ` is what it will be built with.
    """
    parts = [
        FORMAT,
        base,
        site,
        Installation(base).versions,
        [_meaning(line) for line in lines],
        _settings(environ),
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
