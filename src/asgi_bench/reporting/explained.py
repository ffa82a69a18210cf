"""Where the counts of an A/B's sides differ: a table for each way to break a request down."""

from collections.abc import Iterable, Iterator

from asgi_bench.model.counts import UNPLACED, Change, Explanation
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.counts import NOUNS, PARTS, count_text
from asgi_bench.reporting.document import Block, Notes, Section, Text
from asgi_bench.reporting.wording import plain

# A comment shows the first of each at once, and folds the others.
AT_ONCE = 3
NOT_NAMED = "everything without a name"


def explained_section(found: Iterable[Explanation]) -> Section:
    """The entries that changed most; the section is left out if there are none."""
    told = tuple(found)
    has_cells = len({one.cell for one in told}) > 1
    blocks = tuple(block for one in told for block in _blocks(one, has_cells=has_cells))
    notes = (Notes(tuple(_notes(told))),) if told else ()
    return Section("explained", "Where the sides differ", (*blocks, *notes))


def _blocks(found: Explanation, *, has_cells: bool) -> Iterator[Block]:
    cell = f"{plain(found.cell)}: " if has_cells else ""
    totals = f"{count_text(found.baseline)} → {count_text(found.candidate)}"
    caption = f"{cell}{NOUNS[found.counter]} by {PARTS[found.by]}, {totals} in all"
    if not found.changes:
        yield Text(f"{caption[:1].upper()}{caption[1:]}: nothing changed.")
        return
    name = Column(PARTS[found.by], "", _name, "left")
    yield table_of((name, *_FIGURES), found.changes, caption, at_once=AT_ONCE)


def _name(change: Change) -> str:
    return NOT_NAMED if change.name == UNPLACED else plain(change.name)


def _change(change: Change) -> str:
    size = change.candidate - change.baseline
    return f"{'+' if size > 0 else '-'}{count_text(abs(size))}"


_FIGURES = (
    Column("baseline", "", lambda change: count_text(change.baseline)),
    Column("candidate", "", lambda change: count_text(change.candidate)),
    Column("change", "", _change),
)


def _notes(found: Iterable[Explanation]) -> Iterator[str]:
    """What the entries are, by what was found."""
    counters = {one.counter for one in found}
    yield "Per request, the ten largest changes; changes too small to detect are left out."
    if "instructions" in counters:
        yield (
            "Instructions are those in the object or function itself, without the functions it "
            "calls."
        )
    if "python_calls" in counters:
        yield (
            "Calls are those from Python code to Python and C functions; a coroutine counts "
            "once, when it begins."
        )
