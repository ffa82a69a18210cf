"""An HTTP/2 client on the library h2, which also sends what a server has to refuse."""

import time
from collections.abc import Sequence
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from asgi_bench.conformance.clients.http1 import Field
from asgi_bench.conformance.clients.peer import Open
from asgi_bench.conformance.findings import Unanswered
from asgi_bench.conformance.start import ANSWERED, Start


class Response:
    """What has arrived on a stream."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.body = bytearray()
        self.is_ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int:
        """The status; 0 until there is one."""
        return next((int(value) for name, value in self.fields if name == b":status"), 0)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.is_ended or self.reset is not None

    @property
    def told(self) -> str:
        """The response as evidence."""
        how = "" if self.reset is None else f", reset with code {self.reset}"
        ended = "" if self.is_over else ", not ended"
        return f"status {self.status}, body {bytes(self.body[:80])!r}{how}{ended}"


class Http2(Open):
    """An HTTP/2 connection, closed at the end of the `with` block.

    Raises Unanswered if the server doesn't agree on HTTP/2, or doesn't respond.
    """

    def __init__(self, start: Start, *, window: int | None = None) -> None:
        self.start = start
        self.peer = start.open(alpn=["h2"])
        self.responses: dict[int, Response] = {}
        self.pings: list[bytes] = []
        self.settings: dict[int, int] = {}
        self.goaway: int | None = None
        self.is_acknowledged = False
        # What is sent may be wrong on purpose.
        config = H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = H2Connection(config)
        if window is not None:
            values = {SettingCodes.INITIAL_WINDOW_SIZE: window}
            self.h2.local_settings = Settings(client=True, initial_values=values)
        self.h2.initiate_connection()
        try:
            if start.endpoint.transport == "tls" and self.peer.agreed != "h2":
                raise Unanswered(f"ALPN agreed on {self.peer.agreed}, not on h2")
            self.flush()
        except Unanswered:
            self.peer.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.peer.close()

    def fields(
        self, steps: Sequence[list[Any]], headers: Sequence[Field], **pseudo: str
    ) -> tuple[str, list[Field]]:
        """A token, and the fields of a request that carries a script."""
        token, brought = self.start.fields(steps or ANSWERED)
        told = {
            "method": "GET",
            "scheme": self.start.endpoint.scheme,
            "authority": self.start.endpoint.authority,
            "path": "/",
            **pseudo,
        }
        first = [(f":{name}".encode(), value.encode()) for name, value in told.items() if value]
        return token, [*first, *brought, *headers]

    def request(
        self, *steps: list[Any], headers: Sequence[Field] = (), ended: bool = True, **pseudo: str
    ) -> tuple[int, str]:
        """Send a request; returns its stream and its token."""
        token, fields = self.fields(steps, headers, **pseudo)
        return self.send_headers(fields, ended=ended), token

    def send_headers(self, fields: Sequence[Field], *, ended: bool = True) -> int:
        """Send a head as it is; returns its stream."""
        number = self.h2.get_next_available_stream_id()
        self.responses[number] = Response()
        self.h2.send_headers(number, list(fields), end_stream=ended)
        self.flush()
        return number

    def send_body(self, number: int, body: bytes, *, ended: bool = True) -> None:
        """Send a body, as the windows allow."""
        left = memoryview(body)
        while left:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room == 0:
                self.read_until(
                    lambda: self.h2.local_flow_control_window(number) > 0, "room in the window"
                )
                continue
            part, left = left[:room], left[room:]
            self.h2.send_data(number, bytes(part), end_stream=ended and not left)
            self.flush()
        if not body and ended:
            self.h2.end_stream(number)
            self.flush()

    def answer(self, number: int) -> Response:
        """The whole response on a stream; raises Unanswered."""
        response = self.responses[number]
        self.read_until(lambda: response.is_over, f"end of the answer ({response.told})")
        return response

    def flush(self) -> None:
        """Send what is waiting to be sent."""
        self.peer.send(self.h2.data_to_send())

    def read_until(self, is_there: Any, what: str, *, acknowledge: bool = True) -> None:
        """Read until something is there; raises Unanswered."""
        end_s = time.monotonic() + self.peer.patience_s
        while not is_there():
            if self.goaway is not None:
                raise Unanswered(f"GOAWAY with code {self.goaway} came, and no {what}")
            if time.monotonic() >= end_s:
                raise Unanswered(f"within {self.peer.patience_s:g} s came no {what}")
            self.read(acknowledge=acknowledge)

    def read_for(self, seconds: float, *, acknowledge: bool = True) -> None:
        """Read what arrives within a time."""
        if self.peer.more_within(seconds):
            self._take(acknowledge)

    def read(self, *, acknowledge: bool = True) -> None:
        """Read what arrives next."""
        if not self.peer.read_some() and not self.peer.came:
            raise Unanswered("the connection was closed")
        self._take(acknowledge)

    def _take(self, acknowledge: bool) -> None:
        data = bytes(self.peer.came)
        self.peer.came.clear()
        try:
            for event in self.h2.receive_data(data):
                self._note(event, acknowledge)
        except ProtocolError as fault:
            raise Unanswered(f"the server's frames are wrong: {fault!r}") from None
        self.flush()

    def _note(self, event: Event, acknowledge: bool) -> None:
        match event:
            case ResponseReceived():
                self.responses[event.stream_id].fields = [
                    (bytes(name), bytes(value)) for name, value in event.headers
                ]
            case DataReceived():
                self.responses[event.stream_id].body += event.data
                if acknowledge and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case TrailersReceived():
                pass
            case StreamEnded():
                self.responses[event.stream_id].is_ended = True
            case StreamReset():
                self.responses[event.stream_id].reset = int(event.error_code)
            case ConnectionTerminated():
                self.goaway = int(event.error_code or 0)
            case PingAckReceived():
                self.pings.append(bytes(event.ping_data))
            case SettingsAcknowledged():
                self.is_acknowledged = True
            case RemoteSettingsChanged():
                self.settings |= {
                    int(code): one.new_value for code, one in event.changed_settings.items()
                }
            case _:
                pass
