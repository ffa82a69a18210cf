"""Trials of open loops and sweeps that were never measured: a queue with one server, by formula."""

import msgspec
import numpy as np

from asgi_bench.analysis.sweeps import bracket, next_rate_rps
from asgi_bench.model import (
    GENERATOR_LAG,
    RESPONSE_TIME,
    SERVICE_TIME,
    Cell,
    OpenFigures,
    OpenLoop,
    RateSweep,
    Slice,
    Trial,
)
from tests.synthetic_histograms import histogram_blob

# What the network and the event loops on both sides take of every response time.
BASE_S = 250e-6
CPU_S_PER_CAPACITY = 0.97

replace = msgspec.structs.replace


def open_trial(cell: Cell, trial: Trial, capacity_rps: float, duration_s: float) -> Trial:
    """The trial of an open loop: one slice of its whole schedule."""
    load = cell.load
    assert isinstance(load, OpenLoop)
    rate_rps = load.rate_rps or capacity_rps * (load.rate_share or 1.0)
    begin_s = trial.server_life_s[0] if trial.server_life_s else 0.0
    piece = open_slice(rate_rps, capacity_rps, duration_s, begin_s)
    response_s, samples = response_time_s(rate_rps, capacity_rps, duration_s), piece.requests
    return _with_slices(
        trial,
        (piece,),
        offered_rps=rate_rps,
        times_hdr={
            RESPONSE_TIME: histogram_blob(response_s, samples, spread=0.5),
            SERVICE_TIME: histogram_blob(0.9 * response_s, samples, spread=0.4),
        },
    )


def sweep_trial(cell: Cell, trial: Trial, capacity_rps: float, duration_s: float) -> Trial:
    """The trial of a sweep: a slice for each share, and those of the search."""
    load = cell.load
    assert isinstance(load, RateSweep)
    begin_s = trial.server_life_s[0] if trial.server_life_s else 0.0
    ceiling_rps = 0.98 * capacity_rps
    chance = np.random.default_rng(trial.round)
    steps = [
        open_step(ceiling_rps * share, capacity_rps, duration_s, begin_s + place)
        for place, share in enumerate(chance.permutation(load.shares).tolist())
    ]
    for _ in range(load.search_steps if load.objective is not None else 0):
        rate_rps = next_rate_rps(bracket(steps, load.objective)) if load.objective else None
        if rate_rps is not None:
            steps.append(open_step(rate_rps, capacity_rps, duration_s, begin_s + len(steps)))
    return _with_slices(trial, tuple(steps))


def open_step(rate_rps: float, capacity_rps: float, duration_s: float, start_s: float) -> Slice:
    """A step of a sweep: an open-loop slice with its rate and its response times."""
    piece = open_slice(rate_rps, capacity_rps, duration_s, start_s)
    response_s = response_time_s(rate_rps, capacity_rps, duration_s)
    return replace(
        piece,
        offered_rps=rate_rps,
        times_hdr={RESPONSE_TIME: histogram_blob(response_s, piece.requests, spread=0.5)},
    )


def open_slice(rate_rps: float, capacity_rps: float, duration_s: float, start_s: float) -> Slice:
    """A stretch of open-loop load on a server that can do so many requests per second.

    What it can't take waits, and is answered after the schedule's end.
    """
    due = max(int(rate_rps * duration_s), 1)
    excess_rps = max(rate_rps - capacity_rps, 0.0)
    waiting = int(response_time_s(rate_rps, capacity_rps, duration_s) * min(rate_rps, capacity_rps))
    steady = 0 if excess_rps else min(waiting, due // 100)
    drained_s = duration_s + excess_rps * duration_s / capacity_rps
    return Slice(
        start_s=start_s,
        end_s=start_s + drained_s,
        duration_s=drained_s,
        requests=due,
        sent=due,
        errors=0,
        server_cpu_s=min(CPU_S_PER_CAPACITY * due / capacity_rps, drained_s),
        load_cpu_s=12e-6 * due,
        open_loop=OpenFigures(
            due=due,
            sent_in_time=due - max(int(excess_rps * duration_s) - 256, 0),
            unsent=0,
            outstanding=tuple(
                steady + int(excess_rps * duration_s * quarter / 4) for quarter in range(1, 5)
            ),
            in_flight_max=min(3 * steady + 4 + int(excess_rps * duration_s), 256),
            spin_s=0.0,
        ),
        accounted_share=1.0,
    )


def response_time_s(rate_rps: float, capacity_rps: float, duration_s: float) -> float:
    """The median response time: that of M/D/1 below the capacity, half the schedule's lag above."""
    if rate_rps >= capacity_rps:
        return BASE_S + (rate_rps - capacity_rps) * duration_s / capacity_rps / 2
    used = rate_rps / capacity_rps
    return BASE_S + (1 + used / (2 * (1 - used))) / capacity_rps


def _with_slices(
    trial: Trial,
    slices: tuple[Slice, ...],
    times_hdr: dict[str, str] | None = None,
    **fields: object,
) -> Trial:
    """The trial with other slices, and what follows from them."""
    requests = sum(piece.requests for piece in slices)
    lag = histogram_blob(15e-6, requests, spread=0.4)
    return replace(
        trial,
        slices=slices,
        requests=requests,
        sent_total=requests + 640,
        server_cpu_s=sum(piece.server_cpu_s for piece in slices),
        load_cpu_s=sum(piece.load_cpu_s for piece in slices),
        times_hdr={GENERATOR_LAG: lag, **(times_hdr or {})},
        **fields,
    )
