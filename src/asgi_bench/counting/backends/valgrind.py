"""Instructions by valgrind: every process of a server on a simulated CPU.

Callgrind counts only while it is told to. A server starts and warms up on the simulated CPU alone,
some 5 times slower than by itself, and is counted 50 times slower. It knows the shared object and C
function of each instruction, in user mode.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from asgi_bench.counting.backends.counting import Counted
from asgi_bench.counting.callgrind import BadProfile, Profile, merged, read_lines
from asgi_bench.model.counts import UNPLACED, Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

_COUNTS = "counts."
_LOGS = "log."
_PIPES = "vgdb"
_UNKNOWN_INSTRUCTION = re.compile(r"unhandled instruction bytes: (?P<bytes>[0-9A-Fa-fx ]+)")
_FATAL = re.compile(r"valgrind:\s+(?P<text>.*\S)")
# Of the total: functions below this are told together.
LEAST_SHARE = 1e-5
_COMMAND_TIMEOUT_S = 60
# It minds that itself, but not while it waits for the process to listen.
_MOST_WAIT_S = _COMMAND_TIMEOUT_S + 10


class Valgrind:
    """Counts instructions in user mode."""

    backend: Backend = "valgrind"
    counter: Counter = "instructions"
    # Time-outs are seconds where a server takes milliseconds: they needn't grow as it slows.
    patience = 10.0

    def missing(self) -> str | None:
        """Why it can't count here; None if it can."""
        if shutil.which("valgrind") is None or shutil.which("vgdb") is None:
            return "valgrind, which counts instructions, is not installed: apt-get install valgrind"
        return None

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """What precedes the server's command."""
        return (
            *("valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-line=no"),
            # Spawned workers are who serves.
            "--trace-children=yes",
            "--quiet",
            # Which --quiet leaves out.
            "--sigill-diagnostics=yes",
            f"--vgdb-prefix={folder}/{_PIPES}",
            f"--callgrind-out-file={folder}/{_COUNTS}%p",
            f"--log-file={folder}/{_LOGS}%p",
        )

    def begin(self, servers: Sequence[Counted]) -> list[str | None]:
        """Start to count; what is executed until the first mark is in no window."""
        return _command(servers, "instrumentation", "on")

    def mark(self, servers: Sequence[Counted]) -> list[str | None]:
        """Make every process write its counts, and begin anew."""
        return _command(servers, "dump")

    def windows(self, folder: Path) -> list[Tally]:
        """Read what all processes counted between marks; raises ServerFault."""
        dumps: dict[int, list[Path]] = {}
        for path in sorted(folder.glob(f"{_COUNTS}*.*")):
            dumps.setdefault(int(path.suffix[1:]), []).append(path)
        if len({tuple(path.stem for path in paths) for paths in dumps.values()}) > 1:
            raise ServerFault("a process of the server came or went while it was counted")
        # The first is what came before the first mark.
        windows = [paths for number, paths in sorted(dumps.items()) if number > 1]
        if not windows:
            raise ServerFault("valgrind wrote no counts")
        return [_tally([_read(path) for path in paths]) for paths in windows]

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


def _read(path: Path) -> Profile:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return read_lines(lines)
    except BadProfile as fault:
        raise ServerFault(f"valgrind's output can't be read: {fault}") from None


def _tally(profiles: Sequence[Profile]) -> Tally:
    whole = merged(profiles)
    parts = {kind: told(named, whole.total) for kind, named in whole.parts().items()}
    return Tally(whole.total, parts, len(profiles))


def _command(servers: Sequence[Counted], *command: str) -> list[str | None]:
    """Give all processes of these servers a command at the same time."""
    with ExitStack() as stack:
        talks = [[_talk(stack, one.folder, pid, *command) for pid in one.pids] for one in servers]
        return [_fault(talk) for talk in talks]


def _talk(stack: ExitStack, folder: Path, pid: int, *command: str) -> subprocess.Popen[str]:
    # A process that waits isn't left to notice by itself: that would be at its next request.
    prompt = ("--max-invoke-ms=1", f"--cmd-time-out={_COMMAND_TIMEOUT_S}")
    talk = subprocess.Popen(
        ("vgdb", f"--vgdb-prefix={folder}/{_PIPES}", f"--pid={pid}", *prompt, *command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stack.enter_context(talk)
    # Interrupted, nobody waits for its answer.
    stack.callback(talk.kill)
    return talk


def _output(talk: subprocess.Popen[str]) -> str:
    try:
        return talk.communicate(timeout=_MOST_WAIT_S)[0]
    except subprocess.TimeoutExpired:
        talk.kill()
        return f"no answer within {_MOST_WAIT_S:g} s"


def _fault(talks: Sequence[subprocess.Popen[str]]) -> str | None:
    """What went wrong with the first of the processes that didn't take the command."""
    outputs = [_output(talk) for talk in talks]
    for talk, output in zip(talks, outputs, strict=True):
        if talk.wait():
            last = (output.strip().splitlines() or ["it said nothing"])[-1]
            return f"valgrind doesn't take commands (vgdb): {last}"
    return None
