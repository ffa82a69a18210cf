"""How many files this process may have open."""

from __future__ import annotations

import resource

from asgi_bench.errors import BenchError

# What a process needs beside its connections: libraries, logs, sockets of other cells' probes.
SPARE_DESCRIPTORS = 256


def raise_descriptor_limit(connections: int) -> int:
    """Raise our soft limit to the hard one, for us and all we start; return it.

    `connections` is the most that one process will have. Raises BenchError if even the hard limit
    is too low, saying how to raise it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = connections + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(
            f"{connections} connections need {needed} open files, but this machine allows "
            f"{hard}: raise the hard limit (`ulimit -Hn`, or LimitNOFILE of a service) or lower "
            "-c"
        )
    return hard
