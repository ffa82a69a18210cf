"""What is kept of each repetition of an A/B: its slices as columns, and all that judging takes."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

import msgspec

from asgi_bench.model import (
    ROLES,
    Cell,
    ClosedLoop,
    Gate,
    Machine,
    Outcome,
    Plan,
    PlannedCell,
    Preparation,
    Reason,
    Role,
    Run,
    RunHeader,
    Slice,
    Trial,
    ValidityLevel,
)

# What is injected: nothing, or 2, 3 or 5 % more CPU time of the whole request.
Kind: TypeAlias = Literal["aa", "slow2", "slow3", "slow5"]
SHARES: dict[Kind, float] = {"aa": 0.0, "slow2": 0.02, "slow3": 0.03, "slow5": 0.05}
# Version 1 has the codes of findings alone; in version 2 slices have no steady part, and the load
# generator's CPU time isn't kept.
RECORD_VERSION = 3
SUFFIX = ".json.gz"
ROOT = Path(__file__).resolve().parents[2]


def without_places(told: bytes, *environments: Path) -> bytes:
    """Return JSON without where this checkout, these environments and this user's files lie."""
    # The most special first: an environment may lie in either of the others.
    places = {one: f"/{one.name}" for one in environments}
    for place, name in {**places, ROOT: "/asgi-bench", Path.home(): "/home"}.items():
        told = told.replace(str(place).encode(), name.encode())
    return told


class Columns(msgspec.Struct, frozen=True):
    """A trial's slices, a column each: whole microseconds and counts."""

    start_us: tuple[int, ...]
    duration_us: tuple[int, ...]
    requests: tuple[int, ...]
    sent: tuple[int, ...]
    cpu_us: tuple[int, ...]
    steady_us: tuple[int, ...] = ()
    """0 where a slice has no steady part; as are all in older records."""
    steady_requests: tuple[int, ...] = ()
    load_cpu_us: tuple[int, ...] = ()


class RecordedTrial(msgspec.Struct, frozen=True):
    """One side in one block; `end_s` is when its server had stopped."""

    block: int
    side: Role
    outcome: Outcome
    validity: ValidityLevel
    end_s: float
    slices: Columns
    reason: str | None = None
    codes: tuple[str, ...] = ()
    findings: tuple[Reason, ...] = ()

    @property
    def validity_reasons(self) -> tuple[Reason, ...]:
        """The findings; of a record that has their codes alone, each as bad as the worst was."""
        told = (Reason(code, self.validity, None, None, code) for code in self.codes)
        return self.findings or tuple(told)


class RecordedGate(Gate, frozen=True):
    """The rule's settings, and what was gone of the budget when the run began."""

    spent_s: float | None = None


class Record(msgspec.Struct, frozen=True):
    """One repetition, measured to the end of its budget: what the rule stops at can be replayed.

    `turns` of an empty loop were injected into the candidate's app.
    """

    kind: Kind
    number: int
    turns: int
    cell: Cell
    gate: RecordedGate
    started_at: str
    seed: int
    tool_version: str
    server_version: str | None
    machine: Machine
    duration_s: float
    phases_s: dict[str, float]
    trials: tuple[RecordedTrial, ...]
    version: int = RECORD_VERSION


def record_of(run: Run, kind: Kind, number: int, turns: int, phases_s: dict[str, float]) -> Record:
    """Return what is kept of a stored A/B of one cell."""
    header = run.header
    planned = header.plan.cells[0]
    assert header.plan.gate is not None
    sides = {one.cell.key: one.cell.setup for one in header.plan.cells}
    return Record(
        kind=kind,
        number=number,
        turns=turns,
        cell=planned.cell.without_setup,
        gate=RecordedGate(
            **msgspec.structs.asdict(header.plan.gate), spent_s=header.preparation.spent_s
        ),
        started_at=header.started_at,
        seed=header.plan.seed,
        tool_version=header.tool_version,
        server_version=planned.server_version,
        machine=header.machine,
        duration_s=header.plan.duration_s,
        phases_s=phases_s,
        trials=tuple(
            _recorded(trial, side)
            for trial in run.trials
            for side in ROLES
            if side == sides[trial.cell]
        ),
    )


