"""What more connections change: each setting's ratio at each count, and who overtakes whom."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from asgi_bench.analysis.across_cells import Level
from asgi_bench.analysis.levels import first_places
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.model.metrics import CPU, THROUGHPUT
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads, ratio_text
from asgi_bench.reporting.document import Item, Items, Notes, Section, Table
from asgi_bench.reporting.run.headline import listed, turned_headlines
from asgi_bench.reporting.run.rows import grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import cell_name, plain, workers_words

Levels = Mapping[str, Level]


def connections_section(source: Source) -> Section:
    """A table for each scenario and worker count that has several connection counts."""
    report = source.report
    levels = {level.cell: level for level in report.levels}
    groups: dict[tuple[str, int], list[CellReport]] = {}
    for cell in report.cells:
        if cell.cell in levels:
            groups.setdefault((cell.request_key, cell.workers), []).append(cell)
    tables = tuple(_table(cells, levels) for cells in groups.values())
    passed = tuple(Item(words) for cells in groups.values() for words in _passed(cells, levels))
    turned = tuple(Item(each.sentence, details=(each.proof,)) for each in turned_headlines(report))
    return Section(
        "connections",
        "Connections",
        (
            *source.charts.about("ratios", "concurrency"),
            *tables,
            Items((*turned, *passed)),
            Notes(tuple(_notes(report)) if tables else ()),
        ),
    )


def _table(cells: Sequence[CellReport], levels: Levels) -> Table:
    """The settings of one scenario and worker count, the rows of each by rising connections."""
    settings: dict[str, list[CellReport]] = {}
    for cell in cells:
        settings.setdefault(levels[cell.cell].base, []).append(cell)
    by_base = sorted(settings.values(), key=lambda one: -(one[0].throughput_rps.value or 0.0))
    rows = [sorted(one, key=lambda cell: levels[cell.cell].connections) for one in by_base]
    columns = (
        *IDENTITY[1:-1],
        Column("conn.", "", lambda cell: str(levels[cell.cell].connections)),
        Column("throughput", "ratio", partial(ratio_text, THROUGHPUT)),
        Column("change", "ratio", lambda cell: _change(levels[cell.cell])),
        Column("CPU", "ratio", partial(ratio_text, CPU)),
        Column("switches", "/req.", _switches),
        Column("first", "", lambda cell: _first(levels[cell.cell])),
        *VERDICT[1:],
    )
    words = f"Connections · {plain(cells[0].request_key)} · {workers_words([cells[0].workers])}"
    return Table(heads(columns), tuple(grouped_rows(rows, columns)), words)


def _change(level: Level) -> str:
    return numbers.with_interval(numbers.times(level.ratio_change.value), level.ratio_change)


def _switches(cell: CellReport) -> str:
    """Waits and losses of the CPU together."""
    costs = cell.costs
    waits, losses = costs.voluntary_switches_per_request, costs.involuntary_switches_per_request
    return numbers.share(None if waits is None or losses is None else waits + losses)


def _first(level: Level) -> str:
    """Whether it may be first over its connections; nothing where no order is claimed."""
    return {None: numbers.MISSING, True: "yes", False: "no"}[level.may_be_first]


def _passed(cells: Sequence[CellReport], levels: Levels) -> Iterator[str]:
    """Who passes whom from how many connections on: a sentence for each count at which any does."""
    by_key = {cell.cell: cell for cell in cells}
    told: set[tuple[str, str]] = set()
    for cell in sorted(cells, key=lambda cell: levels[cell.cell].connections):
        level = levels[cell.cell]
        passed = {(level.base, levels[key].base): by_key[key] for key in level.overtakes}
        names = [cell_name(other) for pair, other in passed.items() if pair not in told]
        told |= passed.keys()
        if names:
            yield f"At {level.connections} connections {cell_name(cell)} overtakes {listed(names)}."


def _notes(report: Report) -> Iterator[str]:
    """What the columns mean, for under the tables."""
    yield (
        "Ratio: to the reference over the same number of connections, in the same rounds. "
        "Change: of the throughput ratio against the one over the fewest connections. Switches: "
        "context switches of the server's threads per request, voluntary and involuntary. "
        "First: whether it may be in first place among the settings measured at all of these "
        "counts. Passes: distinguishably slower over fewer connections, and faster there."
    )
    claimed = first_places(report)
    if claimed and not any(found.turns_over for found in claimed):
        yield "The first place is not shown to change between these counts."
