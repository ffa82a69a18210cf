"""Instructions by valgrind: every process of a server on a simulated CPU, some 30 times slower.

Cachegrind without its cache simulation knows the C function of each instruction. Callgrind would
know the shared object too, and is three times slower again. Both only see user mode.
"""

import re
import shutil
from collections import Counter as Sums
from collections.abc import Iterable, Mapping
from pathlib import Path

from asgi_bench.counting.callgrind import BadProfile, read_lines
from asgi_bench.model.counts import UNPLACED, Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

COUNTS = "counts."
_LOGS = "log."
_UNKNOWN_INSTRUCTION = re.compile(r"unhandled instruction bytes: (?P<bytes>[0-9A-Fa-fx ]+)")
_FATAL = re.compile(r"valgrind:\s+(?P<text>.*\S)")
# Names of Rust and C++ spell out their types.
_LONGEST_NAME = 100
# Of the total: functions below this are told together. CPython has some 5,000 functions that run
# once as it starts, and each life would bring all their names.
LEAST_SHARE = 1e-5


class Valgrind:
    """Counts instructions in user mode."""

    backend: Backend = "valgrind"
    counter: Counter = "instructions"
    tool = "cachegrind"
    # Time-outs are seconds where a server takes milliseconds: they needn't grow as it slows.
    patience = 10.0

    def missing(self) -> str | None:
        """Why it can't count here; None if it can."""
        if shutil.which("valgrind") is None:
            return "valgrind, which counts instructions, is not installed: apt-get install valgrind"
        return None

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """What precedes the server's command."""
        return (
            "valgrind",
            f"--tool={self.tool}",
            "--cache-sim=no",
            # Spawned workers are who serves.
            "--trace-children=yes",
            "--quiet",
            # Which --quiet leaves out.
            "--sigill-diagnostics=yes",
            "--vgdb=no",
            f"--{self.tool}-out-file={folder}/{COUNTS}%p",
            f"--log-file={folder}/{_LOGS}%p",
        )

    def tally(self, folder: Path) -> Tally:
        """Read the counts of all processes; raises ServerFault."""
        functions: Sums[str] = Sums()
        total = processes = 0
        for file in sorted(folder.glob(f"{COUNTS}*")):
            with file.open(encoding="utf-8", errors="replace") as lines:
                found, summed = functions_in(lines)
            if summed is None:
                raise ServerFault("a process was ended before valgrind wrote its counts")
            functions.update(found)
            total += summed
            processes += 1
        if not processes:
            raise ServerFault("valgrind wrote no counts")
        return Tally(total, {"function": told(functions, total)}, processes)

    def fault(self, folder: Path) -> str | None:
        """An instruction that valgrind doesn't know, or why it gave up; otherwise None."""
        for file in sorted(folder.glob(f"{_LOGS}*")):
            text = file.read_text(encoding="utf-8", errors="replace")
            if unknown := _UNKNOWN_INSTRUCTION.search(text):
                return (
                    f"valgrind doesn't know the instruction {unknown['bytes'].strip()}: rebuild "
                    "the code that uses it for a plainer CPU, or leave that code out"
                )
            if fatal := _FATAL.search(text):
                return f"valgrind: {fatal['text']}"
        return None


def told(sums: Mapping[str, int], total: int) -> dict[str, int]:
    """The largest parts of a total, in descending order; the rest is unplaced."""
    kept = {
        name: count
        for name, count in sorted(sums.items(), key=lambda item: -item[1])
        if count >= LEAST_SHARE * total and name != UNPLACED
    }
    return {**kept, UNPLACED: total - sum(kept.values())}


def functions_in(lines: Iterable[str]) -> tuple[dict[str, int], int | None]:
    """Return instructions by C function from a file of cachegrind's, and their total.

    The total is None if the file was cut short.
    """
    try:
        profile = read_lines(lines)
    except BadProfile:
        return {}, None
    sums: Sums[str] = Sums()
    for function, count in profile.by_function.items():
        sums[function.name[:_LONGEST_NAME]] += count
    return dict(sums), profile.total
