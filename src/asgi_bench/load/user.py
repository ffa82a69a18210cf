"""A Locust user that owns all its connections and is as fast as wrk, for any locustfile."""

import socket
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import gevent
import msgspec
from gevent.socket import wait_read
from locust import User, task
from locust.stats import CSV_STATS_INTERVAL_SEC

from asgi_bench.errors import UsageError
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.locust_table import feed
from asgi_bench.load.pools import pool_of
from asgi_bench.load.target import Target, scenario_target
from asgi_bench.model import (
    SWITCHED,
    WEBSOCKET_METHOD,
    Endpoint,
    ErrorCounts,
    Message,
    Scenario,
)
from asgi_bench.model.endpoint import PORTS, HttpVersion, Protocol

# Locust's table moves, and its stop is obeyed, at least this often.
STRETCH_S = 0.5
# One wait for events takes this long at most: a ramp and time-outs go on meanwhile.
WAIT_S = 0.005


class FastUser(User):
    """Closed-loop load on many connections from a single Locust user, as fast as wrk.

    Subclass it in a locustfile, and start that with one user:

        class Hello(FastUser):
            path = "/"
            expect_body = b"Hello, world!"

        $ locust -f hello.py --headless -u 1 --host http://127.0.0.1:8000

    Each further user has as many connections of its own. A connection sends the request again as
    soon as its response is complete. A response is correct if it has the expected status, sound
    framing and, if stated, exactly the expected body. Anything else is a Locust failure by kind:
    status, body, connect, reset or timeout. Nothing is retried.

    With `https://` hosts it verifies the certificate and, over HTTP/2, negotiates by ALPN.

    Raises UsageError on start for a host that isn't `http[s]://HOST[:PORT]`, for an invalid
    conversation, and for options that exclude each other.
    """

    abstract = True

    connections: ClassVar[int] = 64
    """How many keep-alive connections the user owns."""
    method: ClassVar[str] = "GET"
    """The method of the request."""
    path: ClassVar[str] = "/"
    """The path and query of the request, or the path of the WebSocket."""
    headers: ClassVar[dict[str, str]] = {}
    """Headers sent in addition to those of every request."""
    body: ClassVar[bytes] = b""
    """The body of the request."""
    expect_status: ClassVar[int] = 200
    """The status of a correct response."""
    expect_body: ClassVar[bytes | None] = None
    """The body of a correct response; None accepts any."""
    messages: ClassVar[Sequence[Mapping[str, str | int]]] = ()
    """A WebSocket conversation in place of the request, repeated on each connection:
    `[{"send": "ping"}, {"expect": "pong"}]`. `{"expect_pattern": REGEX}` must match, and
    `"times": N` repeats a message. Messages sent together count as one request, with everything
    that must arrive before more is sent."""
    random_masks: ClassVar[bool] = False
    """Whether each WebSocket frame has its own random mask."""
    timeout_s: ClassVar[float] = 5.0
    """How long a response may take, in seconds."""
    http: ClassVar[HttpVersion] = "1"
    """The HTTP version: `1` or `2`."""
    streams: ClassVar[int] = 1
    """With HTTP/2: how many requests each connection has in flight."""
    pipeline: ClassVar[int] = 1
    """With HTTP/1.1: how many requests each connection has in flight."""
    ca_file: ClassVar[str] = ""
    """The certificate authority to trust; empty for those of the system."""
    unix_socket: ClassVar[str] = ""
    """The path of a Unix socket to connect to instead of the host."""

    def on_start(self) -> None:
        """Open the connections one by one under load."""
        self._is_stopped = False
        self._open = pool_of(self._target())
        self._fed_errors, self._fed_correct = ErrorCounts(), 0
        self._recorder = getattr(self.environment, "asgi_bench_recorder", None)
        if self._recorder is not None:
            # Its slices begin and end when they are due, in the middle of stretches.
            self._recorder.reports.add(self._feed)
            self._recorder.fast.append(self._open)
        self._stretch(self._open.target.connections * 0.003, ramp=self._open.target.connections)

    def on_stop(self) -> None:
        """Close the connections, and let the last counts reach Locust's CSV."""
        self._open.close()
        self._feed()
        if self._recorder is not None:
            self._recorder.reports.discard(self._feed)
        if getattr(self.environment.parsed_options, "csv_prefix", None):
            # Locust writes its tables so often and, unlike its final print, not once more at last.
            gevent.sleep(CSV_STATS_INTERVAL_SEC + WAIT_S)

    @task
    def load(self) -> None:
        """Put a short stretch of load on the server and feed Locust's statistics."""
        self._stretch(STRETCH_S)

    def _stretch(self, seconds: float, *, ramp: int = 0) -> None:
        self._began_s = time.perf_counter()
        self._latencies_ns: list[int] = []
        self._fed_latencies = 0
        run_closed_loop(
            self._open,
            seconds,
            self._breathe,
            ramp=ramp,
            poll_s=0,
            latencies_ns=self._latencies_ns,
        )
        self._feed()
        if self._is_stopped:
            # The kill that came during the stretch.
            raise gevent.GreenletExit

    def _feed(self) -> None:
        """Feed what came since the last time: at a stretch's end, or whenever it breathes."""
        size = self._open.mean_response_bytes
        now, correct = self._open.error_counts, self._open.correct
        errors = msgspec.structs.asdict(now - self._fed_errors)
        requests = correct - self._fed_correct
        latencies_ns = self._latencies_ns[self._fed_latencies :]
        self._fed_errors, self._fed_correct = now, correct
        self._fed_latencies += len(latencies_ns)
        feed(
            self.environment.stats,
            name=self.path,
            method=self._open.target.exchanges[0].method,
            requests=requests,
            errors=errors,
            latencies_ns=latencies_ns,
            response_bytes=size,
            duration_s=time.perf_counter() - self._began_s,
        )
        if self._recorder is not None:
            sent = requests + sum(errors.values())
            self._recorder.conduct.note_place(self._open.target.endpoint.url, sent)
            self._recorder.note_many(requests, errors, latencies_ns, size)

    def _breathe(self) -> bool:
        """Let other greenlets run until a connection has something; False once Locust stops us.

        The hub watches the epoll's own descriptor. A kill ends the stretch instead of tearing
        it, so that what was measured reaches the statistics.
        """
        try:
            wait_read(self._open.epoll.fileno(), timeout=WAIT_S)
        except TimeoutError:
            pass
        except gevent.GreenletExit:
            self._is_stopped = True
        return not self._is_stopped

    def _target(self) -> Target:
        asked = Scenario(
            name=f"{self.method} {self.path}",
            app="",
            method=self.method,
            path=self.path,
            headers=self.headers,
            body_bytes=self.body,
            expect_status=self.expect_status,
            expect_bytes=self.expect_body,
            pipeline=self.pipeline if self.pipeline > 1 else None,
        )
        if self.messages:
            asked = Scenario(
                name=self.path,
                app="",
                method=WEBSOCKET_METHOD,
                path=self.path,
                headers=self.headers,
                expect_status=SWITCHED,
                messages=self._conversation(),
                random_masks=self.random_masks,
            )
        return scenario_target(
            asked,
            name=self.path,
            endpoint=self._endpoint(),
            connections=self.connections,
            timeout_s=self.timeout_s,
            streams=self.streams,
        )

    def _conversation(self) -> tuple[Message, ...]:
        """The messages as their structs; raises UsageError."""
        try:
            messages = msgspec.convert(list(self.messages), tuple[Message, ...])
        except msgspec.ValidationError as fault:
            raise UsageError(f"messages: {fault}") from None
        if not messages[0].is_sent or messages[-1].is_sent:
            raise UsageError("messages: must begin with one to send and end with one to expect")
        return messages

    def _endpoint(self) -> Endpoint:
        """Where the host is, and how it is asked."""
        url = urlsplit(self.host or "")
        if url.scheme not in PORTS or not url.hostname:
            raise UsageError(f"--host {self.host}: FastUser accepts only http[s]://HOST[:PORT]")
        if self.messages and self.http == "2":
            raise UsageError("FastUser: messages are a WebSocket conversation: leave out http")
        if self.streams > 1 and self.http == "1":
            raise UsageError("FastUser: streams need HTTP/2: set http to 2")
        if self.pipeline > 1 and (self.messages or self.http == "2"):
            raise UsageError(
                "FastUser: pipeline needs HTTP/1.1 requests: leave out messages and http"
            )
        protocol: Protocol = "http2" if self.http == "2" else "http1"
        if self.unix_socket:
            if url.scheme == "https":
                raise UsageError(
                    "FastUser: unix_socket works without TLS only: use an http:// host"
                )
            return Endpoint(self.unix_socket, "unix", protocol)
        port = url.port or PORTS[url.scheme]
        family = socket.AF_INET
        address = socket.getaddrinfo(url.hostname, port, family, socket.SOCK_STREAM)[0][4][0]
        return Endpoint(
            (str(address), port),
            "tls" if url.scheme == "https" else "tcp",
            protocol,
            ca_file=self.ca_file,
            name=url.hostname,
        )
