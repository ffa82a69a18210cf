"""Two runs compared, as a document: the table, what differs, how certain it is."""

from collections.abc import Iterator

from asgi_bench.analysis.history.comparison import RunComparison
from asgi_bench.reporting import numbers
from asgi_bench.reporting.ab import (
    COLUMNS,
    DETAILS,
    listing,
    verdict_text,
    worst_first,
)
from asgi_bench.reporting.columns import table_of
from asgi_bench.reporting.document import Aside, Block, Document, Notes, Section
from asgi_bench.reporting.history import change_words, resumed_parts
from asgi_bench.reporting.wording import plain

# Of an A/B's columns those that two runs have: no control, no blocks left out.
FIGURES = tuple(column for column in DETAILS[2:] if column.title in ("baseline", "candidate", "p"))
SHOWN = (*COLUMNS[:-1], *FIGURES, COLUMNS[-1])
# Counts have their unit beside them, so that there is no room for all in one row.
COUNTED = (COLUMNS, (*COLUMNS[:-3], *FIGURES))
# A comment has no room for a whole environment.
DIFFERENCES = 60


def compared_document(found: RunComparison) -> Document:
    """The comparison, the worst row first. In a terminal, the verb prints the verdict last."""
    differences = [change_words(change) for change in found.differences]
    blocks: tuple[Block, ...] = (
        Aside((verdict_text(found.verdict, found.text),), least="markdown"),
        *(
            table_of(columns, worst_first(found.cells))
            for columns in (COUNTED if found.is_counted else (SHOWN,))
        ),
        Notes(tuple(_notes(found))),
        listing("What differs", differences or ["nothing that is recorded"], DIFFERENCES),
        listing("Findings", _findings(found)),
    )
    return Document("", (), (Section("comparison", "", blocks),))


def _notes(found: RunComparison) -> Iterator[str]:
    """What the figures mean, and what the comparison can't see."""
    yield f"base {plain(found.base)}, candidate {plain(found.candidate)}."
    if found.is_counted:
        yield from _counted_notes(found)
    elif found.reference is None:
        yield "Slowdowns are of absolute figures, which depend on the machine: none is judged."
    else:
        yield (
            f"Slowdown: how much the cell's ratio to {plain(found.reference)}, which both runs "
            f"have, got worse; {numbers.tick(found.min_change * 100)}% or more matters. "
            "Whatever changed for both, such as a shared app or interpreter, cancels out: use "
            "asgi-bench ab for that. Intervals are over the rounds of both runs, widened for "
            "all metrics and cells together."
        )


def _counted_notes(found: RunComparison) -> Iterator[str]:
    """What a verdict on stored counts means."""
    yield (
        "Counts per request, over the memory layouts that both runs have. "
        f"{numbers.tick(found.min_change * 100)}% more instructions or half a system call "
        "matters. Counts are judged if both runs have the same architecture, kernel, "
        "interpreter, libraries and valgrind, and paths of the same length. Another user or "
        "environment changes them by less than 0.1 %."
    )


def _findings(found: RunComparison) -> Iterator[str]:
    """What else to know: machines, cells that could not be compared."""
    if not found.same_machine and not found.is_counted:
        yield (
            "the machines differ: even ratios between servers change with processor, kernel and "
            "CPU count by more than most changes do; measure both on one machine, or use ab"
        )
    for role, times in found.resumed:
        yield f"the {role} run has {resumed_parts(times)}"
    for cell in found.cells:
        yield from (f"{plain(cell.cell)}: {plain(reason.text)}" for reason in cell.reasons)
    for key, role in found.only:
        yield f"{plain(key)}: only in the {role} run"
