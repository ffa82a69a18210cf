"""Runs of an A/B that were never measured: known effects for tests of the rule."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from asgi_bench.model import (
    ROLES,
    Cell,
    ClosedLoop,
    Gate,
    Plan,
    PlannedCell,
    Preparation,
    Role,
    Run,
    RunHeader,
    Scenario,
    Setup,
    Slice,
    Trial,
)
from tests.synthetic_run import MACHINE

CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(64))
BLOCK_S = 3.5
SLICES = 12
SLICE_S = 0.05
RATE_RPS = 20_000.0

# What becomes of a trial of a side.
Edit = Callable[[Trial, Role], Trial]


def ab_plan(gate: Gate, cells: Sequence[Cell] = (CELL,), rounds: int = 1000) -> Plan:
    """The plan of an A/B of these cells."""
    return Plan(
        cells=tuple(
            PlannedCell(msgspec.structs.replace(cell, setup=role), server_version="1.2.3")
            for cell in cells
            for role in ROLES
        ),
        scenarios=(Scenario("hello", app="hello:app"),),
        rounds=rounds,
        duration_s=SLICES * SLICE_S,
        seed=1,
        reference="uvicorn/default@baseline/w1",
        server_cpus=(0,),
        load_cpus=(1,),
        setups=tuple(Setup(role, "python") for role in ROLES),
        gate=gate,
    )


def ab_run(
    effect: float,
    *,
    blocks: int = 28,
    gate: Gate | None = None,
    control: float = 0.0,
    cells: Sequence[Cell] = (CELL,),
    noise: float = 0.005,
    edit: Edit = lambda trial, role: trial,
) -> Run:
    """A run whose candidate is slower by `effect`, and its control by `control`."""
    plan = ab_plan(gate or Gate(), cells)
    chance = np.random.default_rng(7)
    slowdowns: dict[Role, float] = {"baseline": 0.0, "control": control, "candidate": effect}
    trials = tuple(
        edit(_trial(cell, role, block, slowdowns[role], noise, chance), role)
        for block in range(blocks)
        for cell in cells
        for role in ROLES
    )
    header = RunHeader(
        "20261124T070000Z",
        None,
        "",
        "0.1.0",
        plan,
        MACHINE,
        preparation=Preparation(spent_s=0.5),
    )
    return Run(header, trials, folder="results/20261124T070000Z")


def _trial(
    cell: Cell,
    role: Role,
    block: int,
    slowdown: float,
    noise: float,
    chance: np.random.Generator,
) -> Trial:
    start = chance.normal(0, noise)
    pieces = []
    for index in range(SLICES):
        factor = (1 + slowdown) * float(np.exp(start + chance.normal(0, 2 * noise)))
        requests = round(RATE_RPS / factor * SLICE_S)
        begin_s = block * BLOCK_S + 1 + 3 * index * SLICE_S
        pieces.append(
            Slice(
                start_s=begin_s,
                end_s=begin_s + SLICE_S,
                duration_s=SLICE_S,
                requests=requests,
                sent=requests,
                errors=0,
                server_cpu_s=0.98 * SLICE_S,
                load_cpu_s=0.02,
            )
        )
    requests = sum(piece.requests for piece in pieces)
    return Trial(
        cell=msgspec.structs.replace(cell, setup=role).key,
        round=block,
        block=0,
        started_at="",
        outcome="ok",
        slices=tuple(pieces),
        requests=requests,
        sent_total=requests,
        server_cpu_s=sum(piece.server_cpu_s for piece in pieces),
        load_cpu_s=0.3,
        server_life_s=(block * BLOCK_S, (block + 1) * BLOCK_S),
        rules_version=1000,
    )
