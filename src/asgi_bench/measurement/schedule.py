"""The slices of a block: how long, how many, and in which order."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import msgspec

from asgi_bench.model import Cell, PlannedCell
from asgi_bench.model.plan import load_time_s

# 1 s keeps slow servers interleaved at all.
LONGEST_SLICE_S = 1.0


class SliceLength(msgspec.Struct, frozen=True):
    """How long a slice in closed loop must be: this many response times, and at least this long."""

    response_times: int
    shortest_s: float


# A busy host flips between speeds that differ by half, each for 0.1 to 1 s. Cells share such a
# phase only if each comes by in it: eleven cells in slices of 100 ms come by every 1.1 s, and their
# ratios were known to 5 to 8 % after five minutes; in slices of 20 ms to 3 %. That a slice begins
# cold is no reason for longer ones: a lead-in comes before it, and its steady part is whole cycles
# of each connection, of which it needs some (METHODOLOGY.md).
SERVERS = SliceLength(response_times=3, shortest_s=0.02)
# Sides of an A/B are alike in ramp and drain, and have no lead-in. The speed of a busy host
# flickers: neighbouring slices differed by 21 % (standard deviation) whether they were of 80, 20 or
# 5 ms, so that their number is what counts. Of 2 ms there are twice as many as of 5 ms in the same
# time, but each differs more (18 to 13 %), and the standard error was larger by a third.
SIDES = SliceLength(response_times=1, shortest_s=0.005)
# Load hosts begin in step by an announced instant, and their master divides and merges: with the
# lead-in some 8 ms a slice in which nothing is measured (docs/capacity.md), at most 3 % of these.
HOSTS = SliceLength(response_times=3, shortest_s=0.3)
# Where one cell's slices are so long that the others would hardly be loaded, these get longer ones.
LEAST_SHARE = 0.5


class Visits(msgspec.Struct, frozen=True):
    """How many slices a cell has in a block, and how long they are."""

    count: int
    duration_s: float

    @property
    def together_s(self) -> float:
        """The duration of all its slices."""
        return self.count * self.duration_s


class ScheduledSlice(msgspec.Struct, frozen=True):
    """A future slice: which cell (by key), for how long."""

    cell: str
    duration_s: float


def slice_duration_s(
    connections: int, throughput_rps: float, length: SliceLength = SERVERS
) -> float:
    """Return how long a closed-loop slice must be, from the cell's response time (Little)."""
    if throughput_rps <= 0:
        return LONGEST_SLICE_S
    response_time_s = connections / throughput_rps
    duration_s = length.response_times * response_time_s
    return min(max(duration_s, length.shortest_s), LONGEST_SLICE_S)


def load_duration_s(planned: PlannedCell, duration_s: float) -> float:
    """Return the time under load of a cell in a round, from the plan's time per trial."""
    return load_time_s(planned.cell.load, planned.duration_s or duration_s)


def start_order(cells: Sequence[Cell], seed: int, round: int, block: int) -> list[Cell]:
    """The order in which servers are started: random, because the first finds the machine calm.

    Setups rotate through all orders, each once in so many rounds: those of an A/B in six.
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
    """The length of each cell's slices by its key: across setups of a cell, the slowest's."""
    longest_s: dict[Cell, float] = {}
    for cell, length_s in lengths_s.items():
        longest_s[cell.without_setup] = max(length_s, longest_s.get(cell.without_setup, 0.0))
    return {cell.key: longest_s[cell.without_setup] for cell in lengths_s}


def even_visits(
    lengths_s: Mapping[str, float],
    durations_s: Mapping[str, float],
    times: Mapping[str, int] | None = None,
) -> dict[str, Visits]:
    """An equal number of slices for every cell, in all the time that they have together.

    A cell's interval depends on how many slices it has, and a slow cell would have fewest, because
    its slices last longest. So it gets more of the time, and a fast one less, but at least half of
    its own. Cells in `times` get that many times as many slices.
    """
    often = dict.fromkeys(lengths_s, 1) | dict(times or {})
    least_s = {cell: LEAST_SHARE * durations_s[cell] for cell in lengths_s}
    whole_s = sum(durations_s[cell] for cell in lengths_s)
    count = 1
    # Those that would fall below their least get that, and the others share what is left.
    fixed: set[str] = set()
    while free := lengths_s.keys() - fixed:
        left_s = whole_s - sum(least_s[cell] for cell in fixed)
        count = max(1, round(left_s / sum(often[cell] * lengths_s[cell] for cell in free)))
        short = {cell for cell in free if count * often[cell] * lengths_s[cell] < least_s[cell]}
        if not short:
            break
        fixed |= short
    return {
        cell: Visits(count * often[cell], max(length_s, least_s[cell] / (count * often[cell])))
        for cell, length_s in lengths_s.items()
    }


def times_as_often(compared: int) -> int:
    """How many slices the reference gets for each one of the cells compared with it.

    Its noise is in all their ratios: they are known best if its number of slices is theirs times
    the square root of the number of cells (Dunnett, J. Am. Stat. Assoc. 50, 1955).
    """
    return max(1, round(math.sqrt(compared)))


def schedule(visits: Mapping[str, Visits], chance: random.Random) -> list[ScheduledSlice]:
    """Put the slices of all cells in order: each cell is spread along the block.

    Cells with equally many slices take turns in `balanced_turns`. The k-th of another cell's n
    slices is at a random place in the k-th n-th of the block.
    """
    by_count: dict[int, list[str]] = {}
    for cell in sorted(visits):
        by_count.setdefault(visits[cell].count, []).append(cell)
    placed: list[tuple[float, str]] = []
    for count, cells in sorted(by_count.items()):
        for number, turn in enumerate(balanced_turns(cells, count, chance)):
            placed += [
                ((number + (place + chance.random()) / len(turn)) / count, cell)
                for place, cell in enumerate(turn)
            ]
    return [ScheduledSlice(cell, visits[cell].duration_s) for _, cell in sorted(placed)]


def balanced_turns(
    cells: Sequence[str], count: int, chance: random.Random
) -> Iterator[tuple[str, ...]]:
    """Orders of all cells, one per turn: their places, neighbours and gaps are balanced.

    The rows of Williams' squares (Aust. J. Sci. Res. 1949): in as many turns as there are cells
    each cell is at each place once, so that a drift of the machine affects all alike; and it comes
    right after each other cell once, so that no cell's caches always find the same predecessor. An
    odd number takes a second square, the mirror of the first. From one row to the next a cell moves
    by two places, so that its slices are evenly spaced. Which cell is which, and the first row, are
    drawn: no disturbance that comes in steps favours one (Abedi & Brecht, ICPE 2017).
    """
    size = len(cells)
    names = chance.sample(cells, size)
    first_row = chance.randrange(2 * size)
    zigzag = [(place + 1) // 2 if place % 2 else -place // 2 for place in range(size)]
    for turn in range(first_row, first_row + count):
        row = tuple(names[(step + turn) % size] for step in zigzag)
        yield row[::-1] if turn // size % 2 else row
