"""One start of a server, as its checks see it: a client outside, the app's journal inside."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from asgi_bench.conformance.clients.http1 import Answer, Field, read_answer, request
from asgi_bench.conformance.clients.peer import Peer
from asgi_bench.conformance.findings import Unanswered
from asgi_bench.conformance.journal import Entry, Journal
from asgi_bench.model import Endpoint

AGAIN_S = 1.0
_COUNTER = itertools.count(1)


class Patience(msgspec.Struct, frozen=True):
    """How long checks wait."""

    answer_s: float = 3.0
    """For what has to come."""
    quiet_s: float = 0.3
    """For what must not come."""


class Asked(msgspec.Struct, frozen=True):
    """A request as bytes, and the token under which the journal has it."""

    token: str
    data: bytes


class Seen(msgspec.Struct, frozen=True):
    """A request that got a response."""

    token: str
    answer: Answer


class Start:
    """A server that is up, with the journal of its app.

    `features` are those that its runner file states; `log` returns what it has printed so far.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        journal: Journal,
        *,
        features: frozenset[str] = frozenset(),
        log: Callable[[], str] = str,
        patience: Patience | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.journal = journal
        self.features = features
        self.log = log
        self.patience = patience or Patience()

    def again(self) -> "Start":
        """The same server for a check that has waited in vain: it waits less this time."""
        patience = msgspec.structs.replace(
            self.patience, answer_s=min(AGAIN_S, self.patience.answer_s)
        )
        return Start(
            self.endpoint,
            self.journal,
            features=self.features,
            log=self.log,
            patience=patience,
        )

    def open(self, **how: Any) -> Peer:
        """A connection."""
        return Peer(self.endpoint, self.patience.answer_s, **how)

    def fields(self, steps: Sequence[list[Any]]) -> tuple[str, list[Field]]:
        """A new token, and the fields that carry it and a script."""
        token = f"t{next(_COUNTER)}"
        script = json.dumps(list(steps)).encode()
        return token, [(b"bench-token", token.encode()), (b"bench-script", script)]

    def request(
        self,
        *steps: list[Any],
        method: str = "GET",
        target: str = "/",
        headers: Sequence[Field] = (),
        body: bytes = b"",
        version: str = "1.1",
        host: bool = True,
    ) -> Asked:
        """A request that carries a script; a body's length is stated unless `headers` do so."""
        token, fields = self.fields(steps or ANSWERED)
        names = {name.lower() for name, _ in headers}
        if host:
            fields.insert(0, (b"host", self.endpoint.authority.encode()))
        if body and not names & {b"content-length", b"transfer-encoding"}:
            fields.append((b"content-length", b"%d" % len(body)))
        data = request(
            [*fields, *headers], method=method, target=target, body=body, version=version
        )
        return Asked(token, data)

    def ask(self, *steps: list[Any], method: str = "GET", **how: Any) -> Seen:
        """Send a request on a connection of its own and read the response; raises Unanswered."""
        asked = self.request(*steps, method=method, **how)
        with self.open() as peer:
            peer.send(asked.data)
            return Seen(asked.token, read_answer(peer, method))

    def ask_old(self, *steps: list[Any], **how: Any) -> Seen | None:
        """Request as an HTTP/1.0 client does; None if the server refuses the version."""
        seen = self.ask(*steps, version="1.0", **how)
        is_refused = 400 <= seen.answer.status < 600 and not self.was_called(seen.token)
        return None if is_refused else seen

    def scope(self, asked: Asked | Seen) -> dict[str, Any]:
        """The scope that the app was called with; raises Unanswered if it wasn't called."""
        entry = self.awaited(asked.token, "scope")
        scope: dict[str, Any] = entry.data
        return scope

    def scope_of(self, *steps: list[Any], **how: Any) -> dict[str, Any]:
        """Send a request; returns the scope that the app was called with. Raises Unanswered."""
        seen = self.ask(*steps, **how)
        # It is written down before there can be an answer of the app's.
        if not self.was_called(seen.token):
            raise Unanswered(f"the app was not called, the answer: {seen.answer.told}")
        return self.scope(seen)

    def awaited(self, token: str, what: str, **data: Any) -> Entry:
        """What the app records; `data` are values that it must have."""

        def is_it(entry: Entry) -> bool:
            return entry.what == what and all(
                isinstance(entry.data, dict) and entry.data.get(name) == value
                for name, value in data.items()
            )

        words = " ".join([what, *map(str, data.values())])
        return self.journal.awaited(token, is_it, words, self.patience.answer_s)

    def was_called(self, token: str) -> bool:
        """Whether the app has been called for a request; valid after its response."""
        return any(entry.what == "scope" for entry in self.journal.entries(token))

    def received(self, token: str) -> list[dict[str, Any]]:
        """The events that the app has received."""
        return [entry.data for entry in self.journal.entries(token) if entry.what == "receive"]


def start_of(status: int = 200, *headers: tuple[str, str], length: int | None = None) -> list[Any]:
    """A step of a script: begin a response."""
    fields = [list(pair) for pair in headers]
    if length is not None:
        fields.append(["content-length", str(length)])
    return ["start", status, fields]


def body_of(text: str, *, more: bool = False) -> list[Any]:
    """A step of a script: send a part of a response."""
    return ["body", text, more]


# What a script does where the answer doesn't matter.
ANSWERED: tuple[list[Any], ...] = (["read"], start_of(length=2), body_of("ok"))
