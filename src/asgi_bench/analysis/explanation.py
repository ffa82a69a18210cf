"""Where the counts of two sides differ: the parts of a request that changed most."""

from collections.abc import Iterator, Mapping, Sequence

from asgi_bench.analysis.counts import parts_per_request, per_request
from asgi_bench.model.counts import (
    EXPLAINING,
    Breakdown,
    Change,
    Counter,
    Explanation,
    Life,
)

MOST_CHANGES = 10
# From the coarse to the fine, as one looks for a cause.
TAKEN_APART: tuple[tuple[Counter, Breakdown], ...] = (
    ("instructions", "object"),
    ("instructions", "function"),
    ("python_calls", "python_function"),
    ("syscalls", "name"),
)
# What is smaller can't be told from the timers and wake-ups of two counts: of instructions a share
# of all, for their places move by some of them; of calls a number, which is whole or nearly so.
LEAST_SHARE = 2e-5
LEAST_CALLS = 0.02


def changed_most(
    baseline: Mapping[str, float], candidate: Mapping[str, float], least: float
) -> tuple[Change, ...]:
    """The ten parts that changed most, by at least this much; a part that a side lacks is 0."""
    names = dict.fromkeys((*baseline, *candidate))
    changes = [Change(name, baseline.get(name, 0.0), candidate.get(name, 0.0)) for name in names]
    told = [change for change in changes if abs(_size(change)) >= max(least, 1e-12)]
    return tuple(sorted(told, key=lambda change: (-abs(_size(change)), change.name))[:MOST_CHANGES])


def _size(change: Change) -> float:
    return change.candidate - change.baseline


def explanations(
    cell: str, baseline: Sequence[Life], candidate: Sequence[Life]
) -> tuple[Explanation, ...]:
    """Where the lives of a cell's two sides differ; nothing if no explanation was requested.

    A breakdown that a side lacks, such as Python functions of a server without any, is left out.
    """
    if not any(life.counter in EXPLAINING for life in (*baseline, *candidate)):
        return ()
    return tuple(_explanations(cell, baseline, candidate))


def _explanations(
    cell: str, baseline: Sequence[Life], candidate: Sequence[Life]
) -> Iterator[Explanation]:
    for counter, kind in TAKEN_APART:
        sides = [_of(counter, lives) for lives in (baseline, candidate)]
        totals = [per_request(lives) for lives in sides]
        if totals[0] is None or totals[1] is None:
            continue
        parts = [parts_per_request(lives).get(kind) for lives in sides]
        if parts[0] is None or parts[1] is None:
            continue
        is_calls = counter != "instructions"
        least = LEAST_CALLS if is_calls else LEAST_SHARE * max(totals[0], totals[1])
        changes = changed_most(parts[0], parts[1], least)
        yield Explanation(cell, counter, kind, totals[0], totals[1], changes)


def _of(counter: Counter, lives: Sequence[Life]) -> list[Life]:
    """The lives in which so much was counted."""
    return [life for life in lives if life.counter == counter and life.tally is not None]
