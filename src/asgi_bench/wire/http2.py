"""HTTP/2 on one connection: streams in their places, windows kept, control frames answered.

After RFC 9113. The hot path is `take_in` with a known response, and `begin`; all else is rare.
"""

from collections import Counter
from collections.abc import Iterator
from struct import Struct
from typing import ClassVar

from asgi_bench.wire.channel import READABLE, WRITABLE, Channel
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import Response, WireError
from asgi_bench.wire.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD_BYTES,
    HEADERS,
    MAX_FRAME_BYTES,
    NO_ID,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Framed,
    StreamReader,
    code_name,
    frame,
    frame_name,
)
from asgi_bench.wire.shared import READ_BYTES, Fault, SharedConnection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# What the other side may send on a connection, and on a stream, before we have said more: no body
# that we read is larger than a stream's, so only the connection's is ever filled up.
CONNECTION_WINDOW = 2**31 - 1
STREAM_WINDOW = 2**30
DEFAULT_WINDOW = 2**16 - 1
# No ids are left then; a connection gets there after a billion requests.
LAST_ID = 2**31 - 1

# Names of SETTINGS.
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_STREAMS, _INITIAL_WINDOW = 1, 2, 3, 4
_SETTING = Struct(">HI")
_WORD = Struct(">I")
_CANCEL = 0x8
# Frames that are not of one stream's answer, and how long their payload is where that is fixed.
_CONTROL = {2: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}


class _Held:
    """The rest of a body that waits for a window, and how much its stream's has room for."""

    def __init__(self, body: bytes, window: int) -> None:
        self.rest = memoryview(body)
        self.window = window


