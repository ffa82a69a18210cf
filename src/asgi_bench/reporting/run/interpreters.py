"""The servers by Python: what another interpreter changes."""

from collections.abc import Iterator, Mapping, Sequence

from asgi_bench.analysis.across_cells import CellRatio
from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.model import FREE_THREADED
from asgi_bench.model.metrics import CPU, THROUGHPUT
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.run.rows import grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import load_words, plain

_NOTE = (
    "Ratio: over the same server under {first}, in the same rounds. CPU: of a request. Each server "
    "has told from inside which interpreter it runs."
)


def interpreters_section(source: Source) -> Section:
    """A table for each scenario and load that was measured under several interpreters."""
    report = source.report
    ratios = {one.cell: one for one in report.setup_ratios}
    groups: dict[tuple[str, object], dict[str, list[CellReport]]] = {}
    for cell in report.cells:
        base = ratios[cell.cell].base if cell.cell in ratios else cell.cell
        if cell.cell in ratios or any(one.base == cell.cell for one in report.setup_ratios):
            rows = groups.setdefault((cell.request_key, cell.load), {})
            rows.setdefault(base, []).append(cell)
    tables = tuple(_table(list(rows.values()), ratios) for rows in groups.values())
    return Section(
        "interpreters",
        "Interpreters",
        (
            *source.charts.about("interpreters", "interpreters-cpu"),
            *tables,
            Notes(tuple(_notes(report)) if tables else ()),
        ),
    )


def _table(rows: Sequence[Sequence[CellReport]], ratios: Mapping[str, CellRatio]) -> Table:
    """The cells of one request and load, those of one server setting together."""
    ordered = sorted(
        (sorted(row, key=lambda cell: cell.cell in ratios) for row in rows),
        key=lambda row: (row[0].workers, -(row[0].throughput_rps.value or 0.0)),
    )
    columns = (
        *IDENTITY[1:],
        Column("version", "", lambda cell: plain(cell.server_version or "-"), "left"),
        Column(
            *("throughput", "req/s"),
            lambda cell: numbers.figure(THROUGHPUT, cell_figure(THROUGHPUT, cell).value),
        ),
        Column("throughput", "ratio", lambda cell: _ratio(ratios.get(cell.cell), cpu=False)),
        Column("CPU", "µs", lambda cell: numbers.figure(CPU, cell_figure(CPU, cell).value)),
        Column("CPU", "ratio", lambda cell: _ratio(ratios.get(cell.cell), cpu=True)),
    )
    first = ordered[0][0]
    words = f"Interpreters · {plain(first.request_key)} · {load_words(first.load)}"
    return Table(heads(columns), tuple(grouped_rows(ordered, columns)), words)


def _ratio(ratio: CellRatio | None, *, cpu: bool) -> str:
    """A ratio to the first interpreter; that one's own is 1, and no estimate."""
    if ratio is None:
        return "1"
    found = ratio.server_cpu_ratio if cpu else ratio.throughput_ratio
    return numbers.with_interval(numbers.times(found.value, 2), found)


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
            state = "with its interpreter lock on" if proof.gil else "without an interpreter lock"
            yield f"{plain(setting.setting)} ran {state}."
