"""What every format says in the same words: the load, the machine, the findings."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from asgi_bench.analysis.document import CellReport, Report
from asgi_bench.model import ClosedLoop, Load, Machine, RateSweep
from asgi_bench.reporting import numbers

# The worst first; what merely deserves a word is a note.
LEVELS = ("failed", "invalid", "suspect", "note", "skipped")
NAMED_CELLS = 3
# Colours and cursor moves (ECMA-48, 5.4), as servers write them into their logs.
ANSI_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# Control, format, surrogate, line and paragraph separator.
CONTROL_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")


class Finding(NamedTuple):
    """One thing to know about some cells (none: about the run), and how bad it is."""

    level: str
    cells: tuple[str, ...]
    text: str

    @property
    def subject(self) -> str:
        """The cells it is about, in few words."""
        if len(self.cells) <= NAMED_CELLS:
            return ", ".join(map(plain, self.cells))
        return f"{len(self.cells)} cells, from {plain(self.cells[0])} to {plain(self.cells[-1])}"


def plain(text: str) -> str:
    """Text from outside as one line without control characters.

    Log lines and names may hold escape sequences that would drive a terminal or break a file.
    """
    letters = (
        " " if unicodedata.category(letter) in CONTROL_CATEGORIES else letter
        for letter in ANSI_SEQUENCE.sub("", text)
    )
    return " ".join("".join(letters).split())


def shortened(text: str, letters: int) -> str:
    """The text cut to so many letters, its cut marked."""
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"


def load_words(load: Load) -> str:
    """How requests are offered: `closed loop, 64 connections`."""
    if isinstance(load, ClosedLoop):
        return f"closed loop, {load.connections} connections"
    if isinstance(load, RateSweep):
        shares = " ".join(numbers.percent(share) for share in load.shares)
        offered = f"sweep of {shares}% of each server's own throughput"
    elif load.rate_share is not None:
        offered = f"{numbers.percent(load.rate_share)}% of each server's own throughput"
    else:
        offered = f"{numbers.rate(load.rate_rps)} requests/s"
    return f"open loop, {offered}, {load.arrivals}, up to {load.connections} connections"


def latency_words(load: Load) -> str:
    """What the percentiles are, in a few words: at saturation they follow from the throughput."""
    if isinstance(load, ClosedLoop):
        return "response time at saturation"
    return "response time from the intended moment"


def machine_words(machine: Machine) -> str:
    """The machine in one line, without its name."""
    python = plain(machine.python)
    parts = [
        f"{plain(machine.cpu_model)}, {machine.cpu_count} CPUs",
        numbers.gibibytes(machine.memory_bytes),
        plain(machine.virtualization or ""),
        plain(machine.os),
        f"Linux {plain(machine.kernel)}" if machine.kernel[:1].isdigit() else plain(machine.kernel),
        python if "Python" in python else f"Python {python}",
    ]
    return " · ".join(part for part in parts if part)


def workers_words(workers: Sequence[int]) -> str:
    """The worker counts: `1 worker`, `1 and 2 workers`."""
    counts = [str(count) for count in sorted(set(workers))]
    words = counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])} and {counts[-1]}"
    return f"{words} worker{'' if counts == ['1'] else 's'}"


def cell_name(cell: CellReport) -> str:
    """A cell's server and variant, as on charts: `uvicorn`, `uvicorn h11-asyncio`."""
    name = cell.server if cell.variant == "default" else f"{cell.server} {cell.variant}"
    return plain(name)


def verdict_word(cell: CellReport) -> str:
    """One word for the validity column."""
    return cell.validity if cell.outcome == "ok" else cell.outcome


def findings(report: Report) -> tuple[Finding, ...]:
    """Everything a reader should know beside the figures, the worst first.

    What is said of several cells in the same words is said once, and a note of the same kind
    once with an example.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for cell in report.cells:
        for level, code, text in _of_cell(cell):
            key = (level, code if level == "note" else text)
            found.setdefault(key, {})[cell.cell] = plain(text)
    merged = [_merged(level, texts) for (level, _), texts in found.items()]
    about_all = _about_reference(report)
    return tuple(sorted((*about_all, *merged), key=lambda finding: LEVELS.index(finding.level)))


def _merged(level: str, texts: Mapping[str, str]) -> Finding:
    """One finding on the cells that have these texts."""
    first, *others = dict.fromkeys(texts.values())
    return Finding(level, tuple(texts), f"for instance {first}" if others else first)


def _of_cell(cell: CellReport) -> Iterator[tuple[str, str, str]]:
    """Level, code and text of what there is to say about one cell."""
    if cell.outcome != "ok":
        yield cell.outcome, cell.outcome, cell.reason or "no reason was given"
        return
    for reason in cell.validity_reasons:
        level = "note" if reason.level == "valid" else reason.level
        yield level, reason.code, reason.text
    if cell.oversubscribed:
        text = f"oversubscribed: {cell.workers} workers are more than the server CPUs"
        yield "note", f"oversubscribed-{cell.workers}", text


def _about_reference(report: Report) -> tuple[Finding, ...]:
    """Say why there are no ratios, where there are none."""
    reference = report.run.reference
    measured = [cell for cell in report.cells if cell.outcome == "ok"]
    if not measured or any(cell.throughput_ratio for cell in measured):
        return ()
    if reference is None:
        return (Finding("note", (), "the run has no reference server, so there are no ratios"),)
    text = f"no ratios: the reference {plain(reference)} is failed, skipped or invalid"
    return (Finding("suspect", (), text),)
