"""A plain client: one request at a time, over its connections in turn, each response verified.

The caller decides when the next request leaves.
"""

from __future__ import annotations

from itertools import cycle

from asgi_bench.model import Endpoint, Request
from asgi_bench.serving.faults import ServerFault
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import dialogue


class Asker:
    """Requests a number of responses from a server; `answered` counts the correct ones.

    Requests go to the connections in turn. A connection that its server closes after a response is
    reopened. Raises ServerFault for a response that doesn't come or is wrong.
    """

    def __init__(
        self, endpoint: Endpoint, request: Request, connections: int, timeout_s: float
    ) -> None:
        self._asked = dialogue(endpoint, request)
        self._timeout_s = timeout_s
        self._connections: list[Connection | None] = [None] * connections
        self._places = cycle(range(connections))
        self._exchanges = [cycle(self._asked.exchanges) for _ in range(connections)]
        self._current: Connection | None = None
        self.answered = 0

    def fileno(self) -> int:
        """The descriptor of the connection that a response is awaited on."""
        assert self._current is not None
        return self._current.fileno()

    def send(self) -> None:
        """Send the next request."""
        place = next(self._places)
        connection = self._connections[place]
        try:
            if connection is None or connection.is_spent:
                connection = self._opened(place)
            self._current = connection
            exchange = next(self._exchanges[place])
            self._exchange = exchange
            connection.send(exchange)
        except NoAnswer as fault:
            raise ServerFault(str(fault)) from None

    def take(self, wait_s: float = 0.0) -> bool:
        """Read what has arrived of the response, waiting once; returns whether it is whole."""
        assert self._current is not None
        try:
            response = self._current.advance(wait_s)
        except NoAnswer as fault:
            raise ServerFault(f"after {self.answered} answers: {fault}") from None
        if response is None:
            return False
        if self._exchange.fault_of(response) is not None:
            raise ServerFault(
                f"after {self.answered} answers: {self._exchange.fault_text(response)}"
            )
        self.answered += 1
        return True

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            if connection is not None:
                connection.close()

    def _opened(self, place: int) -> Connection:
        if (old := self._connections[place]) is not None:
            old.close()
        connection = Connection(self._asked.endpoint, self._asked.greeting)
        self._connections[place] = connection
        self._exchanges[place] = cycle(self._asked.exchanges)
        connection.open(self._timeout_s)
        return connection
