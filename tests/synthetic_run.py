"""Runs that were never measured but look like it: known figures for tests of the reading wing."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from asgi_bench.model import (
    GENERATOR_LAG,
    RESPONSE_TIME,
    SERVICE_TIME,
    Cell,
    ClosedLoop,
    ErrorCounts,
    Load,
    Machine,
    Objective,
    OpenLoop,
    Plan,
    PlannedCell,
    RateSweep,
    Run,
    RunHeader,
    Scenario,
    Slice,
    Trial,
)
from asgi_bench.store.runs import RunWriter
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_open_loop import open_trial, sweep_trial

# Throughput over that of uvicorn/default at 64 connections and one server CPU, and memory in
# MiB: what the shipped servers were once measured at.
SERVERS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("daphne", "default"): (0.21, 44),
    ("granian", "asyncio"): (1.54, 41),
    ("granian", "default"): (1.73, 42),
    ("granian", "uvloop"): (1.72, 42),
    ("gunicorn-asgi", "default"): (0.64, 47),
    ("gunicorn-uvicorn", "default"): (1.01, 52),
    ("hypercorn", "default"): (0.15, 39),
    ("hypercorn", "trio"): (0.08, 46),
    ("hypercorn", "uvloop"): (0.16, 41),
    ("uvicorn", "default"): (1.0, 38),
    ("uvicorn", "h11-asyncio"): (0.24, 33),
}
REFERENCE_RPS = 24_000.0
REFERENCE = "uvicorn/default/w1"
CLOSED_64 = ClosedLoop(connections=64)
SWEEP_SHARES = (0.1, 0.25, 0.5, 0.7, 0.85, 0.95, 1.1)
# A rate that the slowest servers can't take, a share, and a sweep with its search.
OPEN_AND_SWEEP = (
    OpenLoop(3000),
    OpenLoop(None, rate_share=0.5),
    RateSweep(SWEEP_SHARES, Objective(quantile=0.99, limit_s=0.02), search_steps=3),
)
DURATION_S = 2.0

MACHINE = Machine(
    fingerprint="3f9c2d71",
    hostname="bench-1",
    cpu_model="AMD EPYC 7763 64-Core Processor",
    cpu_count=2,
    memory_bytes=8_321_499_136,
    kernel="6.1.0-44-amd64",
    os="Debian GNU/Linux 12 (bookworm)",
    virtualization="kvm",
    governor=None,
    python="3.11.2",
    details={"load_average": "0.12 0.20 0.18"},
)


def planned_cells(
    loads: tuple[Load, ...] = (CLOSED_64,), worker_counts: tuple[int, ...] = (1, 2)
) -> tuple[PlannedCell, ...]:
    """Every variant with the first worker count, each `default` with the others, a block each."""
    cells = []
    for block, workers in enumerate(worker_counts):
        for server, variant in SERVERS:
            if block and variant != "default":
                continue
            for load in loads:
                is_reference = f"{server}/{variant}/w{workers}" == REFERENCE
                blocks = tuple(range(len(worker_counts))) if is_reference else (block,)
                cell = Cell(server, variant, workers, "hello", load)
                cells.append(
                    PlannedCell(
                        cell=cell,
                        command=("python", "-m", server, "--port", "{port}"),
                        server_version="1.2.3",
                        blocks=blocks,
                    )
                )
    return tuple(cells)


def plan_of(cells: tuple[PlannedCell, ...], rounds: int = 5, seed: int = 20261122) -> Plan:
    """A plan of two CPUs, one for each side."""
    return Plan(
        cells=cells,
        scenarios=(Scenario(name="hello", app="hello:app", expect_body="Hello, world!"),),
        rounds=rounds,
        duration_s=2.0,
        seed=seed,
        reference=REFERENCE,
        server_cpus=(0,),
        load_cpus=(1,),
    )


def header_of(plan: Plan) -> RunHeader:
    """The header of a run of that plan."""
    return RunHeader(
        run_id="20261122T190000Z-synthetic",
        label="synthetic",
        started_at="2026-11-22T19:00:00Z",
        tool_version="0.1.0",
        plan=plan,
        machine=MACHINE,
        packages={"uvicorn": "0.54.0", "granian": "2.8.7"},
        command_line=("asgi-bench", "run", "--label", "synthetic"),
    )


def synthetic_run(
    cells: tuple[PlannedCell, ...] | None = None,
    *,
    rounds: int = 5,
    slices: int = 4,
    seed: int = 7,
    edit: Callable[[Trial], Trial] = lambda trial: trial,
) -> Run:
    """A run of all shipped servers: noise of the machine, of the process and of the trial.

    In each round the machine is faster or slower for all (coefficient of variation 18 %), each
    process differs by 2 % and each trial by 0.5 %. `edit` may spoil trials. The same arguments
    give the same run.
    """
    cells = planned_cells() if cells is None else cells
    plan = plan_of(cells, rounds=rounds)
    random = np.random.default_rng(seed)
    trials: list[Trial] = []
    for number in range(rounds):
        for block in sorted({block for planned in cells for block in planned.blocks}):
            phase = random.lognormal(0, 0.18)
            for planned in cells:
                if block in planned.blocks and planned.skip_reason is None:
                    noise = phase * random.lognormal(0, 0.02) * random.lognormal(0, 0.005)
                    trial = make_trial(planned.cell, number, block, noise=noise, slices=slices)
                    trials.append(edit(trial))
    return Run(header=header_of(plan), trials=tuple(trials), folder="")


def make_trial(
    cell: Cell, number: int, block: int, *, noise: float = 1.0, slices: int = 4
) -> Trial:
    """One trial of a cell, 2 s under load, at the server's known throughput times the noise.

    In an open loop, and at each step of a sweep, that throughput is what the server can take.
    """
    ratio, memory_mib = SERVERS.get((cell.server, cell.variant), (1.0, 40.0))
    connections = cell.load.connections
    rps = REFERENCE_RPS * ratio * noise * (connections / (connections + 16)) * 1.25
    rps *= 0.96 if cell.workers > 1 else 1.0
    begin_s = 60.0 * number + 30.0 * block
    trial = Trial(
        cell=cell.key,
        round=number,
        block=block,
        started_at=f"2026-11-22T19:{number:02}:{block * 30:02}Z",
        outcome="ok",
        log=f"logs/{cell.key}/{number}.log",
        server_user_s=1.4,
        server_pss_idle_bytes=int(memory_mib * 2**20 * (0.35 + 0.5 * cell.workers)),
        server_pss_peak_bytes=int(memory_mib * 2**20 * (0.42 + 0.61 * cell.workers)),
        voluntary_switches=1200,
        involuntary_switches=90,
        server_system_s=0.6,
        server_pss_bytes=int(memory_mib * 2**20 * (0.4 + 0.6 * cell.workers)) + number * 4096,
        server_life_s=(begin_s, begin_s + 29.0),
        startup_s=0.6,
        stop_s=0.2,
        server_cpus=(0,),
        load_cpus=(1,),
        cpu_s_by_process={str(4711 + n): 2.0 / cell.workers for n in range(cell.workers)},
        connections_by_process={
            str(4711 + n): connections // cell.workers for n in range(cell.workers)
        },
        response_bytes=149,
    )
    match cell.load:
        case OpenLoop():
            return open_trial(cell, trial, rps, DURATION_S)
        case RateSweep():
            return sweep_trial(cell, trial, rps, DURATION_S)
    return _closed_trial(trial, rps, connections, slices)


def _closed_trial(trial: Trial, rps: float, connections: int, slices: int) -> Trial:
    """The trial of a closed loop in so many slices."""
    requests = max(int(rps * DURATION_S), 1)
    begin_s = trial.server_life_s[0] if trial.server_life_s else 0.0
    pieces = _slices(requests, DURATION_S, slices, begin_s)
    response = histogram_blob(connections / rps, requests - connections, spread=0.25)
    return msgspec.structs.replace(
        trial,
        slices=pieces,
        requests=requests,
        sent_total=requests + 640,
        times_hdr={
            RESPONSE_TIME: response,
            SERVICE_TIME: response,
            GENERATOR_LAG: histogram_blob(15e-6, requests - connections, spread=0.4),
        },
        server_cpu_s=sum(piece.server_cpu_s for piece in pieces),
        load_cpu_s=sum(piece.load_cpu_s for piece in pieces),
    )


def _slices(requests: int, duration_s: float, slices: int, start_s: float) -> tuple[Slice, ...]:
    """A trial's load in equal parts; the server busy, the generator as its rate demands."""
    share, rest = divmod(requests, slices)
    length_s = duration_s / slices
    return tuple(
        Slice(
            start_s=start_s + 0.5 * place,
            end_s=start_s + 0.5 * place + length_s,
            duration_s=length_s,
            requests=share + (rest if place == 0 else 0),
            sent=share + (rest if place == 0 else 0),
            errors=0,
            server_cpu_s=0.985 * length_s,
            load_cpu_s=min(10e-6 * share, 0.85 * length_s),
        )
        for place in range(slices)
    )


