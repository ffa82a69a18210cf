"""One verification of a server: the scenario's request, twice on one keep-alive connection."""

from __future__ import annotations

import http.client
import select
import time
from typing import Literal, TypeAlias

from asgi_bench.machine.ports import HOST
from asgi_bench.model import ErrorCounts, Scenario

REQUESTS = 2

# Answers of a gateway whose backend isn't up yet: not wrong, just early.
_EARLY_STATUSES = frozenset({502, 503, 504})
_EXCERPT_LENGTH = 60
_CONNECT_TIMEOUT_S = 1.0
# From the first byte of an answer to its end.
_READ_TIMEOUT_S = 5.0

ProbeState: TypeAlias = Literal["running", "right", "early", "broken", "wrong"]


class Probe:
    """Sends without waiting: `advance` takes it as far as it goes now.

    `state`: `running`; `right` (both answers as expected; the connection stays open until
    `close`); `early` (a gateway without its backend); `broken` (no connection, or it was reset);
    `wrong` (an answer that waiting won't mend). `text` explains all but `right`. `sent` counts
    requests handed to a connection, `errors` those among them without a right answer.
    """

    def __init__(self, port: int, scenario: Scenario) -> None:
        self.state: ProbeState = "running"
        self.text = "no answer to a request"
        self.sent = 0
        self.errors = ErrorCounts()
        self.ended_s: float | None = None
        self._scenario = scenario
        self._answers = 0
        self._outstanding = False
        self._connection = http.client.HTTPConnection(HOST, port, timeout=_CONNECT_TIMEOUT_S)

    @property
    def client_port(self) -> int | None:
        """Our end of the connection, while it is open."""
        sock = self._connection.sock
        return None if sock is None else int(sock.getsockname()[1])

    def advance(self, wait_s: float = 0.0) -> ProbeState:
        """Send what is due and take answers; waits up to `wait_s` for each."""
        while self.state == "running":
            if not self._outstanding:
                self._send()
            elif select.select([self._connection.sock], [], [], wait_s)[0]:
                self._receive()
            else:
                break
        return self.state

    def close(self) -> None:
        """Close the connection; a request still without an answer counts as a timeout."""
        if self._outstanding:
            self._outstanding = False
            self.errors += ErrorCounts(timeout=1)
        self._connection.close()

    def _send(self) -> None:
        wish = self._scenario
        try:
            if self._connection.sock is None:
                self._connection.connect()
            self._connection.request(wish.method, wish.path, wish.content or None, wish.headers)
        except OSError as error:
            self._end("broken", f"no connection: {error.strerror or error}")
            return
        self.sent += 1
        self._outstanding = True

    def _receive(self) -> None:
        self._connection.sock.settimeout(_READ_TIMEOUT_S)
        try:
            response = self._connection.getresponse()
            body = response.read()
        except TimeoutError:
            self._end("broken", "an answer that doesn't end", ErrorCounts(timeout=1))
        except http.client.IncompleteRead:
            self._end("broken", "an answer that was cut off", ErrorCounts(body=1))
        except ConnectionError:  # http.client.RemoteDisconnected is one too.
            self._end("broken", "closed the connection without an answer", ErrorCounts(reset=1))
        except (http.client.HTTPException, ValueError) as error:
            what = _excerpt(str(error).encode()) or type(error).__name__
            self._end("wrong", f"answered something other than HTTP: {what}", ErrorCounts(body=1))
        else:
            self._outstanding = False
            self._judge(response, body)

    def _judge(self, response: http.client.HTTPResponse, body: bytes) -> None:
        wish = self._scenario
        is_open = wish.expect_status == 0 and response.status not in _EARLY_STATUSES
        if response.status != wish.expect_status and not is_open:
            state: ProbeState = "early" if response.status in _EARLY_STATUSES else "wrong"
            text = f"answered status {response.status}"
            if wish.expect_status:
                text += f", expected {wish.expect_status}"
            self._end(state, text, ErrorCounts(status=1))
        elif not wish.accepts(body):
            text = f"answered body {_excerpt(body)} ({len(body)} bytes), expected {_wanted(wish)}"
            self._end("wrong", text, ErrorCounts(body=1))
        else:
            self._answers += 1
            if self._answers == REQUESTS or (response.will_close and not wish.expect_status):
                self._end("right", "")
            elif response.will_close:
                self._end("wrong", "closes the connection after an answer, expected keep-alive")

    def _end(self, state: ProbeState, text: str, errors: ErrorCounts | None = None) -> None:
        self.state, self.text = state, text
        self.ended_s = time.monotonic()
        self._outstanding = False
        self.errors += errors or ErrorCounts()
        if state != "right":
            self._connection.close()


def _wanted(scenario: Scenario) -> str:
    expected = scenario.expected_content
    if expected is not None:
        return _excerpt(expected)
    return f"a match of {scenario.expect_pattern!r}"


def _excerpt(body: bytes) -> str:
    text = body[: _EXCERPT_LENGTH * 4].decode(errors="replace")
    return repr(text if len(text) <= _EXCERPT_LENGTH else text[:_EXCERPT_LENGTH] + "…")
