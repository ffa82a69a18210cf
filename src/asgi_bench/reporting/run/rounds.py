"""Every round's ratio of every cell: what the intervals are computed from."""

from collections.abc import Mapping

from asgi_bench.analysis.report import CellReport
from asgi_bench.analysis.samples import Sample, reference_pairs
from asgi_bench.model import Plan
from asgi_bench.model.metrics import THROUGHPUT
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Head, Section, Table, Text
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.run.rows import caption, cell_row
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import cell_name

WORDS = (
    "Throughput relative to the reference in the same round. Each round has fresh processes; "
    "the intervals rest on these figures, not on single requests."
)


def rounds_section(source: Source) -> Section:
    """A table for each scenario and load that has ratios, and every slice in order of time."""
    report, run = source.report, source.run
    if run is None:
        # Where no slice is drawn all of a run have the same sentence.
        figures = {figure.says: figure for figure in source.charts.about("strip")}
        return Section("rounds", "Every round", tuple(figures.values()), least="markdown")
    ratios = round_ratios(source.samples, run.header.plan)
    rounds = report.run.reached.rounds if report.run.reached else 0
    groups = (_table(group, ratios, rounds) for group in group_cells(report.cells))
    tables = tuple(table for table in groups if table.rows)
    strips = source.charts.about("strip")
    return Section(
        "rounds",
        "Every round",
        (Text(WORDS), *tables, *strips) if tables else (),
        least="page",
    )


def round_ratios(samples: Mapping[str, Sample], plan: Plan) -> dict[str, dict[int, float]]:
    """The throughput ratio to the reference in each usable round, by cell and round.

    The reference itself has none: its ratio is 1 by definition.
    """
    return {
        key: ratios
        for key, sample in samples.items()
        if sample.planned.cell.load.is_closed and (ratios := _ratios(sample, samples, plan))
    }


def _ratios(sample: Sample, samples: Mapping[str, Sample], plan: Plan) -> dict[int, float]:
    """One cell's ratio by round; none of a cell that can't be believed."""
    if not sample.is_sound:
        return {}
    found = reference_pairs(sample, samples, plan, sample.compared_by(THROUGHPUT))
    if found is None or found[0] == sample.planned.cell.key:
        return {}
    return {number: ours / theirs for number, (ours, theirs) in found[1].items()}


def _table(
    group: Group[CellReport], ratios: Mapping[str, Mapping[int, float]], rounds: int
) -> Table:
    """One group's table; a round that can't be used is missing."""
    rows = tuple(
        cell_row(cell, (cell_name(cell), str(cell.workers), *_texts(ratios[cell.cell], rounds)))
        for cell in group.cells
        if cell.cell in ratios
    )
    heads = (Head("server", align="left"), Head("w"), *(Head(str(n + 1)) for n in range(rounds)))
    return Table(heads, rows, caption(group))


def _texts(ratios: Mapping[int, float], rounds: int) -> tuple[str, ...]:
    """The ratio of each round."""
    return tuple(numbers.times(ratios.get(number)) for number in range(rounds))
