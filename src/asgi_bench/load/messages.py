"""What the harness and a load process say to each other: length-prefixed msgpack on a socket."""

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from asgi_bench.load.target import Target
from asgi_bench.model import (
    Arrivals,
    ErrorCounts,
    HostSlice,
    Link,
    LoadHost,
    OpenFigures,
    RequestFigures,
    UserFigures,
    WrongAnswer,
)

# Environment variables that tell a load process its end of the control socket, and (to stock
# users) which of Locust's clients to be, the scenario as JSON (or `@` and the path of its file),
# and the longest wait in seconds.
CONTROL_FD_VARIABLE = "ASGI_BENCH_CONTROL_FD"
CLIENT_VARIABLE = "ASGI_BENCH_CLIENT"
SCENARIO_VARIABLE = "ASGI_BENCH_SCENARIO"
TIMEOUT_VARIABLE = "ASGI_BENCH_TIMEOUT"

_LENGTH = struct.Struct("!I")


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open a target's connections under load, a few at once, then warm up for `warmup_s`.

    Each of the first `alone` waits until all before it had a response.
    """

    target: Target
    warmup_s: float
    at_once: int = 1
    alone: int = 0


class Load(msgspec.Struct, frozen=True, tag=True):
    """Put one slice of load on an open target.

    Closed loop, or open loop at `rate_rps`; `seed` determines arrivals and the order of several
    requests. `begin_at_s` keeps several load processes in step, on the monotonic clock that they
    share. The step of a sweep gets its own histogram. A lead-in warms a server up for the slice
    after it: only the totals include it, and its progress is reported. `patience_s` after the
    schedule's end, an open loop gives up requests that found no free connection, instead of
    waiting for their time-out. With `tells_losses` every failed request is reported, not only
    counted. `stays_full` is as in `run_closed_loop`. The times of a slice that `is_held_back` wait
    for the next command on the target, which may put them aside (`is_last_aside`).
    """

    name: str
    duration_s: float
    rate_rps: float | None = None
    arrivals: Arrivals = "poisson"
    seed: int = 0
    begin_at_s: float | None = None
    is_step: bool = False
    is_lead_in: bool = False
    patience_s: float | None = None
    tells_losses: bool = False
    stays_full: bool = False
    is_held_back: bool = False
    is_last_aside: bool = False


class Close(msgspec.Struct, frozen=True, tag=True):
    """Close a target's connections and hand over its histograms and totals.

    A load host that is told its `round_trip_s` adds the response times less that.
    """

    name: str
    is_last_aside: bool = False
    round_trip_s: float | None = None


class Quit(msgspec.Struct, frozen=True, tag=True):
    """End the load process through Locust's own quit, after its table was written as CSV."""

    table: str | None = None


class Tick(msgspec.Struct, frozen=True, tag=True):
    """Report your clock, at once: it is answered whatever else goes on."""


class Tock(msgspec.Struct, frozen=True, tag=True):
    """What a load host's monotonic clock showed."""

    at_s: float


class Survey(msgspec.Struct, frozen=True, tag=True):
    """See how each load host's clock stands, how far it is, and what the way to it carries."""


class MeasureLink(msgspec.Struct, frozen=True, tag=True):
    """Measure the way to the master's address, at a port, for so long in each direction.

    `word` is what a connection says first, so that nobody else is served.
    """

    port: int
    word: bytes
    duration_s: float


class LinkSeen(msgspec.Struct, frozen=True, tag=True):
    """What a load host has measured, and the address it came from."""

    address: str
    link: Link


