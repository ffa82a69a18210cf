"""Runs over time, with a change where it is asked for: for tests of what reads them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from asgi_bench.analysis.history.series import (
    History,
    build_history,
    count_history,
    run_entry,
)
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.model import RatioPoint, Run, RunEntry, RunHeader, Source
from asgi_bench.store.folders import run_id
from tests.synthetic_run import planned_cells, store_run, synthetic_run

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SERVERS = ("uvicorn/default/", "granian/uvloop/")
TRACKED = "granian/uvloop/w1/hello/c64"
REFERENCE = "uvicorn/default/w1"
NOISE = 0.004


@cache
def _pattern() -> Run:
    cells = tuple(
        planned
        for planned in planned_cells(worker_counts=(1,))
        if planned.cell.key.startswith(SERVERS)
    )
    run = synthetic_run(cells, rounds=4, slices=1)
    trials = tuple(judge_trial(trial, run.header.plan) for trial in run.trials)
    return msgspec.structs.replace(run, trials=trials)


def run_at(
    number: int,
    factor: float = 1.0,
    edit: Callable[[RunHeader], RunHeader] = lambda header: header,
) -> Run:
    """The run of that hour; `factor` is what the tracked cell's throughput is multiplied with."""
    rng = np.random.default_rng(number)
    pattern = _pattern()
    at = BEGAN + timedelta(hours=number)
    header = msgspec.structs.replace(
        pattern.header,
        run_id=run_id(at, f"n{number}"),
        started_at=at.isoformat(timespec="seconds"),
        source=Source(commit=f"{number:03}" + "c" * 37, branch="main", subject=f"Commit {number}"),
    )
    trials = tuple(
        msgspec.structs.replace(
            trial,
            requests=round(
                trial.requests
                * (factor if trial.cell == TRACKED else 1.0)
                * float(np.exp(rng.normal(scale=NOISE)))
            ),
        )
        for trial in pattern.trials
    )
    return msgspec.structs.replace(pattern, header=edit(header), trials=trials)


def store_history(
    parent: Path,
    count: int,
    factors: Mapping[int, float] | None = None,
    edit: Callable[[RunHeader], RunHeader] = lambda header: header,
) -> list[Path]:
    """Store so many runs; from each number in `factors` on the tracked cell has that factor."""
    folders = []
    factor = 1.0
    for number in range(count):
        factor = (factors or {}).get(number, factor)
        folders.append(store_run(run_at(number, factor, edit), parent))
    return folders


@cache
def _entry() -> RunEntry:
    return run_entry(run_at(0), "0")


def ratio_history(
    ratio: Callable[[int], float],
    count: int = 20,
    *,
    facts: Mapping[int, Mapping[str, str]] | None = None,
    cells: int = 1,
    is_counted: bool = False,
    edit: Callable[[int, RunEntry], RunEntry] = lambda number, entry: entry,
) -> History:
    """A history of cells `s0/…`, `s1/…` with these ratios, which scatter by a thousandth.

    `facts` are the surroundings from each number in it on. With `is_counted` the ratios are counts
    of instructions. `edit` may change entries.
    """
    scatter = np.random.default_rng(1).normal(scale=0.001, size=count)
    environments = {str(number): each for number, each in {0: {}, **(facts or {})}.items()}
    metric = "instructions_per_request" if is_counted else "throughput_rps"
    reference = "" if is_counted else f"{REFERENCE}/hello/c64"
    entries = []
    for number in range(count):
        value = ratio(number) * float(np.exp(scatter[number]))
        entry = msgspec.structs.replace(
            _entry(),
            run_id=f"r{number:02}",
            started_at=(BEGAN + timedelta(hours=number)).isoformat(timespec="seconds"),
            source=Source(
                commit=f"{number:03}" + "c" * 37, branch="main", subject=f"Commit {number}"
            ),
            environment=str(max(one for one in map(int, environments) if one <= number)),
            points=tuple(
                RatioPoint(
                    f"s{cell}/default/w1/hello/c64",
                    metric,
                    reference,
                    value,
                    value * 0.99,
                    value * 1.01,
                )
                for cell in range(cells)
            ),
            is_counted=is_counted,
        )
        entries.append(edit(number, entry))
    return (count_history if is_counted else build_history)(entries, environments)
