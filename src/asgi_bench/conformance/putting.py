"""Checks put to a server: one by one, on the starts that they ask for."""

from collections.abc import Iterable, Iterator, Mapping

from asgi_bench.conformance.check import Check, LifeCheck, StartName
from asgi_bench.conformance.findings import Finding, Unanswered, cant_tell, no, not_offered
from asgi_bench.conformance.lives import Lives
from asgi_bench.conformance.start import Start
from asgi_bench.model.matrix import CheckEntry

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
    checks: Iterable[Check], starts: Mapping[StartName, Start], why_not: Mapping[StartName, Finding]
) -> Iterator[Found]:
    """Put checks to a server that is up; `why_not` says it of starts that there aren't."""
    for check in checks:
        start = starts.get(check.start)
        if check.entry.subject == "websocket" and not _speaks_websocket(starts):
            yield check.entry, not_offered("its runner file states no WebSocket")
        elif start is None:
            default = not_offered("its runner file tells no such way")
            yield check.entry, why_not.get(check.start, default)
        else:
            yield check.entry, put_surely(check, start)


def _speaks_websocket(starts: Mapping[StartName, Start]) -> bool:
    return any("websocket" in start.features for start in starts.values())


def judge_all(checks: Iterable[LifeCheck], lives: Lives) -> Iterator[Found]:
    """Judge how a server lived."""
    for check in checks:
        yield check.entry, check.judge(lives)
