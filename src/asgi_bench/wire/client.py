"""Requests to a server on this machine, one at a time per connection, without any load.

Everything that judges a response outside of the load uses this: it sends the same bytes as the
engine, and the same reader reads the response.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from typing import Literal, Self, TypeAlias

from asgi_bench.model import Endpoint
from asgi_bench.wire.channel import READABLE, WRITABLE, Channel, dial
from asgi_bench.wire.conversation import Reader, converse, opening
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import LimitError, Response, WireError

_READ_BYTES = 64 * 1024
# What is wrong with an answer that can't be read stands behind this, or a protocol's own words.
TOO_MUCH = "its response is larger than asgi-bench reads"

# As `ErrorCounts` names them.
FaultKind: TypeAlias = Literal["connect", "reset", "timeout", "body"]


class NoAnswer(Exception):
    """A request without a whole response, or with bytes that are none.

    `kind` is what it counts as; `has_begun` says whether any of a response had arrived.
    """

    def __init__(self, kind: FaultKind, text: str, *, has_begun: bool = False) -> None:
        super().__init__(text)
        self.kind: FaultKind = kind
        self.has_begun = has_begun


class Connection:
    """A connection that carries one request after another, and is never reopened.

    `began_s` is when the first bytes of the response arrived, on the monotonic clock. `is_spent`
    says that it takes no further request: the response announced a close, or came before all of
    its request was sent, or the server has closed.
    """

    def __init__(self, endpoint: Endpoint, greeting: bytes = b"") -> None:
        self._endpoint = endpoint
        self._greeting = greeting
        self._conversation = converse(endpoint)
        self._channel: Channel | None = None
        self._unsent = memoryview(b"")
        self._reader: Reader | None = None
        self._exchange: Exchange | None = None
        # How many answers were asked for at once, and are still to come of them; what came of the
        # next one with the last.
        self._asked = self._owed = 0
        self._early = b""
        # The last whole answer and what it was to.
        self._last: tuple[Response, Exchange] | None = None
        self.is_spent = False
        self.began_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._channel is not None

    @property
    def has_answered(self) -> bool:
        """Whether it has had a whole response."""
        return self._last is not None

    @property
    def reader(self) -> Reader:
        """What reads the response to the last request."""
        assert self._reader is not None
        return self._reader

    @property
    def client_port(self) -> int | None:
        """Our end of the connection, while it is open."""
        return None if self._channel is None else self._channel.client_port

    def fileno(self) -> int:
        """The socket's descriptor; -1 if there is none."""
        return -1 if self._channel is None else self._channel.fd

    def open(self, timeout_s: float) -> None:
        """Connect; raises NoAnswer."""
        end_s = time.monotonic() + timeout_s
        try:
            self._channel = self._conversation.over(dial(self._endpoint))
            for awaited in opening(self._channel, self._conversation, self._greeting):
                if not self._wait(awaited, end_s - time.monotonic()):
                    raise TimeoutError("timed out")
        except (OSError, WireError) as fault:
            self.close()
            told = getattr(fault, "strerror", None) or fault
            is_refused = isinstance(fault, WireError)
            raise NoAnswer("connect", f"no connection: {told}", has_begun=is_refused) from None

    def has_hung_up(self) -> bool:
        """Whether the server has closed it while nothing was requested.

        Raises NoAnswer if the last response continued beyond its end.
        """
        if self._last is not None and not self.is_spent:
            try:
                data = self._read()
            except NoAnswer:
                data = b""
            self.is_spent = data == b""
            self._refuse_beyond(data or b"")
        return self.is_spent

    def send(self, exchange: Exchange, times: int = 1) -> None:
        """Begin to send a request, or several at once; `advance` reports any failure.

        Each `advance` is then for the next of the responses.
        """
        self._unsent = memoryview(exchange.request * times)
        self._asked = self._owed = times
        self._exchange = exchange
        self._reader = self._conversation.reader(exchange)
        self.began_s = None
        self._write()

    def advance(self, wait_s: float = 0.0) -> Response | None:
        """Advance as far as possible, waiting once up to `wait_s`; the response if it is whole.

        Raises NoAnswer.
        """
        assert self._reader is not None
        end_s = time.monotonic() + wait_s
        early, self._early = self._early, b""
        if early and (response := self._take(early)) is not None:
            return response
        while self._wait(self._awaited, end_s - time.monotonic()):
            self._write()
            # An answer may come before all was sent, and lie there when the sending fails.
            while (data := self._read()) is not None:
                response = self._take(data)
                if response is not None:
                    return response
        return None

    def ask(self, exchange: Exchange, timeout_s: float) -> Response:
        """Send a request on the open connection and await its response; raises NoAnswer."""
        self.send(exchange)
        return self.answer(timeout_s)

    def answer(self, timeout_s: float) -> Response:
        """Await the response to what was sent; raises NoAnswer."""
        response = self.advance(timeout_s)
        if response is None:
            raise self.overdue(timeout_s)
        return response

    def overdue(self, timeout_s: float) -> NoAnswer:
        """The fault of a response that isn't whole after this long."""
        assert self._reader is not None
        came = self._reader.so_far
        if 0 < self._owed < self._asked:
            came = f"{came} after {self._share}"
        text = f"no complete response within {timeout_s:g} s: {came}"
        return NoAnswer("timeout", text, has_begun=self.began_s is not None)

    def close(self) -> None:
        """Close it."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    @property
    def _awaited(self) -> int:
        assert self._channel is not None
        return READABLE | WRITABLE if self._unsent or self._channel.has_unsent else READABLE

    def _wait(self, events: int, wait_s: float) -> bool:
        reads, writes = ([self] if events & way else [] for way in (READABLE, WRITABLE))
        return any(select.select(reads, writes, [], max(0.0, wait_s)))

    def _write(self) -> None:
        assert self._channel is not None
        try:
            while self._unsent:
                self._unsent = self._unsent[self._channel.write(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            # What lies there unread may tell why.
            self.is_spent, self._unsent = True, memoryview(b"")

    def _read(self) -> bytes | None:
        """What has come: None where nothing has, no bytes at the end; raises NoAnswer."""
        assert self._channel is not None
        try:
            return self._channel.read(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            raise self._cut_off("reset") from None
        except WireError as fault:
            raise self._breach(fault) from None

    def _take(self, data: bytes) -> Response | None:
        assert self._reader is not None
        assert self._exchange is not None
        is_first = self.began_s is None
        if data and is_first:
            self.began_s = time.monotonic()
        try:
            response = self._reader.feed(data) if data else self._reader.finish()
        except LimitError as fault:
            raise NoAnswer("body", f"{TOO_MUCH}: {fault}", has_begun=True) from None
        except WireError as fault:
            start = self._conversation.start
            if is_first and self._last is not None and not data.startswith(start):
                self._refuse_beyond(data.partition(start)[0])
            raise NoAnswer(
                "body", f"{self._conversation.breach}: {fault}", has_begun=True
            ) from None
        except EOFError:
            raise self._cut_off("closed") from None
        finally:
            self._reply()
        if response is None:
            if not data:
                raise self._cut_off("closed")
            return None
        self._last = response, self._exchange
        self._owed -= 1
        if self._owed:
            if response.closes:
                raise self._cut_off("announced to close")
            self._early = self._reader.beyond
            self._reader = self._conversation.reader(self._exchange)
            self.began_s = time.monotonic()
            return response
        self.is_spent |= response.closes or bool(self._unsent)
        self._refuse_beyond(self._reader.beyond)
        return response

    def _reply(self) -> None:
        """Say what the protocol asks for beside requests; the few bytes fit the send buffer."""
        if self._conversation.replies and self._channel is not None:
            with suppress(OSError):
                self._channel.write(bytes(self._conversation.replies))
        self._conversation.replies.clear()

    def _refuse_beyond(self, data: bytes) -> None:
        """Raise NoAnswer where bytes follow the last answer."""
        if data and self._last is not None:
            raise self._breach(self._conversation.fault_beyond(*self._last, data))

    def _breach(self, fault: WireError) -> NoAnswer:
        return NoAnswer("body", f"{self._conversation.breach}: {fault}", has_begun=True)

    @property
    def _share(self) -> str:
        """How many answers came of those asked for at once, in words."""
        return f"{self._asked - self._owed} of {self._asked} answers to requests sent at once"

    def _cut_off(self, how: str) -> NoAnswer:
        if 0 < self._owed < self._asked:
            text = f"{how} the connection after {self._share}"
            return NoAnswer("reset", text, has_begun=True)
        if self.began_s is None or self._reader is None:
            return NoAnswer("reset", f"{how} the connection without a response")
        text = f"{how} the connection in the middle of its response: {self._reader.so_far}"
        return NoAnswer("reset", text, has_begun=True)