def run_of(record: Record, gate: Gate) -> Run:
    """Return a record as the run it came from, as far as judging goes, to be judged by a gate."""
    cells = {side: msgspec.structs.replace(record.cell, setup=side) for side in ROLES}
    rounds = 1 + max((trial.block for trial in record.trials), default=0)
    plan = Plan(
        cells=tuple(PlannedCell(cell) for cell in cells.values()),
        scenarios=(),
        # It was the budget that ended it, not a number of rounds.
        rounds=10 * rounds,
        duration_s=record.duration_s,
        seed=record.seed,
        reference=None,
        gate=msgspec.structs.replace(gate, budget_s=record.gate.budget_s),
    )
    header = RunHeader(
        run_id=f"{record.kind}-{record.number:02}",
        label=None,
        started_at=record.started_at,
        tool_version=record.tool_version,
        plan=plan,
        preparation=Preparation(spent_s=record.gate.spent_s or 0.0),
        machine=record.machine,
    )
    trials = tuple(_trial(trial, cells[trial.side].key) for trial in record.trials)
    return Run(header, trials, folder="")


class Kept(Protocol):
    """What a folder of repetitions holds: each names its kind and its number of that kind."""

    @property
    def kind(self) -> str:
        """What was injected."""

    @property
    def number(self) -> int:
        """Of its kind."""


T = TypeVar("T")


def write_record(folder: Path, record: Kept) -> Path:
    """Store a record, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.kind}-{record.number:02}{SUFFIX}"
    partial = path.with_suffix(".partial")
    partial.write_bytes(gzip.compress(msgspec.json.encode(record), mtime=0))
    partial.replace(path)
    return path


def read_kept(folder: Path, kind: type[T]) -> list[T]:
    """Return the records of a folder, by name."""
    return [
        msgspec.json.decode(gzip.decompress(path.read_bytes()), type=kind)
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    ]


def read_records(folder: Path) -> list[Record]:
    """Return the records of a folder in the order they were measured in."""
    return sorted(read_kept(folder, Record), key=lambda record: record.started_at)


def _recorded(trial: Trial, side: Role) -> RecordedTrial:
    life_s = trial.server_life_s
    return RecordedTrial(
        block=trial.round,
        side=side,
        outcome=trial.outcome,
        validity=trial.validity,
        end_s=round(life_s[1], 3) if life_s else 0.0,
        slices=Columns(
            start_us=_us(piece.start_s for piece in trial.slices),
            duration_us=_us(piece.duration_s for piece in trial.slices),
            requests=tuple(piece.requests for piece in trial.slices),
            sent=tuple(piece.sent for piece in trial.slices),
            cpu_us=_us(piece.server_cpu_s for piece in trial.slices),
            steady_us=_us(piece.steady_s or 0.0 for piece in trial.slices),
            steady_requests=tuple(piece.steady_requests or 0 for piece in trial.slices),
            load_cpu_us=_us(piece.load_cpu_s for piece in trial.slices),
        ),
        reason=trial.reason,
        findings=trial.validity_reasons,
    )


def _us(values_s: Iterable[float]) -> tuple[int, ...]:
    return tuple(round(value_s * 1e6) for value_s in values_s)


def _trial(recorded: RecordedTrial, key: str) -> Trial:
    columns = recorded.slices
    absent = (0,) * len(columns.start_us)
    pieces = tuple(
        Slice(
            start_s=start / 1e6,
            end_s=(start + duration) / 1e6,
            duration_s=duration / 1e6,
            requests=requests,
            sent=sent,
            errors=sent - requests,
            server_cpu_s=cpu / 1e6,
            load_cpu_s=load / 1e6,
            steady_requests=steady_requests or None,
            steady_s=steady / 1e6 or None,
        )
        for start, duration, requests, sent, cpu, steady, steady_requests, load in zip(
            columns.start_us,
            columns.duration_us,
            columns.requests,
            columns.sent,
            columns.cpu_us,
            columns.steady_us or absent,
            columns.steady_requests or absent,
            columns.load_cpu_us or absent,
            strict=True,
        )
    )
    return Trial(
        cell=key,
        round=recorded.block,
        block=0,
        started_at="",
        outcome=recorded.outcome,
        reason=recorded.reason,
        slices=pieces,
        requests=sum(columns.requests),
        server_cpu_s=sum(columns.cpu_us) / 1e6,
        server_life_s=(0.0, recorded.end_s),
        validity=recorded.validity,
        validity_reasons=recorded.validity_reasons,
    )


def cell_of(server: str) -> Cell:
    """Return what is measured of a server."""
    return Cell(server, "default", 1, "hello", ClosedLoop(64))
