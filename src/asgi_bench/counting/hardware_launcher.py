"""Becomes a server whose events are counted: `python -m … EVENT FOLDER COMMAND…`.

Counters are opened here, before the server starts, so that nothing is missed: neither processes
that it spawns, nor what it does before it can be found. The started process becomes the server. A
watcher beside it keeps the counters until the server has ended, and writes their values into a file
of the folder, which is empty until then.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from asgi_bench.machine.perf_events import EventName, Mode, modes_told, open_counter, read_counter

# A server may have several processes that are started one by one, each with a launcher.
COUNTS = "counts."
# Workers may outlive their master by a little.
_SETTLE_S = 0.05
_MOST_S = 2.0


def launch(event: EventName, folder: Path, command: list[str]) -> None:
    """Become the command; doesn't return."""
    path = folder / f"{COUNTS}{os.getpid()}"
    path.touch()
    counters = {mode: open_counter(event, mode) for mode in modes_told(event)}
    server = os.pidfd_open(os.getpid())
    child = os.fork()
    if child == 0:
        # Not the server's child: a server that waits for any of its children must not meet it.
        if os.fork() == 0:
            watch(server, counters, path)
        os._exit(0)
    os.waitpid(child, 0)
    os.execvp(command[0], command)  # noqa: S606  (argv, as it was handed over)


def watch(server: int, counters: dict[Mode, int], path: Path) -> None:
    """Wait for the server to end, and write what was counted."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    close_all_but({server, *counters.values()})
    select.select([server], [], [])
    deadline_s = time.monotonic() + _MOST_S
    last, found = None, read(counters)
    while found != last and time.monotonic() < deadline_s:
        time.sleep(_SETTLE_S)
        last, found = found, read(counters)
    written = path.with_name(f"part.{path.name}")
    written.write_text(json.dumps(found))
    written.rename(path)


def read(counters: dict[Mode, int]) -> dict[Mode, tuple[int, bool]]:
    """The values of all counters, by mode."""
    return {mode: read_counter(descriptor) for mode, descriptor in counters.items()}


def close_all_but(kept: set[int]) -> None:
    """Close what the server has inherited: a socket lives as long as anyone keeps it open."""
    held = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    for descriptor in held - kept:
        # One of them was the folder's own, for as long as it was read.
        with contextlib.suppress(OSError):
            os.close(descriptor)


if __name__ == "__main__":
    launch(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])  # type: ignore[arg-type]
