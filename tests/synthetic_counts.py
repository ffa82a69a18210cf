"""Runs that counted, of which nothing was started: known counts for tests of what reads them."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from asgi_bench.analysis.history.counted import Counted
from asgi_bench.model import (
    Cell,
    ClosedLoop,
    Gate,
    Machine,
    Plan,
    PlannedCell,
    RunHeader,
    Scenario,
    Setup,
)
from asgi_bench.model.counts import Backend, Counter, Life, Tally
from asgi_bench.store.counts import append_life
from asgi_bench.store.folders import run_id
from asgi_bench.store.runs import RunWriter
from tests.synthetic_run import MACHINE

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(1))
INSTRUCTIONS, CALLS = 113_500, 3
LAYOUTS = 4
SCATTER = 0.0004
CODE = {"libc.so.6": "aaaa", "python3.11": "bbbb", "uvloop/loop.so": "cccc"}


def counted_run(
    number: int = 0,
    more: float = 0.0,
    *,
    calls: int = CALLS,
    code: Mapping[str, str] = CODE,
    machine: Machine = MACHINE,
    packages: Mapping[str, str] | None = None,
    cells: tuple[PlannedCell, ...] = (PlannedCell(CELL, ("python",), server_version="1.2.3"),),
    fails: bool = False,
    is_ab: bool = False,
) -> Counted:
    """The run of that hour; a request takes `more` instructions than usual, as a share."""
    at = BEGAN + timedelta(hours=number)
    installed = dict(packages or {"uvloop": "0.22.1"})
    sides = ("baseline", "control", "candidate") if is_ab else (None,)
    planned = tuple(
        msgspec.structs.replace(one, cell=msgspec.structs.replace(one.cell, setup=side))
        for one in cells
        for side in sides
    )
    header = RunHeader(
        run_id=run_id(at, f"n{number}"),
        label=None,
        started_at=at.isoformat(timespec="seconds"),
        tool_version="0.1.0",
        plan=Plan(
            cells=planned,
            scenarios=(Scenario("hello", app="hello:app"),),
            rounds=LAYOUTS,
            duration_s=1.0,
            seed=1,
            reference=None,
            server_cpus=(0,),
            load_cpus=(1,),
            setups=tuple(
                Setup(side, "python", packages=installed, python_version=machine.python)
                for side in sides
                if side is not None
            ),
            gate=Gate() if is_ab else None,
        ),
        machine=machine,
        packages=installed,
    )
    chance = random.Random(number)
    lives = [
        life
        for one in planned
        if one.cell.setup != "control"
        for life in _lives(one.cell, more, calls, code, chance)
    ]
    if fails:
        lives[-1] = msgspec.structs.replace(lives[-1], tally=None, reason="was ended by SIGILL")
    return Counted(header, tuple(lives))


def _lives(
    cell: Cell, more: float, calls: int, code: Mapping[str, str], chance: random.Random
) -> list[Life]:
    found: list[Life] = []
    for layout in range(LAYOUTS):
        each = INSTRUCTIONS * (1 + more) * (1 + layout / 1000) * (1 + chance.gauss(0, SCATTER))
        for requests in (400, 2400):
            told = dict(code) if not found else {}
            total = 10**9 + round(each * requests)
            found.append(_life(cell, "instructions", "valgrind", layout, requests, total, told))
            total = 5000 + calls * requests
            found.append(_life(cell, "syscalls", "strace", layout, requests, total, {}))
    return found


def _life(
    cell: Cell,
    counter: Counter,
    backend: Backend,
    layout: int,
    requests: int,
    total: int,
    code: dict[str, str],
) -> Life:
    return Life(
        cell=cell.key,
        counter=counter,
        backend=backend,
        layout=layout,
        requests=requests,
        serving_s=3.0,
        tally=Tally(total, {}, 1),
        code=code,
    )


def store_counted(run: Counted, parent: Path) -> Path:
    """Write a run as a folder under `parent`, and return the folder."""
    with RunWriter(parent, run.header) as writer:
        for life in run.lives:
            append_life(writer.folder, life)
    return writer.folder
