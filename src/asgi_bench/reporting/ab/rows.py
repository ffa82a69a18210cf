"""What an A/B says: the rows of its tables, and its sentences."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from asgi_bench.analysis.ab.wording import least_words
from asgi_bench.model import (
    AbReport,
    CellVerdict,
    Difference,
    DifferenceKind,
    Effect,
    MetricVerdict,
    Setup,
)
from asgi_bench.model.metrics import P99, metric_of
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.document import Tone
from asgi_bench.reporting.wording import plain

# From the worst on, as the whole run is judged; what isn't gated comes last.
VERDICTS = ("regression", "failed", "invalid", "undecided", "improvement", "pass")
SHOWN_ONLY = "not gated"
NO_STALLS = "no stalls seen"
TONES: Mapping[str, Tone] = {
    "regression": "bad",
    "failed": "bad",
    "invalid": "bad",
    "undecided": "warn",
    "improvement": "good",
    "pass": "good",
    SHOWN_ONLY: "faint",
    NO_STALLS: "faint",
}
COMMIT_LETTERS = 12
# Before the names of what differs; others tell it themselves.
KIND_WORDS: dict[DifferenceKind, str] = {
    "env": "variable ",
    "server": "server ",
    "socket": "socket option ",
    "module": "module ",
}


class AbRow(NamedTuple):
    """One metric of one cell, or a cell of which nothing was measured."""

    cell: CellVerdict
    metric: MetricVerdict | None

    @property
    def verdict(self) -> str:
        """The word in the last column: a cell that is failed or invalid is so in each metric."""
        if self.metric is None or self.cell.verdict in ("failed", "invalid"):
            return self.cell.verdict
        return self.metric.verdict or (NO_STALLS if self.metric.is_total else SHOWN_ONLY)


def _name(row: AbRow) -> str:
    return plain(row.cell.cell)


def _of_metric(text: Callable[[MetricVerdict], str]) -> Callable[[AbRow], str]:
    """A text of a row's metric, where there is one."""
    return lambda row: numbers.MISSING if row.metric is None else text(row.metric)


def _change(one: MetricVerdict, effect: Effect | None) -> str:
    return numbers.change(metric_of(one.metric), None if effect is None else effect.d)


def _range(one: MetricVerdict, effect: Effect | None) -> str:
    if effect is None or effect.lo is None or effect.hi is None:
        return numbers.MISSING
    metric = metric_of(one.metric)
    return f"[{numbers.change(metric, effect.lo)}, {numbers.change(metric, effect.hi)}]"


def _control(one: MetricVerdict) -> str:
    control = one.control
    return numbers.MISSING if control is None else f"{_change(one, control)} {_range(one, control)}"


def _figure(one: MetricVerdict, value: float) -> str:
    metric = metric_of(one.metric)
    unit = metric.unit.shown.removeprefix("requests")
    return f"{numbers.figure(metric, value)}{'' if unit.startswith('/') else ' '}{unit}"


def _size(one: MetricVerdict, change: float | None) -> str:
    """A change without a sign."""
    metric = metric_of(one.metric)
    if change is None:
        return numbers.MISSING
    return _figure(one, change) if metric.is_linear else f"{numbers.percent(change)}%"


_IDENTITY = (
    Column("cell", "", _name, "left"),
    Column("metric", "", _of_metric(lambda one: metric_of(one.metric).label), "left"),
)
COLUMNS = (
    *_IDENTITY,
    Column("slowdown", "", _of_metric(lambda one: _change(one, one.effect))),
    Column("interval", "", _of_metric(lambda one: _range(one, one.effect))),
    Column("verdict", "", lambda row: row.verdict, "left"),
)
DETAILS = (
    *_IDENTITY,
    Column("baseline", "", _of_metric(lambda one: _figure(one, one.baseline))),
    Column("candidate", "", _of_metric(lambda one: _figure(one, one.candidate))),
    Column("blocks", "", _of_metric(lambda one: numbers.count(one.blocks))),
    Column("left", "out", lambda row: numbers.count(row.cell.blocks_left_out)),
    Column("std.", "error", _of_metric(lambda one: _size(one, one.standard_error))),
    Column("would", "see", _of_metric(lambda one: _size(one, one.detectable))),
    Column("control", "", _of_metric(_control)),
    Column("p", "", _of_metric(lambda one: numbers.probability(one.p_adjusted))),
)


