"""The findings, one line each, the worst first."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from asgi_bench.analysis.report import CellReport, Report, SweepReport
from asgi_bench.reporting.document import Item, Items, Mark, Section, Span
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import TONES, plain

LEVELS = tuple(TONES)
NAMED_CELLS = 3
# More findings of one kind than this are told by one of them.
TOLD_TEXTS = 3


class Finding(NamedTuple):
    """A finding about some cells (none: about the run), and how bad it is."""

    level: str
    cells: tuple[str, ...]
    text: str

    @property
    def subject(self) -> str:
        """The cells it is about, in few words."""
        if len(self.cells) <= NAMED_CELLS:
            return ", ".join(map(plain, self.cells))
        return f"{len(self.cells)} cells, from {plain(self.cells[0])} to {plain(self.cells[-1])}"


def findings_section(source: Source) -> Section:
    """A line for each finding."""
    items = tuple(map(_item, findings(source.report)))
    return Section("findings", "Findings", (Items(items),), is_closing=True)


def _item(finding: Finding) -> Item:
    mark = Mark(finding.level, TONES[finding.level])
    if not finding.cells:
        return Item(finding.text, mark)
    return Item((Span(finding.subject, "code"), f": {finding.text}"), mark)


def findings(report: Report) -> tuple[Finding, ...]:
    """Everything a reader should know beside the figures, the worst first.

    The same words about several cells appear once. So do findings of the same kind about many
    cells, and notes, with an example.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for cell in report.everything:
        for level, code, text in _of_cell(cell):
            found.setdefault((level, code), {})[cell.cell] = plain(text)
    merged = [finding for (level, _), texts in found.items() for finding in _merged(level, texts)]
    about_all = _about_reference(report)
    return tuple(sorted((*about_all, *merged), key=lambda finding: LEVELS.index(finding.level)))


def _merged(level: str, texts: Mapping[str, str]) -> Iterator[Finding]:
    """The findings on cells that have these texts, all of one kind."""
    by_text: dict[str, list[str]] = {}
    for cell, text in texts.items():
        by_text.setdefault(text, []).append(cell)
    most = {"note": 1, "failed": len(texts), "skipped": len(texts)}.get(level, TOLD_TEXTS)
    if len(by_text) > most:
        yield Finding(level, tuple(texts), f"for example {next(iter(by_text))}")
    else:
        yield from (Finding(level, tuple(cells), text) for text, cells in by_text.items())


def _of_cell(cell: CellReport | SweepReport) -> Iterator[tuple[str, str, str]]:
    """Level, code and text of what there is to say about one cell."""
    if cell.outcome != "ok":
        yield cell.outcome, cell.outcome, cell.reason or "no reason was recorded"
        return
    for reason in cell.validity_reasons:
        level = "note" if reason.level == "valid" else reason.level
        yield level, reason.code, reason.text
    if cell.oversubscribed:
        text = f"oversubscribed: {cell.workers} workers are more than the servers have CPUs"
        yield "note", f"oversubscribed-{cell.workers}", text


def _about_reference(report: Report) -> tuple[Finding, ...]:
    """Say why there are no ratios, where there are none, or only for some."""
    reference = report.run.reference
    measured = [cell for cell in report.cells if cell.outcome == "ok"]
    if not measured:
        return ()
    if any(cell.throughput_ratio for cell in measured):
        without = tuple(cell.cell for cell in measured if cell.throughput_ratio is None)
        text = (
            f"no ratio: the reference {plain(reference or '')} has no usable trial in the same "
            "rounds"
        )
        return (Finding("note", without, text),) if without else ()
    if reference is None:
        return (Finding("note", (), "the run has no reference server, so there are no ratios"),)
    text = f"no ratios: the reference {plain(reference)} is failed, skipped or invalid"
    return (Finding("suspect", (), text),)