def metered(piece: Slice, **told: float | None) -> Slice:
    """The slice with what meters told of it beside; None takes away what one did."""
    meters = {**piece.meters, **told}
    return msgspec.structs.replace(
        piece, meters={name: value for name, value in meters.items() if value is not None}
    )


def with_errors(trial: Trial, share: float) -> Trial:
    """The trial with that share of its answers wrong."""
    pieces = tuple(_spoilt(piece, share) for piece in trial.slices)
    wrong = sum(piece.errors for piece in pieces)
    counts = ErrorCounts(status=wrong - wrong // 4, reset=wrong // 4)
    return msgspec.structs.replace(
        trial,
        slices=pieces,
        requests=trial.requests - wrong,
        errors=counts,
        errors_total=counts,
    )


def _spoilt(piece: Slice, share: float) -> Slice:
    """The slice with that share of its answers wrong."""
    wrong = max(int(piece.requests * share), 1)
    return msgspec.structs.replace(piece, requests=piece.requests - wrong, errors=wrong)


def failed(trial: Trial, reason: str) -> Trial:
    """The trial as it is stored when the server failed before the load."""
    return Trial(
        cell=trial.cell,
        round=trial.round,
        block=trial.block,
        started_at=trial.started_at,
        outcome="failed",
        reason=reason,
        log=trial.log,
    )


def troubled_run(rounds: int = 5) -> Run:
    """A run in which everything went wrong that a report must show."""
    cells = tuple(
        msgspec.structs.replace(
            planned, skip_reason="not installed: pip install 'gunicorn[fast]'", command=()
        )
        if planned.cell.server == "gunicorn-asgi"
        else planned
        for planned in planned_cells()
    )
    return synthetic_run(cells, rounds=rounds, edit=partial(_spoil, rounds=rounds))


def _spoil(trial: Trial, rounds: int) -> Trial:
    """What goes wrong with which cell in which round."""
    replace = msgspec.structs.replace
    match trial.cell.split("/")[:3]:
        case ["hypercorn", "trio", _] if trial.round < rounds - 1:
            return failed(
                trial, "exited with 1 before it was ready: \x1b[31mOSError\x1b[0m: [Errno 98]"
            )
        case ["granian", "uvloop", _] if trial.round % 2 == 0:
            return with_errors(trial, 0.02)
        case ["granian", "default", "w1"]:
            return replace(trial, server_cpu_s=1.1, load_cpu_s=1.97)
        case ["daphne", "default", "w1"] if trial.round == 1:
            return replace(trial, workers_lost=1)
        case ["hypercorn", "uvloop", _]:
            return with_errors(trial, 0.0002)
        case ["uvicorn", "h11-asyncio", _]:
            return replace(trial, server_cpu_s=1.2)
    return trial


def store_run(run: Run, parent: Path) -> Path:
    """Write a run as a folder under `parent`, and return the folder."""
    with RunWriter(parent, run.header) as writer:
        for trial in run.trials:
            writer.append(trial)
    return writer.folder
