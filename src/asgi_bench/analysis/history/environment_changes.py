"""Where the surroundings of runs over time changed: as marks, and around a place in question."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from asgi_bench.analysis.history.environment import MEASURING_KINDS, Change, changes, scenario_of
from asgi_bench.model import RunEntry

# The facts of runs by the keys that their entries name.
Facts = Mapping[str, Mapping[str, str]]


class Break(NamedTuple):
    """Where the surroundings changed: `number` is the place of the first run with the new ones."""

    number: int
    run: RunEntry
    changes: tuple[Change, ...]

    @property
    def is_measuring(self) -> bool:
        """Whether machine, tool or load changed, and not only what is measured."""
        return has_measuring(self.changes)


def has_measuring(found: Iterable[Change]) -> bool:
    """Whether machine, tool or load is among what changed."""
    return any(change.kind in MEASURING_KINDS for change in found)


def breaks(runs: Sequence[RunEntry], environments: Facts) -> Iterator[Break]:
    """Every place where the surroundings are not those of the run before."""
    for number, (before, run) in enumerate(pairwise(runs), start=1):
        found = changes_between(before, run, environments)
        if found:
            yield Break(number, run, found)


def changes_between(before: RunEntry, after: RunEntry, environments: Facts) -> tuple[Change, ...]:
    """What is not the same in two runs."""
    if before.environment == after.environment:
        return ()
    return changes(environments[before.environment], environments[after.environment])


def changes_among(runs: Sequence[RunEntry], environments: Facts) -> tuple[Change, ...]:
    """What changed from any of the runs to the next, each once."""
    found = (changes_between(*pair, environments) for pair in pairwise(runs))
    return tuple(dict.fromkeys(change for each in found for change in each))


def concerning(found: Iterable[Change], cell: str) -> tuple[Change, ...]:
    """Without what is of another scenario than the cell's: how that is loaded moves no figure."""
    own = cell.split("/")[3]
    return tuple(change for change in found if scenario_of(change) in (None, own))
