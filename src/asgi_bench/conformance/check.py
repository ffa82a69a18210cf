"""A check: the sentence that it tests, and the function that tests it."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.conformance.findings import Finding
from asgi_bench.conformance.lives import Lives
from asgi_bench.conformance.start import Start
from asgi_bench.model.matrix import CheckEntry, Level, Subject

# Each is one start of the server, which all its checks share. `h2c` is HTTP/2 by prior knowledge.
StartName: TypeAlias = Literal["http", "unix", "tls", "http2", "h2c"]
Look: TypeAlias = Callable[[Start], Finding]
Judge: TypeAlias = Callable[[Lives], Finding]

_ASGI = "https://asgi.readthedocs.io/en/latest"
MAIN, WWW = f"{_ASGI}/specs/main.html", f"{_ASGI}/specs/www.html"
LIFESPAN, EXTENSIONS = f"{_ASGI}/specs/lifespan.html", f"{_ASGI}/extensions.html"
_RFC = "https://www.rfc-editor.org/rfc"
# HTTP's semantics, HTTP/1.1, HTTP/2, WebSocket, WebSocket over HTTP/2.
RFC9110, RFC9112, RFC9113 = f"{_RFC}/rfc9110.html", f"{_RFC}/rfc9112.html", f"{_RFC}/rfc9113.html"
RFC6455, RFC8441 = f"{_RFC}/rfc6455.html", f"{_RFC}/rfc8441.html"


class Check(msgspec.Struct, frozen=True):
    """A check of a server that is up."""

    entry: CheckEntry
    start: StartName
    look: Look
    is_alone: bool = False
    """Whether no other check may be put to the server meanwhile."""


class LifeCheck(msgspec.Struct, frozen=True):
    """A check of how a server starts and ends, made from what was recorded meanwhile."""

    entry: CheckEntry
    judge: Judge


class Suite:
    """The checks of one subject, in the order in which they are declared."""

    def __init__(self, subject: Subject, start: StartName = "http") -> None:
        self.checks: list[Check] = []
        self._subject: Subject = subject
        self._start: StartName = start

    def check(
        self,
        level: Level,
        name: str,
        link: str,
        says: str,
        *,
        start: StartName | None = None,
        is_alone: bool = False,
    ) -> Callable[[Look], Look]:
        """Declare a function as a check: what servers must or should do, or may do differently."""
        entry = CheckEntry(f"{self._subject}.{name}", self._subject, level, says, link)

        def declare(look: Look) -> Look:
            self.checks.append(Check(entry, start or self._start, look, is_alone))
            return look

        return declare


class LifeSuite:
    """The checks of one subject that are made from what servers leave behind."""

    def __init__(self, subject: Subject) -> None:
        self.checks: list[LifeCheck] = []
        self._subject: Subject = subject

    def check(self, level: Level, name: str, link: str, says: str) -> Callable[[Judge], Judge]:
        """Declare a function as a check."""
        entry = CheckEntry(f"{self._subject}.{name}", self._subject, level, says, link)

        def declare(judge: Judge) -> Judge:
            self.checks.append(LifeCheck(entry, judge))
            return judge

        return declare
