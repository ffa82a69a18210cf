"""The readers of what comes from outside: each takes any bytes, or refuses them in its own way."""

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from asgi_bench.analysis.matrix import read_accepted
from asgi_bench.cli.flags import RunFlags
from asgi_bench.counting.callgrind import read_profile
from asgi_bench.definitions.folders import shipped_apps, shipped_runners
from asgi_bench.definitions.loads import parse_objective, parse_rates
from asgi_bench.definitions.own_app import parse_target
from asgi_bench.definitions.project import project_defaults
from asgi_bench.definitions.scenarios import load_scenarios
from asgi_bench.definitions.servers import load_server
from asgi_bench.definitions.stated_requests import load_requests, parse_headers, parse_path
from asgi_bench.errors import BenchError
from asgi_bench.flags import declared
from asgi_bench.log_reasons import exceptions_in, reason_in
from asgi_bench.machine.affinity import parse_cpus
from asgi_bench.model import Stream
from asgi_bench.plain_text import harmless_lines, plain
from asgi_bench.quantities import parse_counts, parse_duration, parse_share, parse_size
from asgi_bench.setups.spec import parse_environment
from asgi_bench.store.calibrations import read_calibration
from asgi_bench.store.counts import LIVES_FILE, read_lives
from asgi_bench.store.runs import read_run
from asgi_bench.wire.frames import MessageReader, PeerClosed, encode_frame, message_at_once
from asgi_bench.wire.http1 import ResponseReader, WireError, read_at_once, read_response
from asgi_bench.wire.http2 import Http2Connection
from asgi_bench.wire.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Framed,
    StreamReader,
    decode_block,
    encode_request,
    frame,
)
from asgi_bench.wire.parts import PartReader
from asgi_bench.wire.websocket import check_handshake

Group: TypeAlias = Literal["wire", "files", "definitions"]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "store" / "golden"

_HEAD = b"HTTP/1.1 200 OK\r\n"
_ANSWERS = (
    _HEAD + b"content-length: 5\r\n\r\nhello",
    _HEAD + b"Date: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    _HEAD + b"transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\netag: x\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + _HEAD + b"content-length: 1\r\n\r\nx",
    b"HTTP/1.0 404 Not Found\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    _HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n",
)
_STREAM = (1).to_bytes(4)
_FIELDS = b"\x88\x5c\x01\x35\x0f\x0d\x02\x31\x32"
_FRAMES = (
    frame(HEADERS, END_HEADERS, b"\x88", _STREAM) + frame(DATA, END_STREAM, b"hello", _STREAM),
    frame(HEADERS, END_HEADERS | END_STREAM, _FIELDS, _STREAM),
    frame(SETTINGS, 0, b"\0\3\0\0\0\1") + frame(PING, 0, bytes(8)),
    frame(WINDOW_UPDATE, 0, b"\0\0\1\0") + frame(RST_STREAM, 0, bytes(4), _STREAM),
    frame(GOAWAY, 0, bytes(8) + b"bye") + frame(0xBE, 9, b"x"),
)
_MESSAGES = (
    encode_frame(1, b"hello", b""),
    encode_frame(2, bytes(range(200)), b""),
    encode_frame(9, b"ping", b"") + encode_frame(1, "grüß".encode(), b""),
    encode_frame(8, b"\x03\xe8bye", b""),
    b"\x01\x03abc\x80\x03def",
)
_HANDSHAKE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
_LOG = (
    b'INFO: started\nTraceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
    b"ImportError: no module\n\x1b[31mERROR\x1b[0m worker failed\n",
    b'{"level": "error", "message": "boom", "exc_info": "Traceback"}\n[2026-11-30 10:00:00] x\n',
)
_QUANTITIES = (b"1m40s", b"500,50%", b"3%", b"64KiB", b"0,2-3", b"p99=10ms", b"1,8,64", b"a.b:c")
_PROFILE = (ROOT / "tests" / "counting" / "samples" / "tiny.callgrind.out",)


class Target(NamedTuple):
    """A reader: `read` takes any bytes, and raises nothing but what is in `refusals`."""

    name: str
    group: Group
    samples: tuple[bytes, ...]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]


