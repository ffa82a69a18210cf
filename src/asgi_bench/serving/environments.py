"""The environment variables a server starts with."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Marks every process that a server's start leads to, wherever it moves: see `family`.
MARK_NAME = "ASGI_BENCH_SERVER"

# Read by servers in place of flags: they would change what is measured without a trace in argv.
_SETTINGS = (
    "ASGI_THREADS",
    "FORWARDED_ALLOW_IPS",
    "GUNICORN_CMD_ARGS",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "SERVER_SOFTWARE",
    "WEB_CONCURRENCY",
)
_SETTING_PREFIXES = ("DAPHNE_", "GRANIAN_", "GUNICORN_", "HYPERCORN_", "UVICORN_")
# Debugging and coverage of the one who measures slow down the measured.
_DEBUGGING = (
    "COVERAGE_PROCESS_CONFIG",
    "COVERAGE_PROCESS_START",
    "PYTHONASYNCIODEBUG",
    "PYTHONDEBUG",
    "PYTHONDEVMODE",
    "PYTHONDUMPREFS",
    "PYTHONFAULTHANDLER",
    "PYTHONINSPECT",
    "PYTHONMALLOC",
    "PYTHONMALLOCSTATS",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONTRACEMALLOC",
    "PYTHONVERBOSE",
    "PYTHONWARNINGS",
)


def server_environment(
    extra: Mapping[str, str], mark: str, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Our own environment without what would silently change a server, then the cell's own.

    What the runner or the user states (`extra`) always counts, even a name dropped otherwise.
    """
    inherited = os.environ if base is None else base
    kept = {name: value for name, value in inherited.items() if not _is_dropped(name)}
    return {**kept, **extra, MARK_NAME: mark}


def _is_dropped(name: str) -> bool:
    return name in _SETTINGS or name in _DEBUGGING or name.startswith(_SETTING_PREFIXES)
