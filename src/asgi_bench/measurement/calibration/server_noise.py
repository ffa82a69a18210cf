"""How noisy slices are on this machine, measured on real servers as a run measures them."""

import random
from collections.abc import Iterable, Sequence
from math import log

import msgspec

from asgi_bench.analysis.slice_noise import (
    LENGTH_TOLERANCE,
    coefficient_of_variation,
    lag1_autocorrelation,
    length_effects,
    log_mean,
    shortest_length_s,
    slice_losses,
    start_variation,
)
from asgi_bench.load.messages import Load, Loaded
from asgi_bench.measurement.calibration.calibration_context import (
    CONNECTIONS,
    CalibrationContext,
    name_of,
)
from asgi_bench.measurement.lead_ins import FIRST_S as LEAD_IN_S
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.schedule import (
    SERVERS,
    Visits,
    even_visits,
    schedule,
    slice_duration_s,
)
from asgi_bench.model import PlannedCell
from asgi_bench.model.calibration import AAFloor, SliceLengths, SliceNoise

# The lengths that are compared, and how many slices of each a segment of time has for either
# server. Neighbouring slices of a busy host differ alike whatever their length, so what counts is
# their number: with as much load for each, the one slice of 500 ms would decide how sure all is.
SLICES_BY_LENGTH_S = {0.02: 5, 0.1: 2, 0.5: 1}
SEGMENT_LOAD_S = 2 * sum(length_s * slices for length_s, slices in SLICES_BY_LENGTH_S.items())
AA_DURATION_S = 0.75
# Of one server alone, and of neighbours: many fit, and each displaces what is in a core's caches.
SHORT_SLICE_S = 0.02


def measure_noise(context: CalibrationContext, server: RunningServer, slices: int) -> SliceNoise:
    """The scatter of short slices of one server, one right after another."""
    context.enter("the noise of short slices")
    context.open("noise", server)
    command = Load("noise", SHORT_SLICE_S)
    rates_rps = [context.load(command).throughput_rps for _ in range(slices)]
    context.close("noise")
    return SliceNoise(
        server=name_of(server.cells[0]),
        slice_s=SHORT_SLICE_S,
        slices=slices,
        coefficient_of_variation=coefficient_of_variation(rates_rps),
        lag1_autocorrelation=lag1_autocorrelation(rates_rps),
    )


def measure_lengths(
    context: CalibrationContext,
    server: RunningServer,
    reference: RunningServer,
    neighbours: Sequence[RunningServer],
    segments: int,
) -> SliceLengths:
    """The ratio of two servers in slices of each length, all lengths in each segment of time.

    Before each slice a neighbour has one, and then the server its lead-in, as in a run: what a
    short slice may cost is beginning with caches full of others' data.
    """
    context.enter("whether short slices change ratios")
    sides = {"server": server, "reference": reference}
    others = {f"neighbour-{number}": each for number, each in enumerate(neighbours)}
    sessions = {**sides, **others}
    for name, standing in sessions.items():
        context.open(name, standing)
    chance = random.Random(f"{context.plan.seed}/calibration/lengths")
    rates_rps: dict[float, list[tuple[float, float]]] = {
        length_s: [] for length_s in SLICES_BY_LENGTH_S
    }
    for _ in range(segments):
        for length_s, pair in _segment(context, chance, tuple(sides), tuple(others)).items():
            rates_rps[length_s].append(pair)
    for name in sessions:
        context.close(name)
    effects = length_effects(rates_rps, SLICES_BY_LENGTH_S)
    names = (name_of(server.cells[0]), name_of(reference.cells[0]))
    return SliceLengths(
        server=names[0],
        reference=names[1],
        connections=CONNECTIONS,
        segments=segments,
        tolerance=LENGTH_TOLERANCE,
        lengths=effects,
        shortest_slice_s=shortest_length_s(effects, SERVERS.shortest_s),
        neighbours=tuple(name_of(each.cells[0]) for each in neighbours),
        losses=slice_losses(names, rates_rps, SLICES_BY_LENGTH_S),
        lead_in_s=LEAD_IN_S,
    )


