"""Counts of windows in the lives of servers, several side by side.

A server starts and warms up uncounted. Then come two windows of the same length: one with requests,
one without. What timers cost is the same in both, and cancels out in their difference.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from asgi_bench.counting.backends.counting import Counted, CountingWindows
from asgi_bench.counting.members import Asked, Member, Patience, ask, fall_asleep, started
from asgi_bench.model.counts import Breakdown, Life, Tally
from asgi_bench.serving.faults import ServerFault

# Once counting is on, valgrind translates the code anew, and learns which functions it is in.
_SETTLING_ANSWERS = 20


def count_windows(
    asked: Sequence[Asked],
    backend: CountingWindows,
    folder: Path,
    patience: Patience,
    *,
    warm_up: int,
    parts: int,
) -> list[Life]:
    """Count two windows of each server, side by side: one of its answers, and one of none.

    `warm_up` answers precede the first, which is counted in `parts` equal parts. `folder` is an
    empty one for what the backend writes. A server with which something goes wrong has one life,
    with the reason, in place of two windows.
    """
    timeout_s = patience.request_s * backend.patience
    with started(asked, backend, folder, patience) as members:
        _ask_until(members, lambda _: warm_up, timeout_s)
        for member in members:
            member.look()
        _each(members, backend.begin)
        _ask_until(members, lambda one: one.answered + _SETTLING_ANSWERS, timeout_s)
        _each(members, backend.mark)
        began_s = time.monotonic()
        for _ in range(parts):
            _ask_until(members, lambda one: one.answered + one.asked.answers // parts, timeout_s)
            # Either window also has the time that its last mark takes.
            length_s = time.monotonic() - began_s
            _each(members, backend.mark)
        if any(member.fault is None for member in members):
            time.sleep(length_s)
        _each(members, backend.mark)
    return [life for member in members for life in _lives(member, backend, length_s, parts)]


def _ask_until(members: Sequence[Member], goal: Callable[[Member], int], timeout_s: float) -> None:
    for member in members:
        member.goal = goal(member)
    ask(members, timeout_s)
    fall_asleep(members)


def _each(
    members: Sequence[Member], act: Callable[[Sequence[Counted]], Sequence[str | None]]
) -> None:
    """Act on all that stand, at the same time."""
    standing = [member for member in members if member.fault is None]
    faults = act([Counted(member.folder, member.process.pids) for member in standing])
    for member, fault in zip(standing, faults, strict=True):
        # strace doesn't notice that a server has ended amid a window.
        ended = member.process.exit_description
        if fault is not None:
            member.fail(fault)
        elif ended is not None:
            member.fail(member.process.explained(ended))


def _lives(member: Member, backend: CountingWindows, length_s: float, parts: int) -> list[Life]:
    if member.fault is None:
        try:
            *counted, idle = _windows(member, backend, parts + 1)
        except ServerFault as fault:
            member.fault = backend.fault(member.folder) or fault.reason
        else:
            count = member.asked.answers // parts * parts
            by_part = tuple(part.total for part in counted) if parts > 1 else ()
            answered = member.life(count, length_s, summed(counted))
            return [
                msgspec.structs.replace(answered, by_part=by_part),
                # Its code is told once.
                msgspec.structs.replace(member.life(0, length_s, idle), code={}),
            ]
    return [member.life(0, length_s)]


def _windows(member: Member, backend: CountingWindows, count: int) -> list[Tally]:
    found = backend.windows(member.folder)
    if len(found) != count:
        raise ServerFault(f"{len(found)} of {count} windows were counted")
    return found


def summed(tallies: Sequence[Tally]) -> Tally:
    """What was counted in several windows of the same processes."""
    parts: dict[Breakdown, dict[str, int]] = {}
    for kind in tallies[0].parts:
        sums = Counter[str]()
        for tally in tallies:
            sums.update(tally.parts[kind])
        parts[kind] = dict(sums)
    return Tally(sum(one.total for one in tallies), parts, tallies[0].processes)
