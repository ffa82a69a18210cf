"""docs/faults.md: the fault matrix, cell by cell, with what was seen of each."""

from collections.abc import Iterator, Mapping

from faultmatrix.cells import (
    FAULTS,
    HARNESS_FAULTS,
    LOAD_FAULTS,
    PHASES,
    SERVER_FAULTS,
    Case,
    Cell,
    Never,
    Same,
    matrix,
)
from faultmatrix.running import Seen

_HEAD = (
    "# Faults: what asgi-bench does when something goes wrong\n\n"
    "Written by `scripts/fault-matrix` from `scripts/faultmatrix/cells.py` and from what was seen "
    "when the cells were run (`results/recorded/faults/log.jsonl`). Each cell is a run of two "
    "servers in two rounds; in the second round one thing goes wrong in one phase. In every cell, "
    "exit code and message must be the expected ones, with no traceback; no process and no port "
    "may be left; the trials of the first round must be kept, and the other server must still be "
    "measured.\n\n"
    "In the tables, `✓` was run and passed; `=` is the same as the phase that it names; `-` can't "
    "occur; `✗` was run and failed; `…` has not been run yet.\n"
)
_CODES = {0: "0", 1: "1", 130: "130", 143: "143", 129: "129", -9: "killed"}


def faults_page(known: Mapping[str, Seen]) -> str:
    """Return the page."""
    parts = [_HEAD]
    for title, faults in (
        ("Servers", SERVER_FAULTS),
        ("The load process", LOAD_FAULTS),
        ("asgi-bench itself, and its machine", HARNESS_FAULTS),
    ):
        parts.append("\n".join((f"## {title}\n", *_table(faults, known))))
    parts.append("\n".join(("## What was seen\n", *_seen(known))))
    parts.append("\n".join(("## Why the others were not run\n", *_reasons())))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _table(faults: Mapping[str, str], known: Mapping[str, Seen]) -> Iterator[str]:
    yield f"| What goes wrong | {' | '.join(PHASES)} |"
    yield f"| --- |{' --- |' * len(PHASES)}"
    cells = matrix()
    for fault, words in faults.items():
        marks = [_mark(cells[phase, fault], known) for phase in PHASES]
        yield f"| {words} | {' | '.join(marks)} |"


def _mark(cell: Cell, known: Mapping[str, Seen]) -> str:
    match cell:
        case Case():
            seen = known.get(cell.key)
            return "…" if seen is None else "✓" if seen.is_right else "✗"
        case Same(phase=phase):
            return f"= {phase}"
        case _:
            return "-"


def _seen(known: Mapping[str, Seen]) -> Iterator[str]:
    yield "| Phase | What goes wrong | Exit code | It says |"
    yield "| --- | --- | --- | --- |"
    for (phase, fault), cell in matrix().items():
        if isinstance(cell, Case) and (seen := known.get(cell.key)) is not None:
            code = "hangs" if seen.code is None else _CODES.get(seen.code, str(seen.code))
            told = seen.said or ("measured as ever" if seen.code == 0 else "nothing")
            said = told if seen.is_right else "; ".join(seen.faults)
            yield f"| {phase} | {FAULTS[fault]} | {code} | {_escaped(said)} |"


def _reasons() -> Iterator[str]:
    """Each reason once, with the cells that it is for."""
    reasons: dict[str, list[str]] = {}
    for (phase, fault), cell in matrix().items():
        if isinstance(cell, Same | Never):
            equals = f"as at {cell.phase}: " if isinstance(cell, Same) else "can't occur: "
            reasons.setdefault(equals + cell.why, []).append(f"{phase}/{fault}")
    for reason, cells in reasons.items():
        yield f"- {reason} ({', '.join(cells)})."


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
