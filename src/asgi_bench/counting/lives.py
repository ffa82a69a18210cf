"""Counts of whole lives of servers, from start to end, several side by side.

The lives of one call serve for the same time, however many requests they get: timers then cost the
same in all, and cancel out in their differences as starting and stopping do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from asgi_bench.counting.backends.counting import CountingLives
from asgi_bench.counting.members import Asked, Member, Patience, ask, started
from asgi_bench.model.counts import Life
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.process import stop_all

# Until a server has noticed that its clients are gone.
_PARTING_S = 0.3
_STOP_TIMEOUT_S = 10.0


def count_lives(
    asked: Sequence[Asked], backend: CountingLives, folder: Path, patience: Patience
) -> list[Life]:
    """Count lives side by side, from their start to their end; returned in their order.

    `folder` is an empty one for what the backend writes. What goes wrong with a server is the
    reason of its own life, and doesn't affect the others.
    """
    with started(asked, backend, folder, patience) as members:
        ask(members, patience.request_s * backend.patience)
        for member in members:
            member.look()
        stopped_s = _stop(members, _STOP_TIMEOUT_S * backend.patience)
    return [_life(member, backend, stopped_s.get(member, 0.0)) for member in members]


def _life(member: Member, backend: CountingLives, stopped_s: float) -> Life:
    tally = None
    if member.fault is None:
        try:
            tally = backend.tally(member.folder)
        except ServerFault as fault:
            member.fault = backend.fault(member.folder) or fault.reason
    return member.life(member.answered, stopped_s - member.ready_s, tally)


def _stop(members: Sequence[Member], timeout_s: float) -> dict[Member, float]:
    """End all after the same time of serving: that of the one that was ready first, until now.

    Returns when each was told to stop.
    """
    standing = [member for member in members if member.fault is None]
    now_s = time.monotonic()
    longest_s = max((now_s - one.ready_s for one in standing), default=0.0) + _PARTING_S
    stopped_s = {}
    for member in sorted(standing, key=lambda one: one.ready_s):
        ends_s = member.ready_s + longest_s
        time.sleep(max(0.0, ends_s - _PARTING_S - time.monotonic()))
        member.part()
        time.sleep(max(0.0, ends_s - time.monotonic()))
        stopped_s[member] = time.monotonic()
        member.process.request_stop()
    reports = stop_all([member.process for member in standing], timeout_s)
    for member, report in zip(standing, reports, strict=True):
        if report.was_killed:
            member.fault = f"did not end within {timeout_s:g} s of SIGTERM"
        elif report.fault is not None:
            member.fault = report.fault
    return stopped_s