class _Wire:
    """A channel of HTTP/2 that has said its settings, and takes all that is written."""

    is_plain: ClassVar[bool] = False
    has_unsent = False
    fd = 7
    client_port = None

    def __init__(self) -> None:
        self._greeting = frame(SETTINGS, 0, b"")

    def open(self) -> Iterator[int]:
        """Open at once."""
        return iter(())

    def read(self, size: int) -> bytes:
        """The greeting, once."""
        greeting, self._greeting = self._greeting, b""
        if not greeting:
            raise BlockingIOError
        return greeting

    def write(self, data: bytes | memoryview) -> int:
        """Take all of it."""
        return len(data)

    def close(self) -> None:
        """Nothing is held."""


def all_targets(folder: Path) -> tuple[Target, ...]:
    """Return every reader; those of files write what they are given into a folder."""
    return (*_wire(), *_files(folder), *_definitions(folder))


def _wire() -> Iterator[Target]:
    refusals = (WireError,)
    yield Target("http1", "wire", _ANSWERS, _read_http1, refusals)
    yield Target("http1-stream", "wire", _ANSWERS, _read_parts, refusals)
    yield Target("http2-connection", "wire", _FRAMES, _read_http2, refusals)
    yield Target("http2-answer", "wire", _FRAMES, _read_stream, refusals)
    yield Target("hpack", "wire", (_FIELDS, b"\x88", b"\x40\x01a\x01b"), decode_block, refusals)
    closed = (WireError, PeerClosed)
    yield Target("websocket-messages", "wire", _MESSAGES, _read_messages, closed)
    yield Target("websocket-handshake", "wire", (_HANDSHAKE,), _read_handshake, refusals)


def _pieces(data: bytes) -> list[bytes]:
    """The bytes as they might come: cut where they say themselves."""
    at = data[0] % (len(data) + 1) if data else 0
    return [data[:at], data[at:]]


def _read_http1(data: bytes) -> None:
    _attempt(partial(read_at_once, data), (WireError,))
    _attempt(partial(read_response, data, method="HEAD", at_eof=True), (WireError,))
    reader = ResponseReader()
    for piece in _pieces(data):
        if reader.feed(piece) is not None:
            return
    assert reader.so_far
    reader.finish()


def _read_parts(data: bytes) -> None:
    reader = PartReader("GET", Stream(leave_after=2))
    for piece in _pieces(data):
        if reader.feed(piece) is not None:
            return
    reader.finish()


def _read_http2(data: bytes) -> None:
    connection = Http2Connection(_Wire())
    for _ in connection.open():
        pass
    connection.begin(0, _REQUEST)
    connection.flush()
    for piece in _pieces(data):
        connection.take_in(piece, {}, None)


def _read_stream(data: bytes) -> None:
    reader = StreamReader()
    for piece in _pieces(data):
        if reader.feed(piece) is not None:
            return
    reader.finish()


def _read_messages(data: bytes) -> None:
    _attempt(partial(message_at_once, data), (WireError, PeerClosed))
    reader = MessageReader(1, bytearray())
    for piece in _pieces(data):
        if reader.feed(piece) is not None:
            return
    assert reader.so_far


def _read_handshake(data: bytes) -> None:
    check_handshake(data, b"", b"dGhlIHNhbXBsZSBub25jZQ==")


def _attempt(read: Callable[[], object], refusals: tuple[type[Exception], ...]) -> None:
    try:
        read()
    except refusals as fault:
        assert str(fault)


def _files(folder: Path) -> Iterator[Target]:
    run = folder / "run"
    run.mkdir(exist_ok=True)
    refusals = (BenchError,)
    for version in sorted(GOLDEN.glob("run-*")):
        header, trials = ((version / name).read_bytes() for name in ("run.json", "trials.jsonl"))
        line = trials.splitlines(keepends=True)[0]
        name = version.name
        read = partial(_read_header, run, line)
        yield Target(f"{name}-header", "files", (header,), read, refusals)
        read = partial(_read_trials, run, header)
        yield Target(f"{name}-trials", "files", (line,), read, refusals)
    file = folder / "calibration.json"
    samples = ((GOLDEN / "calibration-1.json").read_bytes(),)
    yield Target("calibration", "files", samples, partial(_read, file, read_calibration), refusals)
    lives = run / LIVES_FILE
    life = (b'{"cell":"a/default/w1/hello/c1","counter":"instructions","layout":0}\n',)
    yield Target("lives", "files", life, partial(_read, lives, lambda _: read_lives(run)), refusals)
    profiles = tuple(path.read_bytes() for path in _PROFILE)
    yield Target("profile", "files", profiles, _read_profile, (BenchError, ValueError))
    yield Target("log", "files", _LOG, _read_log, ())