class Surveyed(msgspec.Struct, frozen=True, tag=True):
    """Every load host with the way to it."""

    hosts: tuple[LoadHost, ...]


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The ramp's outcome: the throughput it ended with, and the client ports of the connections.

    `streams` is how many each of them may have at once.
    """

    throughput_rps: float
    client_ports: tuple[int, ...]
    streams: int = 1


class Loss(msgspec.Struct, frozen=True):
    """A request without a correct response: when it was sent and given up, on the monotonic clock.

    `kind` is that of the error; `has_begun` says whether any of its response had arrived.
    """

    sent_s: float
    lost_s: float
    kind: str
    has_begun: bool


class Steady(msgspec.Struct, frozen=True):
    """The steady part of a slice in closed loop: whole cycles of each connection.

    If a connection carries several streams, whole cycles of each stream.
    """

    requests: int
    slots: int
    """How many connections, or streams, it was on."""
    slot_s: float
    """The time of all of them together, each from its first answer to its last."""

    @property
    def duration_s(self) -> float:
        """How long it took, averaged over them."""
        return self.slot_s / self.slots


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """One slice: `begin_s` and `end_s` on the monotonic clock, what was sent and what came of it.

    `load_cpu_s` and `load_wait_s` are what the load process used and how long it waited for a CPU.
    `open_loop` has the additional figures of an open loop. A step has its histograms here, and none
    in `Closed`. `by_request` are the counts of each of several requests. `wrong_ports` are the
    client ports of all connections so far that had a whole wrong response.
    """

    begin_s: float
    end_s: float
    requests: int
    sent: int
    errors: ErrorCounts
    load_cpu_s: float
    open_loop: OpenFigures | None = None
    times_hdr: dict[str, str] = {}
    accounted_share: float | None = None
    steady: Steady | None = None
    """The steady part of a closed loop; None where a connection broke or an answer was wrong."""
    progress: tuple[int, ...] = ()
    """Of a lead-in: right answers until the end of each millisecond."""
    load_wait_s: float = 0.0
    losses: tuple[Loss, ...] = ()
    by_request: tuple[RequestFigures, ...] = ()
    # Connections that were opened anew, and how long it took to open any, all together; bytes of
    # requests that went out, where they have a body. None where the client doesn't tell.
    reconnects: int | None = None
    connect_s: float | None = None
    sent_bytes: int | None = None
    received_bytes: int | None = None
    """Bytes of right answers; None where the client doesn't tell."""
    users: UserFigures | None = None
    """What Locust users did, where such were measured."""
    wrong_ports: tuple[int, ...] = ()
    wrong_answers: tuple[WrongAnswer, ...] = ()
    """The first of each kind since the connections were opened, where losses are told."""
    by_host: tuple[HostSlice, ...] = ()
    """What each load host did, where they are others than this machine."""

    @property
    def duration_s(self) -> float:
        """From its first request to its last response."""
        return self.end_s - self.begin_s

    @property
    def counted(self) -> tuple[int, float]:
        """The correct responses that its throughput counts, and the seconds in which they came."""
        if self.steady is not None:
            return self.steady.requests, self.steady.duration_s
        return self.requests, self.duration_s

    @property
    def throughput_rps(self) -> float:
        """Correct responses per second, of the steady part if there is one."""
        requests, seconds = self.counted
        return requests / max(seconds, 1e-9)


class Closed(msgspec.Struct, frozen=True, tag=True):
    """What a target's slices gave in histograms, and all that was ever sent to it.

    `by_request` are the histograms and sizes of each of several requests. `wrong_answers` are the
    first of each kind, their times on the monotonic clock; `wrong_by_port` counts the whole ones by
    client port; `unanswered` is the number of connections that never had a response.
    `control_frames` are those of HTTP/2 that arrived, by name. `aside_hdr` and `aside_by_request`
    are the histograms of slices that may be left out.
    """

    times_hdr: dict[str, str]
    clamped: int
    reconnects: int
    sent_total: int
    errors_total: ErrorCounts
    response_bytes: int | None
    by_request: tuple[RequestFigures, ...] = ()
    wrong_answers: tuple[WrongAnswer, ...] = ()
    wrong_by_port: dict[int, int] = {}
    unanswered: int = 0
    control_frames: dict[str, int] = {}
    aside_hdr: dict[str, str] = {}
    aside_by_request: tuple[RequestFigures, ...] = ()


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The load is ready for commands: the pids of all processes that will carry it."""

    pids: tuple[int, ...]


class Left(msgspec.Struct, frozen=True, tag=True):
    """The load process is ending, with an exit code that a locustfile has set."""

    exit_code: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A command could not be carried out; the load process goes on."""

    text: str


Command: TypeAlias = Open | Load | Close | Quit | Tick | Survey | MeasureLink
Reply: TypeAlias = Ready | Opened | Loaded | Closed | Left | Failed | Tock | LinkSeen | Surveyed

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def frame(message: Command | Reply) -> bytes:
    """Return a message as it travels: four bytes of length, then msgpack."""
    payload = encode(message)
    return _LENGTH.pack(len(payload)) + payload


def read_frame(receive: Callable[[int], Any]) -> bytes:
    """Read one frame with `receive(n)`; raises EOFError if the peer has closed."""
    (length,) = _LENGTH.unpack(read_exactly(receive, _LENGTH.size))
    return read_exactly(receive, length)


def read_exactly(receive: Callable[[int], Any], size: int) -> bytes:
    """Read that many bytes with `receive(n)`; raises EOFError if the peer closes before."""
    pieces = bytearray()
    while len(pieces) < size:
        piece = receive(size - len(pieces))
        if not piece:
            raise EOFError("the other side closed the connection")
        pieces += piece
    return bytes(pieces)
