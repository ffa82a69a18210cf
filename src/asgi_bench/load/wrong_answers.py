"""The first wrong response of each kind, kept when it is seen, and how many are like it."""

from collections import Counter
from time import perf_counter_ns as clock_ns
from typing import NamedTuple, TypeAlias

import msgspec

from asgi_bench.model import MOST_WRONG_ANSWERS, WrongAnswer
from asgi_bench.wire.channel import Channel
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import Response

# Of a body that says what went wrong; a page of HTML takes some bytes to come to its point.
BODY_LETTERS = 120
VALUE_LETTERS = 100
# Headers that tell why an answer is another than expected, or who gave it.
TELLING_HEADERS = (
    *("location", "content-type", "retry-after", "server", "connection", "via", "allow"),
    *("www-authenticate", "transfer-encoding", "content-encoding"),
)

Likeness: TypeAlias = tuple[str, str, int | None]


class Evidence(NamedTuple):
    """What there is to show: a whole response, or a description of what came instead."""

    text: str = ""
    response: Response | None = None


class WrongAnswers:
    """Keeps the first of each kind; after that a wrong response costs a look-up and two counts."""

    def __init__(self) -> None:
        self._first: dict[Likeness, WrongAnswer] = {}
        self._counts: Counter[Likeness] = Counter()
        self._by_port: Counter[int] = Counter()

    def note(
        self,
        kind: str,
        exchange: Exchange | None,
        evidence: Evidence,
        channel: Channel | None = None,
    ) -> None:
        """Count a wrong response of a connection, and keep it if none like it is kept."""
        response = evidence.response
        request = "" if exchange is None else exchange.name
        port = None if channel is None else channel.client_port
        if response is not None and port is not None:
            self._by_port[port] += 1
        if self.is_new(kind, request, None if response is None else response.status):
            wrong = WrongAnswer(kind, request, evidence.text, clock_ns() / 1e9, client_port=port)
            if response is not None and exchange is not None:
                wrong = _described(wrong, exchange, response)
            self.keep(wrong)

    def is_new(self, kind: str, request: str, status: int | None) -> bool:
        """Count a wrong response; returns whether it is the first of its kind, to be kept."""
        likeness = (kind, request, status)
        self._counts[likeness] += 1
        return likeness not in self._first and len(self._first) < MOST_WRONG_ANSWERS

    def keep(self, wrong: WrongAnswer) -> None:
        """Keep the first of its kind."""
        self._first[wrong.likeness] = wrong

    def forget_counts(self) -> None:
        """Count from here on: the slices begin."""
        self._counts.clear()
        self._by_port.clear()

    @property
    def kept(self) -> tuple[WrongAnswer, ...]:
        """The first of each kind in the order they came, with the counts."""
        return tuple(
            msgspec.structs.replace(wrong, count=self._counts[likeness])
            for likeness, wrong in self._first.items()
        )

    @property
    def by_port(self) -> dict[int, int]:
        """How many whole wrong responses came on each connection, by the client's port."""
        return dict(self._by_port)


def _described(wrong: WrongAnswer, exchange: Exchange, response: Response) -> WrongAnswer:
    found = {name: response.header(name) for name in TELLING_HEADERS}
    return msgspec.structs.replace(
        wrong,
        text=exchange.fault_text(response),
        status=response.status,
        headers=telling(found),
        body=excerpt(response.body, BODY_LETTERS),
        body_bytes=len(response.body),
    )


def telling(headers: dict[str, str | None]) -> dict[str, str]:
    """Return the headers that are present, each as one short line.

    Headers that only say that a connection stays open are left out.
    """
    return {
        name: excerpt(value.encode("latin-1", "replace"), VALUE_LETTERS)[1:-1]
        for name, value in headers.items()
        if value is not None and (name, value.lower()) != ("connection", "keep-alive")
    }
