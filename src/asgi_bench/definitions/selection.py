"""What a user asked to measure: every filter and knob, parsed but not yet looked up."""

import sys
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from asgi_bench.definitions.loads import OfferedRate
from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.errors import UsageError
from asgi_bench.model import Arrivals, Client, Goal, Objective

DEFAULT_SCENARIOS = ("hello",)


class Selection(msgspec.Struct, frozen=True):
    """Filters and knobs; an empty tuple of globs means all.

    `workers` None is the default plan: every variant with 1 worker, and each server's `default`
    variant with 2 as well. `connections` None is 64, or 256 as the cap of an open loop. With
    `rates` there are open loops alone, unless `closed`; `common_rate_rps` adds one open loop to
    each server's `default` variant with 1 worker. `seed` None has one drawn. CPU sets are numbers
    of CPUs, resolved. `own_app` takes the place of the scenarios; `stand_in`, as module:attribute,
    its folder and the one to start in, only that of their apps: it has to answer as they do.
    `python` is the servers' interpreter. `rounds` None is 6, or with a `goal` as many as it may
    look at; `reference` is server/variant, with or without workers, None
    uvicorn's where that is measured.
    """

    servers: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    workers: tuple[int, ...] | None = None
    scenarios: tuple[str, ...] = DEFAULT_SCENARIOS
    connections: tuple[int, ...] | None = None
    rates: tuple[OfferedRate, ...] = ()
    arrivals: Arrivals = "poisson"
    closed: bool = False
    common_rate_rps: float | None = None
    sweep: bool = False
    objective: Objective | None = None
    rounds: int | None = None
    duration_s: float = 2.0
    seed: int | None = None
    request_timeout_s: float = 5.0
    startup_timeout_s: float = 30.0
    runner_folders: tuple[Path, ...] = ()
    client: Client = "fast"
    server_cpus: tuple[int, ...] = ()
    load_cpus: tuple[int, ...] = ()
    load_processes: int = 1
    locustfile: str | None = None
    web_ui: bool = False
    server_args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    python: str = sys.executable
    own_app: OwnApp | None = None
    stand_in: tuple[str, Path, Path] | None = None
    goal: Goal | None = None
    reference: str | None = None


def matching(globs: Collection[str], names: Iterable[str], flag: str) -> list[str]:
    """Return the names that any glob matches, in their own order; all without a glob.

    Raises:
        UsageError: a glob that matches none of them; the text lists them all.
    """
    known = list(dict.fromkeys(names))
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in known):
            raise UsageError(f"{flag} {glob!r} matches nothing; there are: {', '.join(known)}")
    if not globs:
        return known
    return [name for name in known if any(fnmatchcase(name, glob) for glob in globs)]
