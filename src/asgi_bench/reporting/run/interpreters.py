"""The servers by Python: what another interpreter changes."""

from collections.abc import Iterator, Mapping, Sequence

from asgi_bench.analysis.across_cells import CellRatio
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.model import FREE_THREADED
from asgi_bench.model.metrics import CPU, THROUGHPUT
from asgi_bench.reporting.columns import IDENTITY, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.run.rows import grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.run.ways import by_base, over_base
from asgi_bench.reporting.wording import load_words, plain

_NOTE = (
    "Ratio: to the same server under {first}, in the same rounds. CPU: per request. Each server "
    "reported from inside which interpreter runs it."
)


def interpreters_section(source: Source) -> Section:
    """A table for each scenario and load that was measured under several interpreters."""
    report = source.report
    ratios = {one.cell: one for one in report.setup_ratios}
    bases = {one.base for one in report.setup_ratios}
    groups: dict[tuple[str, object], list[CellReport]] = {}
    for cell in report.cells:
        if cell.cell in ratios or cell.cell in bases:
            groups.setdefault((cell.request_key, cell.load), []).append(cell)
    tables = tuple(_table(cells, ratios) for cells in groups.values())
    return Section(
        "interpreters",
        "Interpreters",
        (
            *source.charts.about("interpreters", "interpreters-cpu"),
            *tables,
            Notes(tuple(_notes(report)) if tables else ()),
        ),
    )


def _table(cells: Sequence[CellReport], ratios: Mapping[str, CellRatio]) -> Table:
    """The cells of one request and load."""
    columns = (
        *IDENTITY[1:],
        Column("version", "", lambda cell: plain(cell.server_version or "-"), "left"),
        *over_base(THROUGHPUT, ("throughput", "req/s"), ratios, lambda one: one.throughput_ratio),
        *over_base(CPU, ("CPU", "µs"), ratios, lambda one: one.server_cpu_ratio),
    )
    words = f"Interpreters · {plain(cells[0].request_key)} · {load_words(cells[0].load)}"
    return Table(heads(columns), tuple(grouped_rows(by_base(cells, ratios), columns)), words)


def _notes(report: Report) -> Iterator[str]:
    first, *others = report.interpreters
    yield _NOTE.format(first=plain(first.version))
    for one in others:
        if one.other_packages:
            named = ", ".join(f"{name} {version}" for name, version in one.other_packages.items())
            yield f"{plain(one.name)} has other versions: {plain(named)}."
    for setting in report.settings:
        proof = setting.proof
        if proof is not None and proof.gil is not None and FREE_THREADED in (proof.python or ""):
            state = "with the GIL" if proof.gil else "without the GIL"
            yield f"{plain(setting.setting)} ran {state}."
