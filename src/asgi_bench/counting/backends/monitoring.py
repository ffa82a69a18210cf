"""Calls by Python function, counted by the servers' own interpreters (`counting/calls`)."""

from array import array
from collections import Counter as Totals
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import msgspec

from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

_LISTENER = Path(__file__).parents[1] / "calls"
# A cell has a PYTHONPATH of its own, and a server is found by it: ours stands before. The process
# that the shell becomes is the server itself.
_SCRIPT = (
    'PYTHONPATH="$1${PYTHONPATH:+:$PYTHONPATH}" ASGI_BENCH_CALLS="$2"; '
    'export PYTHONPATH ASGI_BENCH_CALLS; shift 2; exec "$@"'
)


class Monitoring:
    """Counts calls of functions from Python code, in every interpreter of a server."""

    backend: Backend = "monitoring"
    counter: Counter = "python_calls"
    # A request of uvicorn's takes four times as long, and a start twice.
    patience = 4.0

    def missing(self) -> str | None:
        """None: any CPython that this project supports can count."""
        return None

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """Make Python find our `sitecustomize` first."""
        return ("/bin/sh", "-c", _SCRIPT, "sh", str(_LISTENER), str(folder))

    def tally(self, folder: Path) -> Tally:
        """Add up what each process wrote.

        Raises ServerFault if no interpreter wrote anything.
        """
        found = list(_processes(folder))
        if not found:
            raise ServerFault(
                "no calls were counted: the server does not run CPython, or ignores PYTHONPATH"
            )
        calls = sum(found, Totals[str]())
        return Tally(
            total=calls.total(), parts={"python_function": dict(calls)}, processes=len(found)
        )

    def fault(self, folder: Path) -> str | None:
        """Nothing can go wrong with the counting itself."""
        return None


def _processes(folder: Path) -> Iterator[Totals[str]]:
    """The calls that each process counted, by name."""
    for path in sorted(folder.glob("*.counts")):
        names = path.with_suffix(".names")
        yield read_calls(names.read_bytes() if names.exists() else b"", path.read_bytes())


def read_calls(names: bytes, counts: bytes) -> Totals[str]:
    """Read what one process wrote: JSON strings, one per line, and as many counts of 64 bits.

    A line that was cut off, and everything after it, has no name.
    """
    slots = array("Q", counts[: len(counts) // 8 * 8])
    calls = Totals[str]()
    told = takewhile(lambda name: name is not None, map(_name, names.splitlines()))
    for name, count in zip(told, slots, strict=False):
        if name is not None and count:
            calls[name] += count
    return calls


def _name(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
