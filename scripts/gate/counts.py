"""What is kept of each repetition of an A/B by counts, and the table of what the rule makes of it.

The side's app is `busy:app`, whose loop turns so often before each answer on the candidate's side.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from math import ceil, expm1, inf
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from asgi_bench.analysis.ab.counts import counts_verdict
from asgi_bench.counting.run import carry_out_counts
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import load_ab_plan
from asgi_bench.measurement.run import Order
from asgi_bench.model import AbReport, Gate, MetricVerdict, RunHeader, Verdict
from asgi_bench.model.counts import Life
from asgi_bench.model.metrics import LEAST_INSTRUCTIONS_CHANGE
from asgi_bench.store.counts import read_lives
from asgi_bench.store.runs import read_run
from gate.records import read_kept, without_places
from gate.sides import say, side
from gate.table import bounds

# What is injected: nothing, or 0.5 or 1 % more instructions of the whole request, and what a whole
# turn of the loop makes of that.
CountKind: TypeAlias = Literal["aa", "slow05", "slow1"]
COUNT_SHARES: dict[CountKind, float] = {"aa": 0.0, "slow05": 0.005, "slow1": 0.01}
NAMES: dict[CountKind, str] = {"aa": "A/A", "slow05": "0.5 % more", "slow1": "1 % more"}
PROBE_TURNS = 200
MOST_LAYOUTS = 1000
LOCK_WAIT_S = 600.0


class CountRecord(msgspec.Struct, frozen=True):
    """One repetition: all its lives, without their parts. `turns` were injected."""

    kind: CountKind
    number: int
    turns: int
    header: RunHeader
    lives: tuple[Life, ...]
    is_busy: bool = False
    """Whether a program of this script wanted all of each CPU meanwhile."""
    version: int = 1

    @property
    def judged(self) -> AbReport:
        """The verdict by the current rule and the current smallest change."""
        gate = self.header.plan.gate
        assert gate is not None
        gate = msgspec.structs.replace(gate, min_change=LEAST_INSTRUCTIONS_CHANGE)
        plan = msgspec.structs.replace(self.header.plan, gate=gate)
        header = msgspec.structs.replace(self.header, plan=plan)
        return counts_verdict(header, self.lives)

    @property
    def instructions(self) -> MetricVerdict | None:
        """What the verdict says of instructions."""
        (cell,) = self.judged.cells
        return next((one for one in cell.metrics if one.metric.startswith("instructions")), None)


class Series(NamedTuple):
    """A server under an interpreter, and how many repetitions of each kind are wanted of it."""

    server: str
    wanted: Mapping[CountKind, int]
    python: str | None = None
    """As in `3.12`; None for the one that runs this script."""
    most_verdict_s: float = inf
    """What a verdict may take; only a server that is counted with nothing beside it has a limit."""
    has_busy_half: bool = False
    """Whether every second repetition of a kind is made beside a program that wants all CPUs."""


# By the names of their folders. That a busy machine changes nothing is shown with uvicorn.
_FEW: Mapping[CountKind, int] = {"aa": 20, "slow1": 10}
_FEWER: Mapping[CountKind, int] = {"aa": 10, "slow1": 5}
SERIES: dict[str, Series] = {
    "uvicorn": Series(
        "uvicorn", {"aa": 60, "slow05": 30, "slow1": 30}, most_verdict_s=60.0, has_busy_half=True
    ),
    **{
        server: Series(server, _FEW)
        for server in ("hypercorn", "granian", "gunicorn-asgi", "daphne")
    },
    **{
        f"uvicorn@py{version}": Series("uvicorn", _FEWER, version, has_busy_half=True)
        for version in ("3.12", "3.13")
    },
}
# What each kind is to come to: at most so many regressions and improvements, or at least so many
# regressions, as a share of the repetitions; and the standard error of servers.
LEAST_CALLED: dict[CountKind, float] = {"slow05": 28 / 30, "slow1": 1.0}
MOST_STANDARD_ERROR = 0.0015


def measure_counts(
    kind: CountKind,
    number: int,
    *,
    series: Series,
    python: str,
    turns_of_all: float,
    budget_s: float,
) -> CountRecord:
    """Measure one repetition to the end of its budget; `turns_of_all` double a request.

    In a series with a busy half, another program wants all of each CPU in every second one of a
    kind.
    """
    turns = ceil(COUNT_SHARES[kind] * turns_of_all)
    is_busy = series.has_busy_half and number % 2 == 0
    with busy_cpus() if is_busy else nullcontext():
        header, lives = _counted(series.server, python, turns, budget_s)
    return CountRecord(kind, number, turns, header, lives, is_busy)


def find_count_turns(series: Series, python: str, budget_s: float) -> float:
    """Return how many turns would double the instructions of a request."""
    header, lives = _counted(series.server, python, PROBE_TURNS, budget_s)
    found = CountRecord("aa", 0, PROBE_TURNS, header, lives).instructions
    if found is None or found.effect.d <= 0:
        raise SystemExit(f"bench-count-gate: {PROBE_TURNS} turns cost {series.server} nothing")
    return PROBE_TURNS / found.effect.d


@contextmanager
def busy_cpus() -> Iterator[None]:
    """Another program that wants all of each CPU, until the end."""
    with ExitStack() as stack:
        for _ in os.sched_getaffinity(0):
            one = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(one.wait)
            stack.callback(one.kill)
        yield


def _counted(
    server: str, python: str, turns: int, budget_s: float
) -> tuple[RunHeader, tuple[Life, ...]]:
    parent = Path(tempfile.mkdtemp(prefix="asgi-bench-count-gate-"))
    began_s = time.perf_counter()
    selection = Selection(servers=(server,), rounds=MOST_LAYOUTS, connections=(1,))
    gate = Gate(
        looks=(1.0,), budget_s=budget_s, min_change=LEAST_INSTRUCTIONS_CHANGE, is_aa=turns == 0
    )
    sides = (side("baseline", 0, python), side("candidate", turns, python))
    plan = load_ab_plan(selection, *sides, gate)
    folders: list[Path] = []
    order = Order(plan, parent, lock_wait_s=LOCK_WAIT_S, prepared_s=time.perf_counter() - began_s)
    try:
        carry_out_counts(order, announce=say, folder_made=folders.append, budget_s=budget_s)
        bare = [
            msgspec.structs.replace(
                life, tally=life.tally and msgspec.structs.replace(life.tally, parts={})
            )
            for life in read_lives(folders[0])
        ]
        told = msgspec.json.encode(read_run(folders[0]).header)
        bare_header = without_places(told, Path(python).parents[1])
        return msgspec.json.decode(bare_header, type=RunHeader), tuple(bare)
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def read_count_records(folder: Path) -> list[CountRecord]:
    """Return the records of a folder in the order they were measured in."""
    found = read_kept(folder, CountRecord)
    return sorted(found, key=lambda record: record.header.started_at)


def count_table(name: str, records: Sequence[CountRecord]) -> list[str]:
    """The table of repetitions of one series, as lines of Markdown."""
    lines = [
        "| injected | turns | repetitions | regression | at least, at most (95 %) | others | "
        "found | standard error | layouts | time | target |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for kind, told_kind in NAMES.items():
        for is_busy in (False, True):
            mine = [one for one in records if one.kind == kind and one.is_busy == is_busy]
            told = [(one.judged, one.instructions) for one in mine]
            judged = [(report, found) for report, found in told if found is not None]
            if judged:
                label = f"{told_kind}, CPUs busy" if is_busy else told_kind
                # A program beside it takes half of the CPUs away.
                most_s = inf if is_busy else SERIES[name].most_verdict_s
                lines.append(_row(label, kind, mine[0].turns, judged, most_s))
    return lines


def _row(
    label: str,
    kind: CountKind,
    turns: int,
    judged: Sequence[tuple[AbReport, MetricVerdict]],
    most_s: float,
) -> str:
    verdicts = Counter(report.verdict for report, _ in judged)
    called = verdicts.pop("regression", 0)
    low, high = bounds(called, len(judged))
    others = ", ".join(f"{count} {word}" for word, count in sorted(verdicts.items()))
    effects = [found.effect.d for _, found in judged]
    error = median(expm1(found.standard_error or 0.0) for _, found in judged)
    time_s = median(report.duration_s for report, _ in judged)
    missed = [
        *_misses(kind, called, verdicts, len(judged)),
        *(["standard error"] if error > MOST_STANDARD_ERROR else []),
        *(["time"] if time_s > most_s else []),
    ]
    return (
        f"| {label} | {turns} | {len(judged)} | {called} | {low:.0%}, {high:.0%} | "
        f"{others or 'none'} | {min(effects):+.2%} to {max(effects):+.2%} | {error:.3%} | "
        f"{median(report.blocks for report, _ in judged):.0f} | {time_s:.0f} s | "
        f"{'missed: ' + ', '.join(missed) if missed else 'kept'} |"
    )


def _misses(
    kind: CountKind, called: int, others: Mapping[Verdict, int], count: int
) -> Iterator[str]:
    """What repetitions of a kind fall short of."""
    alarms = called + others.get("improvement", 0)
    if kind == "aa" and alarms:
        yield f"{alarms} false"
    least = LEAST_CALLED.get(kind, 0.0)
    if kind != "aa" and called < least * count:
        yield f"{called} of {count} called"


def standing(folder: Path, name: str) -> str:
    """How many repetitions a series has, of how many."""
    records = read_count_records(folder / name)
    told = [
        f"{sum(one.kind == kind for one in records)} of {most} {NAMES[kind]}"
        for kind, most in SERIES[name].wanted.items()
    ]
    return f"{name}: {', '.join(told)}"


def count_section(folder: Path) -> str:
    """The section on all servers with records: machine and table."""
    parts = []
    for server in sorted(folder.glob("*/"), key=lambda path: (path.name != "uvicorn", path.name)):
        records = read_count_records(server)
        if records:
            header = records[-1].header
            planned = header.plan.cells[0]
            parts.append(
                f"**{server.name} {planned.server_version}**, 1 worker, 1 connection, budget "
                f"{records[-1].judged.budget_s:g} s, smallest change "
                f"{LEAST_INSTRUCTIONS_CHANGE:.1%}: {records[0].header.started_at[:10]} on "
                f"{header.machine.cpu_model}, {header.machine.cpu_count} CPUs, "
                f"{header.plan.setups[0].python_version or header.machine.python}."
            )
            parts.append("\n".join(count_table(server.name, records)))
    return "\n\n".join(parts) or "Nothing has been recorded yet."
