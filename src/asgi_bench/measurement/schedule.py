"""The order of slices in a block: seeded, random, and spread evenly over its time."""

import random
from collections.abc import Mapping

import msgspec

from asgi_bench.model import PlannedCell, RateSweep

# A slice shorter than 16 response times is mostly its own ramp and drain; 20 ms is the shortest
# that keeps the command's own cost (0.2 ms) at 1 %; 1 s keeps slow servers interleaved at all.
RESPONSE_TIMES_PER_SLICE = 16
SHORTEST_SLICE_S = 0.02
LONGEST_SLICE_S = 1.0


class ScheduledSlice(msgspec.Struct, frozen=True):
    """One slice to come: which cell (by key), for how long."""

    cell: str
    duration_s: float


def slice_duration_s(
    connections: int, throughput_rps: float, shortest_s: float = SHORTEST_SLICE_S
) -> float:
    """Return how long a closed-loop slice has to be, from the cell's response time (Little)."""
    if throughput_rps <= 0:
        return LONGEST_SLICE_S
    response_time_s = connections / throughput_rps
    duration_s = RESPONSE_TIMES_PER_SLICE * response_time_s
    return min(max(duration_s, shortest_s), LONGEST_SLICE_S)


def load_duration_s(planned: PlannedCell, duration_s: float) -> float:
    """Return the time under load of a cell in a round, from the plan's time per trial."""
    load, each_s = planned.cell.load, planned.duration_s or duration_s
    if isinstance(load, RateSweep):
        return each_s * (len(load.shares) + load.search_steps)
    return each_s


def schedule(
    slice_durations_s: Mapping[str, float],
    durations_s: Mapping[str, float],
    chance: random.Random,
) -> list[ScheduledSlice]:
    """Give each cell its duration of load in slices of about its own length, interleaved.

    A cell's k-th of n slices falls at a random place in the k-th n-th of the block: every cell is
    visited all along the block, whatever its slice length, so that a slow phase of the machine
    hits all alike; and the order is random, so that no periodic disturbance favours one
    (Abedi & Brecht, ICPE 2017).
    """
    placed: list[tuple[float, ScheduledSlice]] = []
    for cell in sorted(slice_durations_s):
        count = max(1, round(durations_s[cell] / slice_durations_s[cell]))
        piece = ScheduledSlice(cell, durations_s[cell] / count)
        placed += [((index + chance.random()) / count, piece) for index in range(count)]
    return [piece for _, piece in sorted(placed, key=lambda place: place[0])]