class Http2Connection(SharedConnection):
    """An HTTP/2 connection over a channel; its exchanges are identified by their places.

    `begin` sends a request on a new stream, `take_in` returns what arrived of the responses, by
    their places, as frames without ids.
    As a channel of its own it carries one exchange at a time: whole requests are written, frames of
    the response are read.
    """

    is_plain: ClassVar[bool] = False

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        # The last stream that the other side has taken, once it takes no others.
        self.last_id: int | None = None
        # Control frames that came, by name.
        self.frames: Counter[str] = Counter()
        # Open streams by id, of whose answers nothing came, and something. A pool of one stream a
        # connection does its hot path by itself, with these and what follows.
        self.fresh: dict[bytes, int] = {}
        self.next_id = 1
        # Streams from this one on were begun, and nothing of them went out.
        self.unsent_from = 1
        self.rest = b""
        self.unreturned_bytes = 0
        self._begun: dict[bytes, int] = {}
        self._cancelled: set[bytes] = set()
        self._held: dict[bytes, _Held] = {}
        # The stream whose header block goes on in the next frame, and whether it ends with it.
        self._continued: tuple[bytes, bool] | None = None
        self._is_agreed = False
        self._window = self._initial_window = DEFAULT_WINDOW

    @property
    def held_bytes(self) -> int:
        """How many bytes of bodies wait for the other side's windows."""
        return sum(len(held.rest) for held in self._held.values())

    def open(self) -> Iterator[int]:
        """Open the channel, send our settings, and receive the other side's.

        Raises OSError or WireError if it has none.
        """
        yield from self.channel.open()
        table, push = _SETTING.pack(_HEADER_TABLE_SIZE, 0), _SETTING.pack(_ENABLE_PUSH, 0)
        window = _SETTING.pack(_INITIAL_WINDOW, STREAM_WINDOW)
        more = _WORD.pack(CONNECTION_WINDOW - DEFAULT_WINDOW)
        self.out += (PREFACE, frame(SETTINGS, 0, table + push + window))
        self.out.append(frame(WINDOW_UPDATE, 0, more))
        while not self._is_agreed:
            self.flush()
            yield READABLE | (WRITABLE if self.out else 0)
            try:
                data = self.channel.read(READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                raise WireError("it closed the connection before its SETTINGS")
            self.take_in(data, {}, None)
            if self.fault is not None:
                raise WireError(self.fault.text)
            if self.last_id is not None:
                raise WireError("it said GOAWAY before anything was asked")
            if not self.most_streams:
                raise WireError("it allows no streams (SETTINGS_MAX_CONCURRENT_STREAMS is 0)")
        self.flush()

    def begin(self, place: int, request: Framed) -> None:
        """Send a request on a new stream; its response will be reported for this place."""
        number = self.next_id
        self.next_id = number + 2
        stream = number.to_bytes(4)
        self.fresh[stream] = place
        if request.body:
            self._begin_body(stream, request)
        else:
            self.out.append(stream.join(request.around))

    def take_in(self, data: bytes, came: dict[int, bytes], known: Framed | None) -> None:
        """Take bytes: add what arrived to `came` by place, in whole frames.

        A `known` response is recognised by its bytes. Whatever breaks the connection is its `fault`
        from then on.
        """
        if self.rest:
            data, self.rest = self.rest + data, b""
        start, end, fresh = 0, len(data), self.fresh
        if known is not None:
            whole, around, size = known.whole, known.around, known.size
        while start < end and self.fault is None:
            if known is not None and self._continued is None:
                # The hot path: the id of an open stream of which nothing came, and around it what
                # was read and found right before.
                first = start
                while start + size <= end:
                    stream = data[start + 5 : start + 9]
                    if stream not in fresh or not data.startswith(stream.join(around), start):
                        break
                    came[fresh.pop(stream)] = whole
                    start += size
                if start > first:
                    self.unreturned_bytes += (start - first) // size * len(known.body)
                    continue
            if not self._is_agreed and not self._may_agree(data):
                break
            length = int.from_bytes(data[start : start + 3])
            stop = start + HEAD_BYTES + length
            if length > MAX_FRAME_BYTES and end - start >= HEAD_BYTES:
                self._break(f"frame of {length} bytes, and {MAX_FRAME_BYTES} are allowed")
                break
            if start + HEAD_BYTES > end or stop > end:
                self.rest = data[start:]
                break
            self._take_frame(data[start:stop], came)
            start = stop
        if self.unreturned_bytes > CONNECTION_WINDOW // 2:
            self.out.append(frame(WINDOW_UPDATE, 0, _WORD.pack(self.unreturned_bytes)))
            self.unreturned_bytes = 0

    def drain(self, last_id: int = LAST_ID) -> None:
        """Send nothing more on it; streams up to this one still get their responses."""
        self.last_id, self.is_ending, self.is_full = last_id, True, True

    def flush(self) -> None:
        """Send the content of `out` as far as possible; raises OSError."""
        if self.out and self.write_out():
            self.unsent_from = self.next_id

    def cancel(self, place: int) -> None:
        """Give up a place's request, if it is still open."""
        for streams in (self.fresh, self._begun):
            for stream in [stream for stream, each in streams.items() if each == place]:
                del streams[stream]
                self._cancelled.add(stream)
                self._reset(stream)

    def was_not_taken(self, place: int) -> bool:
        """Whether a place's request was never processed.

        It is beyond the last stream that an orderly GOAWAY names, or was never sent.
        """
        number = self._open_id(place)
        is_beyond = self.last_id is not None and number > self.last_id
        return is_beyond or (self.fault is not None and number >= self.unsent_from)

    def is_silent_since(self, place: int) -> bool:
        """Whether nothing arrived on any stream begun since a place's request."""
        number = self._open_id(place)
        silent = sum(int.from_bytes(stream) >= number for stream in self.fresh)
        return silent == (self.next_id - number) // 2

    def _open_id(self, place: int) -> int:
        """The id of the open stream of a place, 0 where there is none."""
        for streams in (self.fresh, self._begun):
            for stream, each in streams.items():
                if each == place:
                    return int.from_bytes(stream)
        return 0

    def read(self, size: int) -> bytes:
        """What arrived of the one response, b"" at the end of the connection."""
        came: dict[int, bytes] = {}
        is_over = self.last_id is not None and not self._is_asked
        if self.fault is None and not is_over:
            self.flush()
            data = self.channel.read(size)
            if data:
                self.take_in(data, came, None)
                self.flush()
            else:
                self.end()
        if came:
            return b"".join(came.values())
        if self.resets:
            raise ConnectionResetError(self.resets.popitem()[1])
        if self.fault is not None and self.fault.kind == "body":
            raise WireError(self.fault.text)
        if self.fault is not None or (self.last_id is not None and not self._is_asked):
            return b""
        raise BlockingIOError

    def write(self, data: bytes | memoryview) -> int:
        """Take one whole request; the next call of any kind sends what can't be sent at once."""
        if data:
            if self.is_ending:
                raise BrokenPipeError("the other side takes no more requests")
            self.begin(0, Framed(bytes(data)))
        self.flush()
        return len(data)

    @property
    def _is_asked(self) -> bool:
        return bool(self.fresh or self._begun)

    def _begin_body(self, stream: bytes, request: Framed) -> None:
        if len(request.body) <= min(self._window, self._initial_window):
            self._window -= len(request.body)
            self.out.append(stream.join(request.around))
            return
        self.out.append(stream.join(request.head))
        self._held[stream] = _Held(request.body, self._initial_window)
        self._send_held()

    def _send_held(self) -> None:
        """Send of held bodies what the windows have room for."""
        for stream, held in list(self._held.items()):
            while room := min(len(held.rest), held.window, self._window, MAX_FRAME_BYTES):
                if room < 0:
                    break  # a window was made smaller than what is out
                piece, held.rest = held.rest[:room], held.rest[room:]
                held.window -= room
                self._window -= room
                flags = 0 if held.rest else END_STREAM
                self.out.append(frame(DATA, flags, bytes(piece), stream))
            if not held.rest:
                del self._held[stream]

    def _may_agree(self, data: bytes) -> bool:
        """Whether what came first may be SETTINGS, as it has to be."""
        if len(data) < 4 or data[3] == SETTINGS:
            return True
        self._break(f"no HTTP/2: it began with {excerpt(data)}")
        return False

    def _take_frame(self, data: bytes, came: dict[int, bytes]) -> None:
        kind, flags, stream = data[3], data[4], data[5:9]
        if self._continued is not None and (kind, stream) != (CONTINUATION, self._continued[0]):
            self._break(f"{frame_name(kind)} frame in the midst of a header block")
        elif kind in (DATA, HEADERS, CONTINUATION):
            self._take_answer(kind, flags, stream, data, came)
        else:
            self._take_control(kind, flags, stream, data[HEAD_BYTES:])

    def _take_answer(
        self, kind: int, flags: int, stream: bytes, data: bytes, came: dict[int, bytes]
    ) -> None:
        if kind == CONTINUATION and self._continued is None:
            self._break("CONTINUATION frame without a header block to go on")
            return
        if kind == DATA:
            self.unreturned_bytes += len(data) - HEAD_BYTES
        ends = bool(flags & END_STREAM)
        if kind == CONTINUATION and self._continued is not None:
            ends = self._continued[1]
        self._continued = None
        if kind != DATA and not flags & END_HEADERS:
            self._continued = stream, ends
        if (place := self.fresh.pop(stream, None)) is not None:
            self._begun[stream] = place
        elif (place := self._begun.get(stream)) is None:
            if stream not in self._cancelled:
                number = int.from_bytes(stream)
                self._break(f"{frame_name(kind)} frame on stream {number}, which is not open")
            return
        piece = data[:5] + NO_ID + data[HEAD_BYTES:]
        came[place] = came[place] + piece if place in came else piece
        if ends and self._continued is None:
            del self._begun[stream]
            if stream in self._held:
                # It answered before it had all: the rest is of no use.
                self._reset(stream)

    def _take_control(self, kind: int, flags: int, stream: bytes, payload: bytes) -> None:
        self.frames[frame_name(kind)] += 1
        fixed = _CONTROL.get(kind)
        if fixed is not None and len(payload) != fixed:
            self._break(f"{frame_name(kind)} frame of {len(payload)} bytes, which has {fixed}")
        elif kind in (SETTINGS, PING, GOAWAY) and stream != NO_ID:
            self._break(f"{frame_name(kind)} frame on a stream")
        elif kind == SETTINGS:
            self._take_settings(flags, payload)
        elif kind == PING and not flags & ACK:
            self.out.append(frame(PING, ACK, payload))
        elif kind == GOAWAY:
            self._take_goaway(payload)
        elif kind == RST_STREAM:
            self._take_reset(stream, int.from_bytes(payload))
        elif kind == WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload) & LAST_ID)
        elif kind == PUSH_PROMISE:
            self._break("PUSH_PROMISE frame, though pushes were refused")

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            return
        if len(payload) % _SETTING.size:
            self._break(f"SETTINGS frame of {len(payload)} bytes, not of 6 each")
            return
        for name, value in _SETTING.iter_unpack(payload):
            if name == _MAX_STREAMS:
                self.most_streams, self.has_new_limit = value, self._is_agreed
            elif name == _INITIAL_WINDOW:
                for held in self._held.values():
                    held.window += value - self._initial_window
                self._initial_window = value
        self._is_agreed = True
        self.out.append(frame(SETTINGS, ACK, b""))
        self._send_held()

    def _take_goaway(self, payload: bytes) -> None:
        if len(payload) < 8:
            self._break(f"GOAWAY frame of {len(payload)} bytes, which has at least 8")
            return
        last_id, code = (_WORD.unpack_from(payload, at)[0] for at in (0, 4))
        if code:
            said = f", {excerpt(payload[8:])}" if payload[8:] else ""
            self.fail(
                Fault("reset", f"said GOAWAY ({code_name(code)}{said}) and ended the connection")
            )
        else:
            self.drain(last_id & LAST_ID)

    def _take_reset(self, stream: bytes, code: int) -> None:
        self._abandon(stream)
        place = self.fresh.pop(stream, None)
        if place is None:
            place = self._begun.pop(stream, None)
        if place is not None:
            self.resets[place] = f"reset the stream ({code_name(code)})"

    def _widen(self, stream: bytes, more: int) -> None:
        if stream == NO_ID:
            self._window += more
        elif stream in self._held:
            self._held[stream].window += more
        self._send_held()

    def _reset(self, stream: bytes) -> None:
        self._abandon(stream)
        self.out.append(frame(RST_STREAM, 0, _WORD.pack(_CANCEL), stream))

    def _abandon(self, stream: bytes) -> None:
        held = self._held.pop(stream, None)
        if held is not None:
            self.abandoned_bytes += len(held.rest)

    def _break(self, text: str) -> None:
        self.fail(Fault("body", text))


class Http2:
    """HTTP/2 as a conversation: over TLS agreed by ALPN, otherwise by prior knowledge."""

    breach: ClassVar[str] = "its answer breaks HTTP/2"
    # A frame begins with anything.
    start: ClassVar[bytes] = b""

    def __init__(self) -> None:
        # A connection says by itself what it has to.
        self.replies = bytearray()

    def over(self, channel: Channel) -> Channel:
        """The channel's streams."""
        return Http2Connection(channel)

    def open(self, channel: Channel, greeting: bytes) -> Iterator[int]:
        """Send nothing: the connection did."""
        return iter(())

    def at_once(self, data: bytes, exchange: Exchange) -> Response | None:
        """Read a response that arrived all at once."""
        return StreamReader(exchange.method).feed(data)

    def reader(self, exchange: Exchange) -> StreamReader:
        """A reader of the frames of one stream."""
        return StreamReader(exchange.method)

    def fault_beyond(self, response: Response, exchange: Exchange, beyond: bytes) -> WireError:
        """Frames that follow the end of a stream."""
        return WireError(f"{len(beyond)} bytes beyond the end of the stream: {excerpt(beyond)}")