def ab_rows(report: AbReport) -> tuple[AbRow, ...]:
    """All rows, the worst first; of the same verdict in the report's order."""
    return worst_first(report.cells)


def worst_first(cells: Iterable[CellVerdict]) -> tuple[AbRow, ...]:
    """A row for each metric of each cell, and one for a cell without any."""
    return tuple(sorted(_rows(cells), key=lambda row: _place(row.verdict)))


def _rows(cells: Iterable[CellVerdict]) -> Iterator[AbRow]:
    for cell in cells:
        yield from [AbRow(cell, metric) for metric in cell.metrics] or [AbRow(cell, None)]


def _place(verdict: str) -> int:
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)


def side_words(side: Setup) -> str:
    """A side as it was asked for, with the commit that this came to."""
    words = plain(side.description)
    if side.commit is None or side.commit.startswith(words):
        return words
    return f"{words} ({side.commit[:COMMIT_LETTERS]})"


def difference_words(found: Difference) -> str:
    """One difference: `uvicorn 0.50.0 → 0.51.0`, `h11 none → 0.16.0`."""
    old, new = (_value(found, value) for value in (found.baseline, found.candidate))
    kind = KIND_WORDS.get(found.kind, "")
    return f"{kind}{plain(found.name)} {old} → {new}"


def _value(found: Difference, value: str | None) -> str:
    if value is None:
        return "none" if found.kind != "commit" else "the files as they lie"
    text = plain(value)
    return text[:COMMIT_LETTERS] if found.kind == "commit" else text or "empty"


def reasons(report: AbReport) -> tuple[str, ...]:
    """Why cells are failed or invalid, each reason once, with the cell it is about."""
    found = [
        f"{plain(cell.cell)}: {plain(reason.text)}"
        for cell in report.cells
        for reason in cell.reasons
    ]
    return tuple(dict.fromkeys(found))


def notes(report: AbReport) -> tuple[str, ...]:
    """What the columns mean, and the rule."""
    least = numbers.tick(report.min_change * 100)
    found = [
        "Slowdown: what the candidate costs more than the baseline; below 0 it is the faster one.",
        f"Regression: significant, and {least}% or more. Pass: {least}% or more is ruled out.",
        "Intervals are over blocks of fresh processes, as wide as all metrics, cells and looks "
        "together ask for. Would see: the slowdown that so many blocks call a regression four "
        "times in five. Control: a second process of the baseline against the first.",
    ]
    shown = {metric.metric: metric for cell in report.cells for metric in cell.metrics}
    for one in shown.values():
        if one.is_of_memory and one.min_change is not None:
            found.append(
                f"{metric_of(one.metric).told.capitalize()}: {least_words(one)} or more matters; "
                "it is tested by itself."
            )
    p99 = shown.get(P99.name)
    if any(metric.is_total for metric in shown.values()):
        found.append(
            "All: all slices of all blocks together. The gated figures leave out what stands out, "
            f"as stalls of the machine; where all are surely slower by more than {least}%, and the "
            "control's are not, the candidate stalls: a regression."
        )
    if p99 is not None and p99.confidence is None:
        found.append(
            "p99: of all blocks together, without an interval, for a block has too few requests."
        )
    return tuple(found)


def effort_words(report: AbReport) -> str:
    """How much was measured."""
    blocks = f"{report.blocks} block{'' if report.blocks == 1 else 's'}"
    return (
        f"{blocks} of fresh processes in {report.duration_s:.0f} s "
        f"of a budget of {report.budget_s:.0f} s, judged at {report.looks_taken} of "
        f"{report.looks} planned looks"
    )
