"""Checks put to a server: one by one, on the starts that they ask for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from asgi_bench.conformance.check import Check, LifeCheck, StartName
from asgi_bench.conformance.findings import Finding, Unanswered, cant_tell, no, not_offered
from asgi_bench.conformance.lives import Lives
from asgi_bench.conformance.start import Start
from asgi_bench.model.matrix import CheckEntry

# Most of a check is waiting for what doesn't come.
AT_ONCE = 5
Found = tuple[CheckEntry, Finding]


def put(check: Check, start: Start) -> Finding:
    """Put a check to a server once."""
    try:
        return check.look(start)
    except Unanswered as fault:
        return no(str(fault))
    except (KeyError, IndexError, TypeError, ValueError) as fault:
        # What the server handed over isn't shaped as the check takes it.
        return cant_tell(f"the check can't read what it was handed: {fault!r}")


def put_surely(check: Check, start: Start) -> Finding:
    """Put a check to a server, and again where it fails: what isn't the same twice isn't told."""
    first = put(check, start)
    if first.result in ("yes", "not offered"):
        return first
    again = put(check, start.again())
    if again.result == first.result:
        return first
    told = f"{first.result} at first ({first.evidence}), then {again.result} ({again.evidence})"
    return cant_tell(told)


def put_all(
    checks: Sequence[Check], starts: Mapping[StartName, Start], why_not: Mapping[StartName, Finding]
) -> Iterator[Found]:
    """Put checks to a server that is up, some at once; in their order.

    `why_not` says it of starts that there aren't.
    """

    def find(check: Check) -> Finding:
        start = starts.get(check.start)
        if check.entry.subject == "websocket" and not _speaks_websocket(starts):
            return not_offered("its runner file states no WebSocket")
        if start is None:
            return why_not.get(check.start, not_offered("its runner file tells no such way"))
        return put_surely(check, start)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {one.entry.id: pool.submit(find, one) for one in checks if not one.is_alone}
    for check in checks:
        done = found.get(check.entry.id)
        yield check.entry, find(check) if done is None else done.result()


def _speaks_websocket(starts: Mapping[StartName, Start]) -> bool:
    return any("websocket" in start.features for start in starts.values())


def judge_all(checks: Iterable[LifeCheck], lives: Lives) -> Iterator[Found]:
    """Judge how a server lived."""
    for check in checks:
        yield check.entry, check.judge(lives)
