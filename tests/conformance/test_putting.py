from collections.abc import Callable
from typing import Any, cast

import msgspec

from asgi_bench.conformance.check import Check, StartName
from asgi_bench.conformance.findings import YES, Finding, cant_tell, no
from asgi_bench.conformance.putting import put_all
from asgi_bench.conformance.start import Start
from asgi_bench.model.matrix import CheckEntry

Look = Callable[["Fragile"], Finding]


class Fragile:
    """A server that checks may end; it can be begun anew as often as it is said."""

    features = frozenset(("websocket",))

    def __init__(self, revivals: int = 100) -> None:
        self.how: str | None = None
        self.answers = True
        self.revived = 0
        self._revivals = revivals

    def start(self, name: StartName) -> Start | None:
        """Itself, as long as it could be begun again."""
        return cast(Start, self) if self.revived <= self._revivals else None

    def why_not(self, name: StartName) -> Finding:
        """There is no more of it."""
        return cant_tell("it ends each time")

    def ended(self, name: StartName) -> str | None:
        """How it ended."""
        return self.how

    def serves(self, name: StartName) -> bool:
        """Whether it answers; who doesn't has ended."""
        if not self.answers:
            self.how = "a plain request is not served any more"
        return self.answers

    def revive(self, name: StartName) -> None:
        """It stands again."""
        self.how, self.answers = None, True
        self.revived += 1

    def again(self) -> "Fragile":
        """The same, less patient."""
        return self


def check(name: str, look: Look, start: StartName = "http") -> Check:
    """A check of such a server."""
    entry = CheckEntry(f"http.{name}", "http", "must", "", "")
    return Check(entry, start, cast(Any, look))


def good(server: Fragile) -> Finding:
    """What a server that stands passes."""
    return YES if server.how is None else no("no connection")


def ending(server: Fragile) -> Finding:
    """What ends it."""
    server.how = "was killed by SIGSEGV"
    return no("the connection was reset")


def hanging(server: Fragile) -> Finding:
    """What has it serve nobody any more."""
    server.answers = False
    return no("nothing came within 3 s")


def results(*checks: Check, server: Fragile) -> dict[str, Finding]:
    """What comes of checks, by their names."""
    return {entry.id: finding for entry, finding in put_all(checks, server)}


def test_what_ends_a_server_is_told_from_what_meets_it() -> None:
    """One check ends it: that one fails, with how; the others are put to one that stands."""
    checks = [check(f"good-{number}", good) for number in range(20)]
    checks.insert(7, check("ending", ending))
    found = results(*checks, server=Fragile())
    assert found.pop("http.ending") == no("it ends the server: was killed by SIGSEGV")
    assert set(found.values()) == {YES}
    assert list(found) == [one.entry.id for one in checks if one.entry.id != "http.ending"]


def test_a_server_that_hangs_has_ended() -> None:
    """A plain request shows it: what hangs it is told from what meets it."""
    found = results(check("hanging", hanging), check("good", good), server=Fragile())
    assert found["http.hanging"].evidence == (
        "it ends the server: a plain request is not served any more"
    )
    assert found["http.good"] == YES


def test_one_end_of_two_is_no_result_of_the_check() -> None:
    """What ended it once and not again is judged by what it does then."""
    ends = iter((ending,))
    found = results(check("once", lambda server: next(ends, good)(server)), server=Fragile())
    assert found["http.once"] == YES


def test_a_server_that_always_ends_can_not_be_told_of() -> None:
    """It comes to an end: each check has a result."""
    checks = [check(f"ending-{number}", ending) for number in range(12)]
    server = Fragile(revivals=4)
    found = results(*checks, server=server)
    assert len(found) == len(checks)
    assert {one.result for one in found.values()} == {"no", "can't tell"}
    assert msgspec.structs.asdict(found["http.ending-11"])["evidence"] == "it ends each time"
