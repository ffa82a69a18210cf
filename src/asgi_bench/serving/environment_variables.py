"""The environment variables a server starts with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from asgi_bench.machine.reaper import MARK_NAME
from asgi_bench.secret_names import without_secrets

# A supervisor's, and asgiref's: they would change what is measured without a trace in argv. What a
# server reads in place of flags its runner file states (`unset`).
_SETTINGS = (
    "ASGI_THREADS",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    # A supervisor's own: a server would report to it.
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
)
# Coverage starts itself in every process by these.
_DEBUGGING_PREFIXES = ("COVERAGE_PROCESS_", "COV_CORE_")
# Python reads dozens of variables, more with each version: most turn on a mode for debugging,
# choose an allocator, or fix the hash seed, which then is one for all rounds (tox does it). What is
# kept finds modules, says how text is encoded, or is a limit that an app may need.
_PYTHONS_OWN = re.compile(r"PYTHON[A-Z0-9]+")
_PYTHONS_KEPT = (
    "PYTHONCOERCECLOCALE",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONINTMAXSTRDIGITS",
    "PYTHONIOENCODING",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSAFEPATH",
    "PYTHONTZPATH",
    "PYTHONUNBUFFERED",
    "PYTHONUSERBASE",
    "PYTHONUTF8",
)
# Newer ones have an underscore, as names of others have: PYTHON_VERSION is an image's.
_PYTHONS_NEWER = (
    "PYTHON_CONTEXT_AWARE_WARNINGS",
    "PYTHON_CPU_COUNT",
    "PYTHON_GIL",
    "PYTHON_JIT",
    "PYTHON_PERF_JIT_SUPPORT",
    "PYTHON_PRESITE",
    "PYTHON_THREAD_INHERIT_CONTEXT",
    "PYTHON_TLBC",
)

# What asgi-bench sets itself for a server's start, on purpose the same or different.
_OURS = ("ASGI_BENCH_", "PYTHONHASHSEED")
# Of all others the name alone is recorded, for a value may be a secret. These hold none, and decide
# how fast things are.
VALUES_TOLD = frozenset(
    (
        *("DEBUG", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LD_PRELOAD", "TZ"),
        *("GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_ARENA_TEST", "MALLOC_CONF"),
        *("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_"),
        *("MALLOC_TRIM_THRESHOLD_", "MIMALLOC_PAGE_RESET", "TCMALLOC_RELEASE_RATE"),
        *("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"),
        *("TOKIO_WORKER_THREADS", "UV_THREADPOOL_SIZE", "RUST_BACKTRACE", "RUST_LOG"),
        *("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE", "PYTHONMALLOC"),
        *("PYTHONNODEBUGRANGES", "PYTHONOPTIMIZE", "PYTHONTRACEMALLOC", "PYTHONUNBUFFERED"),
        *("PYTHONUTF8", "PYTHON_CPU_COUNT", "PYTHON_GIL", "PYTHON_JIT"),
    )
)


def recorded_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return what is recorded of an environment: every name, and values that contain no secret."""
    return {
        name: value if name in VALUES_TOLD else None
        for name, value in sorted(environment.items())
        if not name.startswith(_OURS)
    }


def server_environment(
    extra: Mapping[str, str],
    mark: str,
    unset: Iterable[str] = (),
    base: Mapping[str, str] | None = None,
    passed: Iterable[str] = (),
) -> dict[str, str]:
    """Our own environment without what would silently change a server, plus the cell's own.

    `unset` are patterns of names that servers read in place of flags. What may be a secret is left
    out too, unless its name is in `passed`. What the runner or the user states (`extra`) always
    counts, even a name that is otherwise dropped.
    """
    inherited = without_secrets(os.environ if base is None else base, passed)
    patterns = tuple(unset)
    kept = {
        name: value
        for name, value in inherited.items()
        if not _is_dropped(name) and not any(fnmatchcase(name, one) for one in patterns)
    }
    return {**kept, **extra, MARK_NAME: mark}


def _is_dropped(name: str) -> bool:
    if _PYTHONS_OWN.fullmatch(name):
        return name not in _PYTHONS_KEPT
    return name in (*_SETTINGS, *_PYTHONS_NEWER) or name.startswith(_DEBUGGING_PREFIXES)
