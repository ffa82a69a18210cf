"""One repetition: an A/B of the app `busy:app` with and without turns of its loop."""

import json
import shutil
import tempfile
import time
from math import expm1
from pathlib import Path

from asgi_bench.analysis.ab.block_effects import block_effects, usable_blocks
from asgi_bench.analysis.ab.rule import estimate_of
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import load_ab_plan
from asgi_bench.measurement.run import Order, carry_out
from asgi_bench.model import Gate, Run
from asgi_bench.model.metrics import CPU
from asgi_bench.store.folders import PHASES_FILE
from asgi_bench.store.runs import read_run
from gate.records import SHARES, Kind, Record, record_of
from gate.sides import say, side

# About a fifth of the request: far above the noise, and not so far that nothing is the same.
PROBE_TURNS = {"uvicorn": 600, "granian": 500, "hypercorn": 4000}
LEAST_PROBE_SHARE = 0.05
PROBE_BUDGET_S = 45.0
MOST_BLOCKS = 1000
LOCK_WAIT_S = 600.0


def measure(
    kind: Kind, number: int, *, server: str, turns_of_all: float, budget_s: float, duration_s: float
) -> Record:
    """Measure one repetition to the end of its budget; `turns_of_all` double a request's CPU."""
    turns = round(SHARES[kind] * turns_of_all)
    run, phases_s = _measured(server, turns, budget_s, duration_s)
    return record_of(run, kind, number, turns, phases_s)


def find_turns(server: str, duration_s: float) -> float:
    """Return how many turns would double the CPU time of a request, from an A/B with a few."""
    turns = PROBE_TURNS.get(server, 600)
    run, _ = _measured(server, turns, PROBE_BUDGET_S, duration_s)
    cell = run.header.plan.cells[0].cell.without_setup
    blocks, _ = usable_blocks(run.trials, cell)
    effects = block_effects(blocks, CPU)
    share = expm1(estimate_of(effects).mean)
    if share < LEAST_PROBE_SHARE:
        raise SystemExit(f"bench-gate: {turns} turns make {server} slower by {share:.2%} only")
    return turns / share


def _measured(
    server: str, turns: int, budget_s: float, duration_s: float
) -> tuple[Run, dict[str, float]]:
    # Kept, for the calibration in it; the runs are not.
    parent = Path(tempfile.gettempdir()) / "asgi-bench-gate"
    began_s = time.perf_counter()
    selection = Selection(servers=(server,), rounds=MOST_BLOCKS, duration_s=duration_s)
    # One look, at the end of the budget: earlier ones are replayed from the record.
    gate = Gate(looks=(1.0,), budget_s=budget_s, is_aa=turns == 0)
    plan = load_ab_plan(selection, side("baseline", 0), side("candidate", turns), gate)
    folders: list[Path] = []
    prepared_s = time.perf_counter() - began_s
    order = Order(plan, parent, lock_wait_s=LOCK_WAIT_S, prepared_s=prepared_s)
    try:
        carry_out(order, lambda event: None, announce=say, folder_made=folders.append)
        phases_s = json.loads((folders[0] / PHASES_FILE).read_text())
        return read_run(folders[0]), phases_s
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
