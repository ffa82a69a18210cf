"""The order of slices in a block: seeded, random, and spread evenly over its time."""

import random
from collections.abc import Mapping, Sequence
from itertools import permutations

import msgspec

from asgi_bench.model import Cell, PlannedCell

# 1 s keeps slow servers interleaved at all.
LONGEST_SLICE_S = 1.0


class SliceLength(msgspec.Struct, frozen=True):
    """How long a slice in closed loop has to be: so many response times, and no less than this."""

    response_times: int
    shortest_s: float


# A slice shorter than 16 response times is mostly its own ramp and drain. And each begins cold and
# loses some 2 ms: 8 % of 20 ms, and servers need not lose alike. Of 20, 100 and 500 ms 100 is the
# shortest in which that was shown to change a ratio by less than 1 % (METHODOLOGY.md); this
# machine's own calibration may say otherwise.
SERVERS = SliceLength(response_times=16, shortest_s=0.1)
# Sides of an A/B are alike in ramp and drain. And the speed of a busy host flickers: neighbouring
# slices differed by 21 % (standard deviation) whether they were of 80, 20 or 5 ms, so that their
# number is what counts. The standard error of A/As of 45 s was 2.4, 1.0 and 0.5 %.
SIDES = SliceLength(response_times=1, shortest_s=0.005)


class ScheduledSlice(msgspec.Struct, frozen=True):
    """One slice to come: which cell (by key), for how long."""

    cell: str
    duration_s: float


def slice_duration_s(
    connections: int, throughput_rps: float, length: SliceLength = SERVERS
) -> float:
    """Return how long a closed-loop slice has to be, from the cell's response time (Little)."""
    if throughput_rps <= 0:
        return LONGEST_SLICE_S
    response_time_s = connections / throughput_rps
    duration_s = length.response_times * response_time_s
    return min(max(duration_s, length.shortest_s), LONGEST_SLICE_S)


def load_duration_s(planned: PlannedCell, duration_s: float) -> float:
    """Return the time under load of a cell in a round, from the plan's time per trial."""
    load = planned.cell.load
    return (planned.duration_s or duration_s) * (load.steps + load.search_steps)


def start_order(cells: Sequence[Cell], seed: int, round: int, block: int) -> list[Cell]:
    """The order in which servers are started: random, for who starts first gets a calm machine.

    Setups go through orders of theirs, in every so many rounds each once: those of an A/B in six.
    """
    chance = random.Random(f"{seed}/ports/{round}/{block}")
    shuffled = chance.sample(cells, len(cells))
    orders = _balanced_orders([name for name in dict.fromkeys(c.setup for c in cells) if name])
    cycle, place = divmod(round, len(orders))
    random.Random(f"{seed}/orders/{cycle}/{block}").shuffle(orders)
    return sorted(shuffled, key=lambda cell: orders[place].index(cell.setup) if cell.setup else 0)


def _balanced_orders(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All orders of three names or fewer; of more, as many as have each at each place once."""
    if len(names) <= 3:
        return list(permutations(names))
    return [(*names[first:], *names[:first]) for first in range(len(names))]


def even_lengths_s(lengths_s: Mapping[Cell, float]) -> dict[str, float]:
    """The length of each cell's slices by its key: that of the slowest for all setups of a cell.

    So that they have as many slices, which stand in random order in each stretch of a block.
    """
    longest_s: dict[Cell, float] = {}
    for cell, length_s in lengths_s.items():
        longest_s[cell.without_setup] = max(length_s, longest_s.get(cell.without_setup, 0.0))
    return {cell.key: longest_s[cell.without_setup] for cell in lengths_s}


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
