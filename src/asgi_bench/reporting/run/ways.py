"""What TLS, HTTP/2 and a Unix socket cost or gain each server."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from asgi_bench.analysis.across_cells import CellRatio
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, P50, P99, THROUGHPUT
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.run.rows import grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import load_words, plain, way_words

Ratios = Mapping[str, CellRatio]


def ways_section(source: Source) -> Section:
    """A table for each scenario and load in which servers were requested in several ways."""
    report = source.report
    ways = {way.cell: way for way in report.ways}
    bases = {way.base for way in report.ways}
    groups: dict[tuple[str, object], list[CellReport]] = {}
    for cell in report.cells:
        if cell.cell in ways or cell.cell in bases:
            groups.setdefault((cell.scenario, cell.load), []).append(cell)
    tables = tuple(_table(cells, ways) for cells in groups.values())
    return Section(
        "protocols",
        "Protocols",
        (
            *source.charts.about("protocols", "protocols-cpu"),
            *tables,
            Notes((_NOTE,) if tables else ()),
        ),
    )


def _table(cells: Sequence[CellReport], ways: Ratios) -> Table:
    """The cells of one scenario and load."""
    columns = (
        *IDENTITY[1:],
        Column("asked by", "", lambda cell: way_words(cell.http, cell.transport), align="left"),
        *over_base(THROUGHPUT, ("throughput", "req/s"), ways, lambda way: way.throughput_ratio),
        # The absolute figure is in the ranking: with it the table is wider than a page.
        over_base(CPU, ("CPU", "µs"), ways, lambda way: way.server_cpu_ratio)[1],
        *over_base(P50, ("p50", "ms"), ways, lambda way: way.response_time_p50_ratio),
        *over_base(P99, ("p99", "ms"), ways, lambda way: way.response_time_p99_ratio),
        *VERDICT[1:],
    )
    words = f"Protocols · {plain(cells[0].scenario)} · {load_words(cells[0].load)}"
    return Table(heads(columns), tuple(grouped_rows(by_base(cells, ways), columns)), words)


def by_base(cells: Iterable[CellReport], ratios: Ratios) -> list[list[CellReport]]:
    """The rows of each server setting, beginning with the one that the others are compared with."""
    settings: dict[str, list[CellReport]] = {}
    for cell in cells:
        base = ratios[cell.cell].base if cell.cell in ratios else cell.cell
        settings.setdefault(base, []).append(cell)
    rows = [sorted(one, key=lambda cell: cell.cell in ratios) for one in settings.values()]
    rows.sort(key=lambda one: (one[0].workers, -(one[0].throughput_rps.value or 0.0)))
    return rows


def over_base(
    metric: Metric, head: tuple[str, str], ratios: Ratios, of: Callable[[CellRatio], Interval]
) -> tuple[Column, Column]:
    """A metric, and its ratio to the cell that the others of the setting are compared with."""
    return (
        Column(*head, lambda cell: numbers.figure(metric, cell_figure(metric, cell).value)),
        Column(head[0], "ratio", lambda cell: _ratio_text(ratios.get(cell.cell), of)),
    )


def _ratio_text(ratio: CellRatio | None, of: Callable[[CellRatio], Interval]) -> str:
    """A ratio; that of the base itself is 1, and no estimate."""
    if ratio is None:
        return "1"
    return numbers.with_interval(numbers.times(of(ratio).value, 2), of(ratio))


_NOTE = (
    "Ratio: to the same server over HTTP/1.1 and TCP, in the same rounds. HTTP/2 is negotiated "
    "by ALPN over TLS and assumed elsewhere (prior knowledge). CPU: per request. At saturation, "
    "response times follow from throughput."
)
