"""What is kept of each repetition of an A/B by counts, and the table of what the rule makes of it.

The side's app is `busy:app`, whose loop turns so often before each answer on the candidate's side.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from math import ceil, expm1
from pathlib import Path
from statistics import median
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.analysis.ab.counts import counts_verdict
from asgi_bench.counting.run import carry_out_counts
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import load_ab_plan
from asgi_bench.measurement.run import Order
from asgi_bench.model import AbReport, Gate, MetricVerdict, RunHeader
from asgi_bench.model.counts import Life
from asgi_bench.model.metrics import LEAST_INSTRUCTIONS_CHANGE
from asgi_bench.store.counts import read_lives
from asgi_bench.store.runs import read_run
from gate.records import read_kept
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
ROOT = Path(__file__).resolve().parents[2]


class CountRecord(msgspec.Struct, frozen=True):
    """One repetition: all its lives, without their parts. `turns` were injected."""

    kind: CountKind
    number: int
    turns: int
    header: RunHeader
    lives: tuple[Life, ...]
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


def measure_counts(
    kind: CountKind, number: int, *, server: str, turns_of_all: float, budget_s: float
) -> CountRecord:
    """Measure one repetition to the end of its budget; `turns_of_all` double a request."""
    turns = ceil(COUNT_SHARES[kind] * turns_of_all)
    header, lives = _counted(server, turns, budget_s)
    return CountRecord(kind, number, turns, header, lives)


def find_count_turns(server: str, budget_s: float) -> float:
    """Return how many turns would double the instructions of a request."""
    header, lives = _counted(server, PROBE_TURNS, budget_s)
    found = CountRecord("aa", 0, PROBE_TURNS, header, lives).instructions
    if found is None or found.effect.d <= 0:
        raise SystemExit(f"bench-count-gate: {PROBE_TURNS} turns cost {server} nothing")
    return PROBE_TURNS / found.effect.d


def _counted(server: str, turns: int, budget_s: float) -> tuple[RunHeader, tuple[Life, ...]]:
    parent = Path(tempfile.mkdtemp(prefix="asgi-bench-count-gate-"))
    began_s = time.perf_counter()
    selection = Selection(servers=(server,), rounds=MOST_LAYOUTS, connections=(1,))
    gate = Gate(
        looks=(1.0,), budget_s=budget_s, min_change=LEAST_INSTRUCTIONS_CHANGE, is_aa=turns == 0
    )
    plan = load_ab_plan(selection, side("baseline", 0), side("candidate", turns), gate)
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
        return _without_places(read_run(folders[0]).header), tuple(bare)
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def _without_places(header: RunHeader) -> RunHeader:
    """The header without where this checkout lies."""
    told = msgspec.json.encode(header).replace(str(ROOT).encode(), b"/asgi-bench")
    return msgspec.json.decode(told, type=RunHeader)


def read_count_records(folder: Path) -> list[CountRecord]:
    """Return the records of a folder in the order they were measured in."""
    found = read_kept(folder, CountRecord)
    return sorted(found, key=lambda record: record.header.started_at)


def count_table(records: Sequence[CountRecord]) -> list[str]:
    """The table of repetitions of one server, as lines of Markdown."""
    lines = [
        "| injected | turns | repetitions | regression | at least, at most (95 %) | others | "
        "found | standard error | layouts | time |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for kind, name in NAMES.items():
        mine = [record for record in records if record.kind == kind]
        told = [(one.judged, one.instructions) for one in mine]
        judged = [(report, found) for report, found in told if found is not None]
        if not judged:
            continue
        verdicts = Counter(report.verdict for report, _ in judged)
        called = verdicts.pop("regression", 0)
        low, high = bounds(called, len(judged))
        others = ", ".join(f"{count} {word}" for word, count in sorted(verdicts.items()))
        effects = [found.effect.d for _, found in judged]
        errors = [expm1(found.standard_error or 0.0) for _, found in judged]
        lines.append(
            f"| {name} | {mine[0].turns} | {len(judged)} | {called} | {low:.0%}, {high:.0%} | "
            f"{others or 'none'} | {min(effects):+.2%} to {max(effects):+.2%} | "
            f"{median(errors):.3%} | {median(report.blocks for report, _ in judged):.0f} | "
            f"{median(report.duration_s for report, _ in judged):.0f} s |"
        )
    return lines


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
                f"{header.machine.cpu_model}, {header.machine.cpu_count} CPUs, which other "
                f"programs kept busy, {header.machine.python}."
            )
            parts.append("\n".join(count_table(records)))
    return "\n\n".join(parts) or "Nothing has been recorded yet."
