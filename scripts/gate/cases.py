"""Cases of an A/B by counts that each show one thing: what the candidate has, and what is kept.

`alike` changes path, name and environment and nothing that is computed. `stat` asks the kernel once
more a request, `far` reads memory that is in no cache; `upgrade` is another version of a server.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from asgi_bench.analysis.ab.counts import counts_verdict
from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import load_ab_plan
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.model import AbReport, Gate, Machine, Plan, Role, RunHeader, Setup
from asgi_bench.model.counts import Life
from asgi_bench.model.metrics import LEAST_INSTRUCTIONS_CHANGE
from asgi_bench.reporting.explained import NOT_NAMED
from asgi_bench.reporting.numbers import significant
from asgi_bench.setups.build import built_setups
from asgi_bench.setups.spec import Asked
from asgi_bench.store.runs import read_run
from gate.pieces import LOCK_WAIT_S, begin, counted, go_on, without_functions
from gate.records import read_kept, without_places, write_record
from gate.sides import say

CaseName: TypeAlias = Literal["alike", "stat", "far", "upgrade"]
APPS = Path(__file__).resolve().parent / "apps"
APP = "changed"
OLDER = "uvicorn==0.37.0"
SERVER = "uvicorn"
# What is half done: each call goes on with it.
UNFINISHED = Path(tempfile.gettempdir()) / "asgi-bench-count-cases"
LONG_NAME = "changed_in_nothing_but_that_its_name_is_much_longer"
MOST_TOLD = 8
MOST_BLOCKS = 1000
BLOCK_DURATION_S = 0.6


class CaseRecord(msgspec.Struct, frozen=True):
    """One case, with all its lives."""

    kind: CaseName
    number: int
    header: RunHeader
    lives: tuple[Life, ...]
    version: int = 1

    @property
    def judged(self) -> AbReport:
        """The verdict by the current rule."""
        return counts_verdict(self.header, self.lives)


class Case(NamedTuple):
    """What is done to the candidate, in words; how its sides are made; how it is counted."""

    told: str
    sides: Callable[[Path], tuple[Setup, Setup]] | None
    layouts: int = 8
    explains: bool = False


def _side(role: Role, change: str = "none", *, folder: Path = APPS, app: str = APP) -> Setup:
    return Setup(
        name=role,
        python=sys.executable,
        app=f"{app}:app",
        app_dir=str(folder),
        env={"ASGI_BENCH_CHANGE": change},
        description=change,
        packages=Installation(sys.executable).versions,
    )


def _alike(place: Path) -> tuple[Setup, Setup]:
    longer = place / "a-folder-with-a-path-that-is-longer" / "by-some-hundred-letters" / ("x" * 60)
    longer.mkdir(parents=True, exist_ok=True)
    shutil.copy(APPS / f"{APP}.py", longer / f"{LONG_NAME}.py")
    other = _side("candidate", folder=longer, app=LONG_NAME)
    more = {"ASGI_BENCH_NOTHING": "x" * 300, "ASGI_BENCH_NOTHING_MORE": "x"}
    return _side("baseline"), msgspec.structs.replace(other, env={**other.env, **more})


def _changed(before: str, after: str) -> Callable[[Path], tuple[Setup, Setup]]:
    return lambda place: (_side("baseline", before), _side("candidate", after))


CASES: dict[CaseName, Case] = {
    "alike": Case("a longer path, name and environment, and nothing else", _alike),
    "upgrade": Case(f"`{OLDER}` to what is pinned", None, explains=True),
    "far": Case(
        "300 reads per request across 128 MiB instead of one page", _changed("near", "far")
    ),
    "stat": Case("one more `os.stat` per request", _changed("none", "stat")),
}


def measure_case(name: CaseName, folder: Path, deadline_s: float) -> CaseRecord | None:
    """Count what is left of a case; its record is written once it is complete."""
    case, place = CASES[name], UNFINISHED / name
    if not (place / "run.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        with _sides(case, place) as (baseline, candidate):
            begin(place, _plan(baseline, candidate))
    if not go_on(place, case.layouts, deadline_s, explains=case.explains):
        return None
    header, lives = counted(place)
    kept = lives if case.explains else tuple(map(without_functions, lives))
    record = CaseRecord(name, 1, header, kept)
    write_record(folder, record)
    shutil.rmtree(place)
    return record


@contextmanager
def _sides(case: Case, place: Path) -> Iterator[tuple[Setup, Setup]]:
    if case.sides is not None:
        yield case.sides(place)
        return
    asked = (Asked("baseline", texts=(OLDER,)), Asked("candidate", texts=("installed",)))
    with built_setups(asked, python=sys.executable, own_app=None, announce=say) as built:
        baseline, candidate = built
        yield baseline, candidate


def _plan(baseline: Setup, candidate: Setup) -> Plan:
    selection = Selection(servers=(SERVER,), rounds=1, connections=(1,))
    gate = Gate(looks=(1.0,), budget_s=60.0, min_change=LEAST_INSTRUCTIONS_CHANGE)
    return load_ab_plan(selection, baseline, candidate, gate)


class TimedCase(msgspec.Struct, frozen=True):
    """A change as an A/B by time sees it."""

    kind: str
    number: int
    report: AbReport
    machine: Machine
    version: int = 1


TOLD_OF_TIMED = {"far": CASES["far"].told}
TIMED: dict[str, Callable[[], tuple[Setup, Setup]]] = {
    "far": lambda: (_side("baseline", "near"), _side("candidate", "far")),
}


def measure_timed(name: str, folder: Path, budget_s: float) -> TimedCase:
    """Measure a change by time to the end of a budget, and keep the report."""
    parent = Path(tempfile.mkdtemp(prefix="asgi-bench-timed-case-"))
    gate = Gate(looks=(1.0,), budget_s=budget_s)
    selection = Selection(servers=(SERVER,), rounds=MOST_BLOCKS, duration_s=BLOCK_DURATION_S)
    plan = load_ab_plan(selection, *TIMED[name](), gate)
    folders: list[Path] = []
    order = Order(plan, parent, lock_wait_s=LOCK_WAIT_S)
    try:
        carry_out(order, lambda event: None, announce=say, folder_made=folders.append)
        run = read_run(folders[0])
        told = without_places(msgspec.json.encode(ab_report(run)))
        report = msgspec.json.decode(told, type=AbReport)
    finally:
        shutil.rmtree(parent, ignore_errors=True)
    record = TimedCase(name, 1, report, run.header.machine)
    write_record(folder, record)
    return record


def read_timed(folder: Path) -> list[TimedCase]:
    """Return the records of changes that were timed."""
    return read_kept(folder, TimedCase)


def read_cases(folder: Path) -> list[CaseRecord]:
    """Return the records of all cases."""
    order = list(CASES)
    return sorted(read_kept(folder, CaseRecord), key=lambda one: order.index(one.kind))


def case_table(records: Sequence[CaseRecord]) -> list[str]:
    """The verdict on each case, as lines of Markdown."""
    lines = [
        "| the candidate has | verdict | instructions | system calls | layouts |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for record in records:
        found = record.judged
        metrics = {one.metric: one for one in found.cells[0].metrics}
        instructions, calls = (
            metrics[f"{name}_per_request"] for name in ("instructions", "syscalls")
        )
        lines.append(
            f"| {CASES[record.kind].told} | {found.verdict} | {instructions.effect.d:+.2%} "
            f"({instructions.effect.lo or 0:+.2%} to {instructions.effect.hi or 0:+.2%}) | "
            f"{calls.effect.d:+.2f} | {instructions.blocks} |"
        )
    return lines


def timed_table(records: Sequence[TimedCase]) -> list[str]:
    """What time says of changes, as lines of Markdown."""
    lines = ["| the candidate has | by time | in |", "| --- | --- | ---: |"]
    for record in records:
        text = record.report.text.partition("; ")[0].partition(f"{record.report.cells[0].cell}: ")
        lines.append(
            f"| {TOLD_OF_TIMED[record.kind]} | {record.report.verdict}: {text[2]} | "
            f"{record.report.duration_s:.0f} s |"
        )
    return lines


def case_section(folder: Path) -> str:
    """The section of docs/measurements.md on single cases: verdicts by counts and by time."""
    records, timed = read_cases(folder), read_timed(folder / "time")
    parts = []
    if records:
        header = records[-1].header
        parts += [
            f"{SERVER} {header.plan.cells[-1].server_version}, {header.machine.python}, "
            f"{records[0].header.started_at[:10]}, by counts:",
            "\n".join(case_table(records)),
        ]
    if timed:
        parts += ["By time:", "\n".join(timed_table(timed))]
    for record in records:
        if record.judged.explanations:
            parts += [
                f"The explanation of {CASES[record.kind].told}, the largest changes of each "
                "kind, per request:",
                "\n".join(explained_lines(record)),
            ]
    return "\n\n".join(parts) or "Nothing has been recorded yet."


def explained_lines(record: CaseRecord) -> list[str]:
    """Where the sides of a case differ, the largest entries of each kind, as lines of Markdown."""
    lines = ["| by | entry | before | after |", "| --- | --- | ---: | ---: |"]
    for one in record.judged.explanations:
        for change in one.changes[:MOST_TOLD]:
            name = NOT_NAMED if change.name == "?" else f"`{change.name}`"
            old, new = (significant(value, 3, 2) for value in (change.baseline, change.candidate))
            lines.append(f"| {one.by.replace('_', ' ')} | {name} | {old} | {new} |")
    return lines
