"""CPU clocks of the servers under load, read by a load process at the edges of a slice."""

from collections.abc import Iterable

from asgi_bench.machine.clocks import process_cpu_s


def read_clocks(pids: Iterable[int]) -> dict[int, float]:
    """Return each living process's CPU time in seconds; one that is gone is left out."""
    clocks = {}
    for pid in pids:
        try:
            clocks[pid] = process_cpu_s(pid)
        except OSError:
            continue
    return clocks
