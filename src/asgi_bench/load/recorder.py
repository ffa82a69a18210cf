"""Records what Locust users of any kind do, as the harness commands: for clients it can't slice.

Loaded by `locust -f` beside the users' file. It listens to Locust's own request event, so it
sees what Locust sees, in milliseconds as floats, before Locust rounds them.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import locust.stats
from locust import events

from asgi_bench.load.channel import SocketChannel
from asgi_bench.load.histogram import Recording
from asgi_bench.load.messages import Close, Closed, Failed, Load, Loaded, Quit, Ready
from asgi_bench.load.relay import leave
from asgi_bench.load.session import paired
from asgi_bench.machine.clocks import cpu_s_by_process, run_queue_wait_s
from asgi_bench.model import ErrorCounts

STOP_TIMEOUT_S = 6.0
KINDS = ErrorCounts.__struct_fields__


class Recorder:
    """Counts and times every request event, and answers the harness.

    `reports` are called at the edges of a slice: who fires no event per request tells there, by
    `note_many`, what came up to then.
    """

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._channel = SocketChannel()
        self._recording = Recording()
        self._latencies_ns: list[int] = []
        self._correct = 0
        self._errors: Counter[str] = Counter()
        self._response_bytes: int | None = None
        self.reports: set[Callable[[], None]] = set()

    def note(
        self, response_time: float, response_length: int, exception: Any = None, **_: Any
    ) -> None:
        """Take one request event."""
        if exception is not None:
            self._errors[error_kind(exception)] += 1
            return
        self._correct += 1
        self._latencies_ns.append(int(response_time * 1e6))
        self._response_bytes = response_length

    def note_many(
        self, correct: int, errors: Mapping[str, int], latencies_ns: list[int], size: int
    ) -> None:
        """Take what a FastUser did since it last told."""
        self._correct += correct
        self._errors.update(errors)
        self._latencies_ns += latencies_ns
        self._response_bytes = size

    def greet(self, **_: Any) -> None:
        """Say that all users are up, and start to answer."""
        self._channel.send(Ready((os.getpid(),)))
        gevent.spawn(self._serve)

    def _serve(self) -> None:
        while True:
            match command := self._channel.receive():
                case Load():
                    reply: Loaded | Closed | Failed = self._load(command)
                case Close():
                    reply = self._close()
                case Quit():
                    leave(self._environment)
                    return
                case _:
                    reply = Failed("only slices of running users can be recorded")
            self._channel.send(reply)

    def _load(self, command: Load) -> Loaded:
        self._gather()
        self._latencies_ns.clear()
        correct, errors = self._correct, self._error_counts
        own_pids = (os.getpid(),)
        wait_before_s = run_queue_wait_s(own_pids)
        server_before, load_before = cpu_s_by_process(command.pids), time.process_time()
        begin_s = time.perf_counter()
        gevent.sleep(command.duration_s)
        end_s = time.perf_counter()
        load_cpu_s = time.process_time() - load_before
        server_after = cpu_s_by_process(command.pids)
        self._gather()
        if not command.is_step:
            self._recording.add(self._latencies_ns)
        requests, errors = self._correct - correct, self._error_counts - errors
        return Loaded(
            begin_s=begin_s,
            end_s=end_s,
            requests=requests,
            sent=requests + errors.total,
            errors=errors,
            server_clocks_s=paired(server_before, server_after),
            load_cpu_s=load_cpu_s,
            pids_lost=tuple(pid for pid in command.pids if pid not in server_after),
            load_wait_s=run_queue_wait_s(own_pids) - wait_before_s,
        )

    def _close(self) -> Closed:
        # Users end after their task: what is under way at a kill would be counted nowhere.
        self._environment.stop_timeout = STOP_TIMEOUT_S
        self._environment.runner.stop()
        errors = self._error_counts
        return Closed(
            response_time_hdr=self._recording.encode(),
            clamped=self._recording.clamped,
            reconnects=0,
            sent_total=self._correct + errors.total,
            errors_total=errors,
            response_bytes=self._response_bytes,
        )

    def _gather(self) -> None:
        """Have everyone tell what came up to now; no other greenlet runs meanwhile."""
        for report in self.reports:
            report()

    @property
    def _error_counts(self) -> ErrorCounts:
        return ErrorCounts(**{kind: self._errors[kind] for kind in KINDS})


def error_kind(fault: Any) -> str:
    """Return the kind of error a Locust failure is: stock users name it in their message."""
    text = str(fault)
    if text in KINDS:
        return text
    name = f"{type(fault).__name__} {text}".lower()
    for kind, signs in (
        ("connect", ("refused", "newconnection", "connecttimeout")),
        ("timeout", ("timeout", "timed out")),
        ("status", ("status", "http error", "client error", "server error", "bad status")),
        ("reset", ("reset", "closed", "disconnected", "aborted", "broken", "incomplete")),
    ):
        if any(sign in name for sign in signs):
            return kind
    return "body"


def tenths(response_time: float) -> float:
    """Return the bucket of a response time in milliseconds."""
    return round(response_time, 1)


@events.init.add_listener
def _attach(environment: Any, **_: Any) -> None:
    recorder = environment.asgi_bench_recorder = Recorder(environment)
    # Locust's own tables in tenths of a millisecond: in whole ones a fast server reads 0.
    locust.stats.bucket_response_time = tenths
    environment.events.request.add_listener(recorder.note)
    environment.events.spawning_complete.add_listener(recorder.greet)