def measure_aa(context: CalibrationContext, planned: PlannedCell, blocks: int) -> AAFloor:
    """Two starts of the same server side by side, repeatedly, as if they were two servers."""
    chance = random.Random(f"{context.plan.seed}/calibration/aa")
    ratios: list[float] = []
    slice_logs: list[list[float]] = []
    for block in range(blocks):
        context.enter(f"two of the same server, block {block + 1} of {blocks}")
        ours, theirs = _aa_block(context, planned, chance)
        ratios.append(_together_rps(ours) / _together_rps(theirs))
        pairs = zip(ours, theirs, strict=True)
        slice_logs.append([log(a.throughput_rps / b.throughput_rps) for a, b in pairs])
    mean, half_width = log_mean(ratios)
    return AAFloor(
        server=name_of(planned),
        blocks=blocks,
        duration_s=AA_DURATION_S,
        mean=mean,
        half_width=half_width,
        starts=start_variation(slice_logs),
    )


def _segment(
    context: CalibrationContext,
    chance: random.Random,
    sides: tuple[str, ...],
    neighbours: tuple[str, ...],
) -> dict[float, tuple[float, float]]:
    """The throughput of the first side and of the second at each length, in one segment of time.

    Both sides' slices of a length come in pairs, in random order: what moves a whole pair cancels.
    """
    places = {str(length_s): length_s for length_s in SLICES_BY_LENGTH_S}
    visits = {str(length_s): Visits(n, length_s) for length_s, n in SLICES_BY_LENGTH_S.items()}
    pieces: dict[tuple[str, float], list[Loaded]] = {
        (side, length_s): [] for side in sides for length_s in SLICES_BY_LENGTH_S
    }
    for piece in schedule(visits, chance):
        for side in chance.sample(sides, len(sides)):
            if neighbours:
                context.visit(Load(chance.choice(neighbours), SHORT_SLICE_S))
            context.visit(Load(side, LEAD_IN_S, is_lead_in=True))
            pieces[side, places[piece.cell]].append(
                context.load(Load(side, piece.duration_s, stays_full=True))
            )
    ours, theirs = sides
    return {
        length_s: (_together_rps(pieces[ours, length_s]), _together_rps(pieces[theirs, length_s]))
        for length_s in SLICES_BY_LENGTH_S
    }


def _aa_block(
    context: CalibrationContext, planned: PlannedCell, chance: random.Random
) -> tuple[list[Loaded], list[Loaded]]:
    """The slices of one block's two servers, as many of each."""
    twins = [_twin(planned, name) for name in ("a", "b")]
    with context.servers(twins) as running:
        keys = [twin.cell.process_key for twin in twins]
        slowest_rps = min(context.open(key, running[key]) for key in keys)
        lengths_s = dict.fromkeys(keys, slice_duration_s(CONNECTIONS, slowest_rps))
        pieces: dict[str, list[Loaded]] = {key: [] for key in keys}
        visits = even_visits(lengths_s, dict.fromkeys(keys, AA_DURATION_S))
        for piece in schedule(visits, chance):
            pieces[piece.cell].append(context.load(Load(piece.cell, piece.duration_s)))
    return pieces[keys[0]], pieces[keys[1]]


def _twin(planned: PlannedCell, name: str) -> PlannedCell:
    """The same server under another name."""
    variant = f"{planned.cell.variant}-{name}"
    return msgspec.structs.replace(
        planned, cell=msgspec.structs.replace(planned.cell, variant=variant)
    )


def _together_rps(pieces: Iterable[Loaded]) -> float:
    """Correct answers of all slices over their time, as a trial counts."""
    counted = [piece.counted for piece in pieces]
    seconds = sum(seconds for _, seconds in counted)
    return sum(requests for requests, _ in counted) / max(seconds, 1e-9)
