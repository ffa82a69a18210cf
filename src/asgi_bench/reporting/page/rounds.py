"""Every round's ratio of every cell: what the intervals are made of."""

from collections.abc import Mapping
from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport
from asgi_bench.analysis.document import Report
from asgi_bench.analysis.metrics import FIGURES
from asgi_bench.analysis.samples import Sample, reference_pairs
from asgi_bench.analysis.summary import Survey
from asgi_bench.model import ClosedLoop, Plan
from asgi_bench.reporting import numbers
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.rows import caption
from asgi_bench.reporting.wording import cell_name, plain


class RoundLine(NamedTuple):
    """A cell's ratio in each round as text."""

    name: str
    server: str
    workers: int
    scenario: str
    ratios: tuple[str, ...]


class RoundTable(NamedTuple):
    """The ratios of a scenario and load."""

    name: str
    caption: str
    scenario: str
    rounds: int
    lines: tuple[RoundLine, ...]


def round_ratios(survey: Survey, plan: Plan) -> dict[str, dict[int, float]]:
    """The throughput ratio to the reference in each usable round, by cell and round.

    The reference itself has none: its ratio is 1 by definition.
    """
    return {
        key: ratios
        for key, sample in survey.samples.items()
        if isinstance(sample.planned.cell.load, ClosedLoop)
        and (ratios := _ratios(sample, survey.samples, plan))
    }


def round_tables(
    report: Report, ratios: Mapping[str, Mapping[int, float]], rounds: int
) -> tuple[RoundTable, ...]:
    """A table for each scenario and load that has ratios."""
    tables = (_table(group, ratios, rounds) for group in group_cells(report.cells))
    return tuple(table for table in tables if table.lines)


def _ratios(sample: Sample, samples: Mapping[str, Sample], plan: Plan) -> dict[int, float]:
    """One cell's ratio by round; none of a cell that can't be believed."""
    if not sample.is_sound:
        return {}
    found = reference_pairs(sample, samples, plan, FIGURES["throughput_rps"])
    if found is None or found[0] == sample.planned.cell.key:
        return {}
    return {number: ours / theirs for number, (ours, theirs) in found[1].items()}


def _table(
    group: Group[CellReport], ratios: Mapping[str, Mapping[int, float]], rounds: int
) -> RoundTable:
    """One group's table; a round that can't be used is missing."""
    lines = tuple(
        RoundLine(
            name=cell_name(cell),
            server=plain(cell.server),
            workers=cell.workers,
            scenario=plain(cell.scenario),
            ratios=_texts(ratios[cell.cell], rounds),
        )
        for cell in group.cells
        if cell.cell in ratios
    )
    return RoundTable(group.name, caption(group), plain(group.scenario), rounds, lines)


def _texts(ratios: Mapping[int, float], rounds: int) -> tuple[str, ...]:
    """The ratio of each round."""
    return tuple(numbers.times(ratios.get(number)) for number in range(rounds))
