"""The columns of every table: what a closed loop shows, what an open one, and what a sweep."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from asgi_bench.analysis.metrics import cell_figure, cell_ratio
from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.model import Load, Loop
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import used_in
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Head, Mark, Row, Table, Tone
from asgi_bench.reporting.wording import (
    OVERLOADED,
    TONES,
    latency_words,
    objective_words,
    plain,
    verdict_word,
)

# As many p99 of a load curve as have room: the last ones below the server's own throughput.
SHOWN_SHARES = 5


class Column(NamedTuple):
    """A column's title, its unit, the text for a cell, and its alignment."""

    title: str
    unit: str
    text: Callable[[Any], str]
    align: Literal["left", "right"] = "right"
    tones: Mapping[str, Tone] | None = None
    """What its words mean, where it holds nothing but words that judge."""

    def cell(self, entry: Any) -> str | Mark:
        """The cell of a document's table."""
        text = self.text(entry)
        return text if self.tones is None else Mark(text, self.tones.get(text, ""))


def heads(columns: Iterable[Column]) -> tuple[Head, ...]:
    """The columns as heads of a document's table."""
    return tuple(Head(column.title, column.unit, column.align) for column in columns)


def table_of(
    columns: Sequence[Column],
    entries: Iterable[Any],
    caption: str = "",
    at_once: int | None = None,
) -> Table:
    """A table with a row for each entry."""
    rows = (Row(tuple(column.cell(entry) for column in columns)) for entry in entries)
    return Table(heads(columns), tuple(rows), caption, at_once=at_once)


def columns_of(load: Load) -> tuple[Column, ...]:
    """The columns of a table of cells under a load: rank first, verdict last."""
    if load.is_closed:
        return (*IDENTITY, *_CLOSED, *VERDICT)
    if load.is_sweep:
        shares = [share for share in sorted(load.shares) if share < 1][-SHOWN_SHARES:]
        curve = (
            Column("p99 at" if share == shares[0] else "", _share(share), partial(_p99_at, share))
            for share in shares
        )
        found = _SWEEP if load.objective is not None else _SWEEP[1:]
        return (*IDENTITY, *found, *curve, *VERDICT)
    return (*IDENTITY, *_OPEN, *VERDICT)


def column_notes(loads: Iterable[Load], reference: str | None) -> tuple[str, ...]:
    """What the columns mean under these loads, for below the tables."""
    kinds = {load.kind: load for load in loads}
    notes = [
        "w: worker processes. ±: 95% interval over rounds with fresh processes, for each figure "
        "by itself."
    ]
    for load in kinds.values():
        loop = f"{load.kind.capitalize()}. " if len(kinds) > 1 else ""
        notes.append(loop + " ".join(_sentences(load, reference)))
    if not all(load.is_sweep for load in kinds.values()):
        notes.append(
            "CPU: CPU time of the server's process tree per request, over all requests, "
            "including processes that came or went."
        )
    return tuple(notes)


def _sentences(load: Load, reference: str | None) -> Iterator[str]:
    """What the columns of one kind of load mean."""
    times = latency_words(load)
    if load.is_closed:
        yield f"p50, p99: {times}."
        if reference is not None:
            yield f"Ratio: to {plain(reference)} in the same rounds."
    elif load.has_one_rate:
        yield (
            "Ranked by p50. Kept: share of the due requests that were sent before the "
            "schedule's end."
        )
        yield f"p50, p99, p99.9: {times}; service: measured from sending."
        yield "Lag: p99 of how late the load generator itself sent requests."
    else:
        if load.objective is not None:
            yield f"Highest: the highest rate that met {objective_words(load.objective)}."
        yield "Saturated: responses per second while more was offered than the server could handle."
        yield f"p99: {times}, in ms, at shares of each server's own throughput."


def ratio_text(metric: Metric, cell: CellReport) -> str:
    """A ratio to the reference; the reference's own is 1, without an interval."""
    ratio = cell_ratio(metric, cell)
    if ratio is not None and ratio.reference == cell.cell:
        return "1"
    return numbers.with_interval(numbers.times(ratio.value if ratio else None), ratio)


def _figure(metric: Metric, cell: CellReport) -> str:
    """A figure; how sure what ranks it is matters where there is no ratio, which is surer."""
    found = cell_figure(metric, cell)
    text = numbers.figure(metric, found.value)
    is_alone = metric.ranks and metric.ratio_key and cell_ratio(metric, cell) is None
    return numbers.with_interval(text, found) if is_alone else text


def _figure_columns(loop: Loop) -> tuple[Column, ...]:
    """A column for each metric that tables of a loop show, the ratios of some of them first.

    Ratios hold on this machine from run to run, the absolute figures beside them don't.
    """
    shown = used_in(loop, lambda metric: metric.tabled)
    ratios = (
        Column(metric.ratio_title, "ratio", partial(ratio_text, metric))
        for metric in shown
        if metric.ratio_key and loop == "closed"
    )
    return (*ratios, *(Column(*metric.column, partial(_figure, metric)) for metric in shown))


def _errors(cell: CellReport | SweepReport) -> str:
    """Wrong answers in percent of all answers under load; nothing where nothing was loaded."""
    if cell.outcome != "ok":
        return numbers.MISSING
    answers = cell.requests + cell.errors.total
    return numbers.percent(cell.errors.total / answers if answers else 0.0)


def _kept(cell: CellReport) -> str:
    """The share of the due requests that were sent in time: four digits tell 99.95 from 100."""
    ratio = cell.rate_ratio
    return numbers.MISSING if ratio is None else numbers.significant(ratio * 100, 4, 2)


def _highest(cell: SweepReport) -> str:
    """The highest rate that kept the objective; a lower bound is marked."""
    estimate = cell.highest_rate_rps
    if estimate.value is None:
        return numbers.MISSING
    bound = "≥" if cell.highest_rate_is_least else ""
    return bound + numbers.with_interval(numbers.rate(estimate.value), estimate)


def _p99_at(share: float, cell: SweepReport) -> str:
    """The p99 at one share of the cell's own throughput."""
    for point in cell.points:
        if point.share == share:
            return (
                OVERLOADED[:4]
                if point.overloaded
                else numbers.milliseconds(point.response_time_s.p99)
            )
    return numbers.MISSING


def _share(share: float) -> str:
    return f"{numbers.percent(share)}%"


IDENTITY = (
    Column("#", "", lambda cell: numbers.places(getattr(cell, "rank", None))),
    Column("server", "", lambda cell: plain(cell.server), "left"),
    Column("variant", "", lambda cell: plain(cell.variant), "left"),
    Column("w", "", lambda cell: str(cell.workers)),
)
VERDICT = (
    Column("err", "%", _errors),
    Column("validity", "", verdict_word, "left", TONES),
)
_CLOSED = _figure_columns("closed")
_OPEN = (
    Column("offered", "per s", lambda cell: numbers.rate(cell.offered_rps)),
    Column("kept", "%", _kept),
    *_figure_columns("open"),
)
_SWEEP = (
    Column("highest", "per s", _highest),
    Column("saturated", "per s", lambda cell: numbers.rate(cell.saturation_rps.value)),
)
