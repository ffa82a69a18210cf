"""Runs checks on a server: side by side, on the starts that they need, whatever becomes of it."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol, TypeAlias

from asgi_bench.conformance.check import Check, LifeCheck, StartName
from asgi_bench.conformance.findings import Finding, Unanswered, cant_tell, no, not_offered
from asgi_bench.conformance.lives import Lives
from asgi_bench.conformance.start import Start
from asgi_bench.model.matrix import CheckEntry

# Most of a check is waiting for what doesn't come.
AT_ONCE = 5
Found = tuple[CheckEntry, Finding]
# The server ended while the check was put to it, or before.
_Attempt: TypeAlias = Finding | Literal["in flight", "too late"]


class Standing(Protocol):
    """A server in all its starts, as they are at the moment. Usable from several threads."""

    features: frozenset[str]

    def start(self, name: StartName) -> Start | None:
        """One start; None if there is none, or it couldn't be restarted."""

    def why_not(self, name: StartName) -> Finding:
        """The result for checks of a start that isn't there."""

    def ended(self, name: StartName) -> str | None:
        """How the server of a start ended; None while it is up."""

    def serves(self, name: StartName) -> bool:
        """Whether a plain request reaches the app; a server that runs without serving has ended."""

    def revive(self, name: StartName) -> None:
        """Restart a start whose server has ended."""


def put(check: Check, start: Start) -> Finding:
    """Run a check on a server once."""
    try:
        return check.look(start)
    except Unanswered as fault:
        return no(str(fault))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as fault:
        # What the server handed over isn't shaped as the check takes it.
        return cant_tell(f"the check can't read what it was handed: {fault!r}")


def put_surely(check: Check, start: Start) -> Finding:
    """Run a check on a server, and again if it fails: only a repeated result counts."""
    first = put(check, start)
    if first.result in ("yes", "not offered"):
        return first
    again = put(check, start.again())
    if again.result == first.result:
        return first
    told = f"{first.result} at first ({first.evidence}), then {again.result} ({again.evidence})"
    return cant_tell(told)


def put_all(checks: Sequence[Check], standing: Standing) -> Iterator[Found]:
    """Run checks on a server that is up, some at once; returns results in their order.

    If it ends meanwhile, the checks that were running are repeated one by one, each on a server
    that is up: this distinguishes the check that ends it from the others.
    """
    found: dict[str, Finding] = {}
    left = [check for check in checks if not check.is_alone]
    while left:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            attempts = list(pool.map(lambda check: _attempt(check, standing), left))
        in_flight: list[Check] = []
        late: list[Check] = []
        for check, attempt in zip(left, attempts, strict=True):
            if isinstance(attempt, Finding):
                found[check.entry.id] = attempt
            else:
                (in_flight if attempt == "in flight" else late).append(check)
        if not in_flight:
            # It ended by itself: then one by one, so that this comes to an end.
            in_flight, late = late[:1], late[1:]
        for check in in_flight:
            found[check.entry.id] = _put_alone(check, standing)
        left = late
    for check in checks:
        done = found.get(check.entry.id)
        yield check.entry, _put_alone(check, standing) if done is None else done


def _attempt(check: Check, standing: Standing) -> _Attempt:
    """Put a check to a server to which others are put, too."""
    if check.entry.subject == "websocket" and "websocket" not in standing.features:
        return not_offered("its runner file states no WebSocket")
    start = standing.start(check.start)
    if start is None:
        return standing.why_not(check.start)
    if standing.ended(check.start) is not None:
        return "too late"
    finding = put_surely(check, start)
    return finding if _end(check, standing, finding) is None else "in flight"


def _put_alone(check: Check, standing: Standing) -> Finding:
    """Put a check to a server of its own while it lasts; one that ends it twice ends it."""
    ends: list[str] = []
    while len(ends) < 2:
        if standing.ended(check.start) is not None:
            standing.revive(check.start)
        start = standing.start(check.start)
        if start is None:
            return standing.why_not(check.start)
        finding = put_surely(check, start)
        end = _end(check, standing, finding)
        if end is None:
            return finding
        ends.append(end)
    return no(f"it ends the server: {ends[0]}")


def _end(check: Check, standing: Standing, finding: Finding) -> str | None:
    """How the server ended under a check; None where it serves on."""
    how = standing.ended(check.start)
    if how is not None or finding.result in ("yes", "not offered") or standing.serves(check.start):
        return how
    return standing.ended(check.start)


def judge_all(checks: Iterable[LifeCheck], lives: Lives) -> Iterator[Found]:
    """Judge how a server lived."""
    for check in checks:
        yield check.entry, check.judge(lives)