def _read_header(folder: Path, trials: bytes, header: bytes) -> None:
    _write(folder / "run.json", header)
    _write(folder / "trials.jsonl", trials)
    read_run(folder)


def _read_trials(folder: Path, header: bytes, trials: bytes) -> None:
    _read_header(folder, trials, header)


def _write(file: Path, data: bytes) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


def _read(file: Path, read: Callable[[Path], object], data: bytes) -> None:
    _write(file, data)
    read(file)


def _read_profile(data: bytes) -> None:
    read_profile(data.decode(errors="replace"))


def _read_log(data: bytes) -> None:
    text = data.decode(errors="replace")
    reason = reason_in(text)
    assert reason is None or reason.isprintable()
    exceptions_in(text)
    assert plain(text).isprintable()
    assert all(line.isprintable() for line in harmless_lines(text).split("\n"))


def _definitions(folder: Path) -> Iterator[Target]:
    refusals = (BenchError,)
    runners = tuple(path.read_bytes() for path in sorted(shipped_runners().glob("*.toml")))
    read = partial(_read, folder / "server.toml", load_server)
    yield Target("runner", "definitions", runners, read, refusals)
    # Its tables one by one: the whole file takes 20 ms to read.
    whole = (shipped_apps() / "scenarios.toml").read_bytes()
    scenarios = tuple(b"[" + part for part in whole.split(b"\n[")[1:] if b"app =" in part)
    read = partial(_read, folder / "scenarios.toml", load_scenarios)
    yield Target("scenarios", "definitions", scenarios, read, refusals)
    read = partial(_read, folder / "requests.toml", load_requests)
    yield Target("requests", "definitions", _REQUESTS, read, refusals)
    flags = {one.flag.key: one.flag for one in declared(RunFlags)}
    project = partial(
        _read, folder / "pyproject.toml", lambda file: project_defaults(file.parent, flags)
    )
    yield Target("project", "definitions", _PROJECTS, project, refusals)
    yield Target(
        "accepted", "definitions", (b"path-percent\nuvicorn x # why\n",), _accept, refusals
    )
    yield Target("flags", "definitions", _QUANTITIES, _read_flags, ())


_REQUEST = Framed(encode_request("GET", "/", scheme="http", authority="h", headers={}))
_REQUESTS = (
    b'[list]\nweight = 3\npath = "/items?page=1"\nexpect_status = 200\n'
    b'[order]\nmethod = "POST"\npath = "/orders"\nbody = "{}"\nheaders = {accept = "*/*"}\n',
    b'[talk]\nwebsocket = "/ws"\nmessages = [{send = "a"}, {expect = "a", times = 2}]\n',
    b'[find]\npath = "/find"\nexpect_pattern = "^a+$"\nexpect_status = 404\n',
)
_PROJECTS = (
    b'[tool.asgi-bench]\nserver = ["uvicorn"]\nworkers = [1, 2]\nduration = "2s"\nrounds = 6\n'
    b'env = {A = "b"}\nrate = [500, "50%"]\nserver-cpus = "0"\npath = "/items"\n',
    b'[tool.asgi-bench]\nconnections = 64\ntimeout = "5s"\nheader = "A: b"\nclosed = true\n',
)


def _accept(data: bytes) -> None:
    read_accepted(data.decode(errors="replace"), "accepted", ())


def _read_flags(data: bytes) -> None:
    """One text as the value of every kind of flag."""
    text = data.decode(errors="replace")
    kinds: Sequence[Callable[[Any, str], object]] = (
        *(parse_duration, parse_size, parse_share, parse_counts, parse_rates, parse_objective),
        *(parse_cpus, parse_target, parse_path),
    )
    for kind in kinds:
        _attempt(partial(kind, text, "--flag"), (BenchError,))
    _attempt(partial(parse_headers, [text], "--header"), (BenchError,))
    _attempt(partial(parse_environment, [text], "--baseline"), (BenchError,))


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, where there is one: every input of a file is written."""
    shared = Path("/dev/shm")  # noqa: S108  (a private folder is made in it)
    return tempfile.TemporaryDirectory(
        prefix="asgi-bench-fuzz-", dir=shared if os.access(shared, os.W_OK) else None
    )


def chance_of(seed: int, target: Target, number: int) -> random.Random:
    """The random numbers of one input, the same wherever a run of inputs was begun."""
    return random.Random(f"{seed}/{target.name}/{number}")
