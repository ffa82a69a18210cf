"""What may be claimed of ratios, and how it is said.

A setting is faster or slower only if the interval of its ratio excludes 1 over enough rounds, and
the ranking, where it compared the two, can tell them apart.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS
from asgi_bench.analysis.report import CellReport, Comparison, Report
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import THROUGHPUT, THROUGHPUT_RATIO
from asgi_bench.reporting import numbers
from asgi_bench.reporting.groups import Section
from asgi_bench.reporting.run.headline import NAMED, listed

# A change is "about" its estimate if half its interval is wider than this share of it.
WIDE = 0.25


class Effect(NamedTuple):
    """How one setting compares with another, as a ratio."""

    name: str
    ratio: Interval
    is_claimed: bool
    is_suspect: bool = False

    @property
    def change(self) -> float:
        """By how much the ratio differs from 1."""
        return (self.ratio.value or 1.0) - 1.0

    @property
    def size(self) -> str:
        """The same without its sign: `14%`, `about 14%` where the interval is wide."""
        value, lower, upper = self.ratio.value or 1.0, self.ratio.lower, self.ratio.upper
        width = 0.0 if lower is None or upper is None else max(upper - value, value - lower)
        about = "about " if width > WIDE * abs(self.change) else ""
        return f"{about}{numbers.percent(abs(self.change))}%"


class Phrases(NamedTuple):
    """What is said of settings with a ratio above 1, below 1, and of those that may be either."""

    verb: tuple[str, str] = ("is", "are")
    more: str = "faster"
    less: str = "slower"
    than: str = ""
    neither: tuple[str, str] = ("shows no proven change", "show no proven change")
    neither_then: tuple[str, str] | None = None
    """The same behind another clause, where the other side has been named."""


def rated(section: Section[CellReport]) -> list[CellReport]:
    """The sound cells with a throughput ratio to the reference, the highest first."""
    cells = [
        cell
        for cell in section.sound
        if cell.throughput_ratio is not None and cell.throughput_ratio.reference != cell.cell
    ]
    return sorted(cells, key=lambda cell: -(ratio_of(cell).value or 0.0))


def is_told_apart(report: Report, cell: CellReport) -> bool:
    """Whether a cell's throughput differs from the reference's beyond chance.

    The ranking decides where it has compared the two; elsewhere, as with other worker counts, the
    interval does, over enough rounds.
    """
    if not _excludes_1(ratio_of(cell), rounds_of_ratio(report, cell)):
        return False
    found = _beside_reference(report, cell)
    return found is None or found.distinguishable


def rounds_of_ratio(report: Report, cell: CellReport) -> int:
    """How many rounds a cell's ratio rests on: fewer than it has if some were left out."""
    found = _beside_reference(report, cell)
    # Where nothing was ranked, the reference was beside it in each of these rounds all the same.
    return cell.compared_rounds if found is None else len(found.round_ratios)


def _beside_reference(report: Report, cell: CellReport) -> Comparison | None:
    """The ranking's comparison of a cell's throughput with the reference's."""
    if cell.throughput_ratio is None:
        return None
    return comparison_of(report, THROUGHPUT, cell.cell, cell.throughput_ratio.reference)


def is_reference(cell: CellReport) -> bool:
    """Whether ratios of its load are to this cell."""
    return cell.throughput_ratio is not None and cell.throughput_ratio.reference == cell.cell


def effect_of(
    cell: CellReport, beside: CellReport, ratio: Interval, name: Callable[[CellReport], str]
) -> Effect:
    """How a cell compares with another, claimed if the interval excludes 1 over enough rounds.

    They have at most as many rounds in common as the one that can be compared in fewer.
    """
    rounds = min(cell.compared_rounds, beside.compared_rounds)
    return Effect(name(cell), ratio, _excludes_1(ratio, rounds), cell.validity == "suspect")


def _excludes_1(ratio: Interval, rounds: int) -> bool:
    """Whether the interval is on one side of 1, over enough rounds."""
    if ratio.lower is None or ratio.upper is None or rounds < MIN_CLAIM_ROUNDS:
        return False
    return ratio.lower > 1 or ratio.upper < 1


def over(above: Interval, below: Interval) -> Interval:
    """A ratio of two estimates with the widest bounds that theirs allow."""
    if not below.value or above.value is None:
        return Interval()
    if None in (above.lower, above.upper) or not below.lower or not below.upper:
        return Interval(above.value / below.value)
    lower, upper = above.lower or 0.0, above.upper or 0.0
    return Interval(above.value / below.value, lower / below.upper, upper / below.lower)


def ratio_of(cell: CellReport) -> Interval:
    """A cell's throughput over the reference's."""
    return cell_figure(THROUGHPUT_RATIO, cell)


def comparison_of(report: Report, metric: Metric, a: str, b: str) -> Comparison | None:
    """The comparison of two cells on a metric, whichever comes first in it."""
    return next(
        (
            one
            for one in (*report.comparisons, *report.latency_comparisons)
            if one.metric == metric.name and {one.a, one.b} == {a, b}
        ),
        None,
    )


def compared(effects: Sequence[Effect], phrases: Phrases) -> str:
    """Who is above 1, who is below and who may be either: `a is 14% slower than b, and c …`.

    Above 1 stands before below 1, and what may be either comes last.
    """
    claimed = sorted((one for one in effects if one.is_claimed), key=lambda one: abs(one.change))
    more = [one for one in claimed if one.change > 0]
    less = [one for one in claimed if one.change <= 0]
    text = ""
    for members, word, joint in ((more, phrases.more, ""), (less, phrases.less, ", while ")):
        if members:
            claim = _claim(members, phrases.verb, word if text else f"{word}{phrases.than}")
            text += f"{joint if text else ''}{claim}"
    rest = [one for one in effects if not one.is_claimed]
    if rest:
        neither = (phrases.neither_then if text else None) or phrases.neither
        text += f"{', and ' if text else ''}{_who(rest)} {neither[len(rest) > 1]}"
    return text


def _claim(members: Sequence[Effect], verb: tuple[str, str], word: str) -> str:
    """What is said of members that all differ from 1 in the same way, the least different first."""
    if len(members) == 1:
        return f"{_who(members)} {verb[0]} {members[0].size} {word}"
    if len(members) <= NAMED:
        names = [
            f"{one.name} ({one.size}{', suspect' if one.is_suspect else ''})" for one in members
        ]
        return f"{listed(names)} {verb[1]} {word}"
    ends = " to ".join(f"{one.size} ({one.name})" for one in (members[0], members[-1]))
    return f"{_who(members)} {verb[1]} {word}, by {ends}"


def _who(members: Sequence[Effect]) -> str:
    """A few by their names, many by their number, and which of them are suspect."""
    if len(members) <= NAMED:
        return listed([f"{one.name}{' (suspect)' * one.is_suspect}" for one in members])
    suspect = sum(one.is_suspect for one in members)
    which = "all" if suspect == len(members) else f"{suspect} of them"
    return f"{len(members)} settings{f' ({which} suspect)' if suspect else ''}"
