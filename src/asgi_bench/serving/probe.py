"""One verification of a server: the scenario's request, twice on one keep-alive connection.

For a conversation over WebSocket it is all the turns; for pipelined requests, as many at once as
the
load has in flight.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Literal, TypeAlias

from asgi_bench.model import (
    Endpoint,
    ErrorCounts,
    Scenario,
)
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.exchange import Exchange, dialogue
from asgi_bench.wire.frames import Messages
from asgi_bench.wire.http1 import Response

REQUESTS = 2
# From the first byte of an answer to its end, where no run says how long a request may take.
ANSWER_TIMEOUT_S = 5.0

# Answers of a gateway whose backend isn't up yet: not wrong, just early.
_EARLY_STATUSES = frozenset({502, 503, 504})
_CONNECT_TIMEOUT_S = 1.0

ProbeState: TypeAlias = Literal["running", "right", "early", "unanswered", "wrong"]


class Probe:
    """Sends without waiting: `advance` takes it as far as it goes now.

    `state`: `running`; `right` (both responses as expected; the connection stays open until
    `close`); `early` (no connection, or a gateway without its backend); `unanswered` (the
    connection was closed and nothing had arrived); `wrong` (a response that waiting won't mend).
    `text` explains all but `right`. `sent` counts requests handed to a connection, `errors` those
    among them without a correct response. If the server closes after a response, the second
    request goes out on a connection of its own.
    """

    def __init__(
        self, endpoint: Endpoint, scenario: Scenario, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self.state: ProbeState = "running"
        self.text = "no answer to a request"
        self.sent = 0
        self.errors = ErrorCounts()
        self.ended_s: float | None = None
        self._scenario = scenario
        self._asked = dialogue(endpoint, scenario)
        self._answer_timeout_s = answer_timeout_s
        self._answers = self._turn = 0
        self._at_once = scenario.pipeline or 1
        # How many requests are without an answer.
        self._outstanding = 0
        self._connection = self._new_connection()

    @property
    def client_ports(self) -> tuple[int, ...] | None:
        """Our end of the connection, as long as the server has the other; () for a Unix socket."""
        if not self._connection.is_open:
            return None
        with suppress(NoAnswer):
            if self._connection.has_hung_up():
                return None
        port = self._connection.client_port
        return () if port is None else (port,)

    def advance(self, wait_s: float = 0.0) -> ProbeState:
        """Send what is due and take responses; waits up to `wait_s` for each."""
        try:
            while self.state == "running":
                if not self._outstanding:
                    self._send()
                response = self._connection.advance(wait_s)
                if response is None:
                    self._watch_the_clock()
                    break
                self._outstanding -= 1
                self._judge(response)
        except NoAnswer as fault:
            if self._connection.has_answered and not fault.has_begun:
                # It was closed after its first answer, without a word: ask on another.
                self.errors += _as_errors(fault)
                self._outstanding = 0
                self._connection.close()
            else:
                unanswered, self._outstanding = self._outstanding, 0
                self._end(_state_of(fault), str(fault), _as_errors(fault, unanswered))
        return self.state

    def close(self) -> None:
        """Close the connection; a request that still has no response counts as a timeout."""
        self.errors += ErrorCounts(timeout=self._outstanding)
        self._outstanding = 0
        self._connection.close()

    @property
    def _exchange(self) -> Exchange:
        return self._asked.exchanges[self._turn % len(self._asked.exchanges)]

    def _new_connection(self) -> Connection:
        return Connection(self._asked.endpoint, self._asked.greeting)

    def _send(self) -> None:
        if self._connection.is_open and self._connection.has_hung_up():
            self._connection.close()
        if not self._connection.is_open:
            self._connection = self._new_connection()
            self._connection.open(_CONNECT_TIMEOUT_S)
            # A conversation begins anew on it.
            self._turn = 0
        self._connection.send(self._exchange, self._at_once)
        self.sent += self._at_once
        self._outstanding = self._at_once

    def _watch_the_clock(self) -> None:
        """Give up an answer that has begun and doesn't end; one that is to come may take longer."""
        began_s = self._connection.began_s
        if began_s is not None and time.monotonic() - began_s >= self._answer_timeout_s:
            raise self._connection.overdue(self._answer_timeout_s)

    def _judge(self, response: Response) -> None:
        wish, status = self._scenario, response.status
        is_early = status in _EARLY_STATUSES
        if isinstance(response, Messages):
            self._judge_messages(response)
        elif status != wish.expect_status and (wish.expect_status or is_early):
            text = f"answered status {status}"
            if wish.expect_status:
                text += f", expected {wish.expect_status}"
            self._end("early" if is_early else "wrong", text, ErrorCounts(status=1))
        elif (body := response.body_without(wish.expect_coding)) is None:
            coding = response.header("content-encoding") or "none"
            text = f"answered in content-encoding {coding}, expected {wish.expect_coding}"
            self._end("wrong", text, ErrorCounts(body=1))
        elif not wish.accepts(body):
            size = len(response.body)
            text = (
                f"answered body {excerpt(response.body)} ({size} bytes), expected {_wanted(wish)}"
            )
            self._end("wrong", text, ErrorCounts(body=1))
        else:
            self._note_right()

    def _judge_messages(self, response: Messages) -> None:
        if self._exchange.fault_of(response) is None:
            self._note_right()
        else:
            self._end("wrong", self._exchange.fault_text(response), ErrorCounts(body=1))

    def _note_right(self) -> None:
        self._answers += 1
        self._turn += 1
        if self._answers == REQUESTS * self._at_once * len(self._asked.exchanges):
            self._end("right", "")

    def _end(self, state: ProbeState, text: str, errors: ErrorCounts | None = None) -> None:
        self.state, self.text = state, text
        self.ended_s = time.monotonic()
        self.errors += (errors or ErrorCounts()) + ErrorCounts(timeout=self._outstanding)
        self._outstanding = 0
        if state != "right":
            self._connection.close()


def _state_of(fault: NoAnswer) -> ProbeState:
    if fault.kind == "connect":
        # Who refuses a handshake is up.
        return "wrong" if fault.has_begun else "early"
    return "wrong" if fault.has_begun else "unanswered"


def _as_errors(fault: NoAnswer, unanswered: int = 1) -> ErrorCounts:
    """No connection is no error: nothing was sent."""
    return ErrorCounts() if fault.kind == "connect" else ErrorCounts(**{fault.kind: unanswered})


def _wanted(scenario: Scenario) -> str:
    expected = scenario.expected_content
    if expected is not None:
        return excerpt(expected)
    return f"a match of {scenario.expect_pattern!r}"
