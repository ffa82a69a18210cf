"""Records what Locust users of any kind do, as the harness commands: for clients it can't slice.

Loaded by `locust -f` beside the users' file. It listens to Locust's own request event, so it
sees what Locust sees, in milliseconds as floats, before Locust rounds them.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import gevent
import locust.stats
import msgspec
from gevent.event import Event
from locust import events

from asgi_bench.errors import UsageError
from asgi_bench.load.conduct import Conduct
from asgi_bench.load.control import SocketControl
from asgi_bench.load.histogram import Recordings
from asgi_bench.load.master import leave
from asgi_bench.load.messages import (
    Close,
    Closed,
    Command,
    Failed,
    Left,
    Load,
    Loaded,
    Quit,
    Ready,
    Reply,
)
from asgi_bench.load.pool import Pool
from asgi_bench.load.user_count import user_count
from asgi_bench.load.wrong_answers import BODY_LETTERS, TELLING_HEADERS, WrongAnswers, telling
from asgi_bench.machine.clocks import OwnClocks
from asgi_bench.model import RESPONSE_TIME, ErrorCounts, WrongAnswer, merged_wrong_answers
from asgi_bench.wire.excerpts import excerpt

STOP_TIMEOUT_S = 6.0
KINDS = ErrorCounts.__struct_fields__
TEXT_LETTERS = 200


class Recorder:
    """Counts and times every request event, and replies to the harness.

    `reports` are called at the edges of a slice: users that fire no event per request report there,
    by `note_many`, what happened up to then. Their connections are among `fast`.
    """

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._control = SocketControl()
        self.conduct = Conduct(environment)
        self._recordings = Recordings()
        self._latencies_ns: list[int] = []
        self._correct = 0
        self._errors: Counter[str] = Counter()
        self._wrong = WrongAnswers()
        self._fast_correct = self._fast_bytes = 0
        self._has_users, self._is_over = Event(), Event()
        self.reports: set[Callable[[], None]] = set()
        self.fast: list[Pool] = []

    def note(
        self,
        response_time: float,
        request_type: str = "",
        name: str = "",
        response: Any = None,
        exception: Any = None,
        **_: Any,
    ) -> None:
        """Record one request event."""
        if exception is not None:
            kind = error_kind(exception)
            self._errors[kind] += 1
            request = f"{request_type} {name}"
            if self._wrong.is_new(kind, request, status_of(response)):
                self._wrong.keep(failure(kind, request, response, exception))
            return
        self._correct += 1
        self._latencies_ns.append(int(response_time * 1e6))

    def note_many(
        self,
        correct: int,
        errors: Mapping[str, int],
        latencies_ns: list[int],
        size: int,
    ) -> None:
        """Record what a FastUser did since its last report."""
        self._correct += correct
        self._errors.update(errors)
        self._latencies_ns += latencies_ns
        self._fast_correct += correct
        self._fast_bytes += correct * size

    def leave(self) -> None:
        """Report the exit code that the locustfile set, after everyone else could change it."""
        code = self._environment.process_exit_code
        if code is not None:
            self._control.send(Left(int(code)))

    def greet(self) -> None:
        """Report whether there are users for it, and start none of them before a first command.

        This lets the harness ask about a locustfile alone. Raises SystemExit if it then quits, or
        if no number of users will do.
        """
        options = self._environment.parsed_options
        try:
            # A shape has a number of its own.
            if self._environment.shape_class is None:
                options.num_users = user_count(options.num_users, self._environment.user_classes)
        except UsageError as fault:
            self._control.send(Failed(str(fault)))
            sys.exit(1)
        self._control.send(Ready((os.getpid(),)))
        command = self._control.receive()
        if isinstance(command, Quit):
            sys.exit()
        gevent.spawn(self._serve, command)

    def start(self, **_: Any) -> None:
        """Record that all users are up. A shape reports this after each of its steps."""
        self._has_users.set()

    def end(self, **_: Any) -> None:
        """Record that the users are being stopped, for good."""
        self._is_over.set()

    def _serve(self, command: Command) -> None:
        self._has_users.wait()
        while not isinstance(command, Quit):
            self._control.send(self._carry_out(command))
            command = self._control.receive()
        leave(self._environment)

    def _carry_out(self, command: Command) -> Reply:
        match command:
            case Load():
                return self._load(command)
            case Close():
                return self._close()
        return Failed("only slices of running users can be recorded")

    def _load(self, command: Load) -> Loaded | Failed:
        self._gather()
        self._latencies_ns.clear()
        correct, errors = self._correct, self._error_counts
        for each in self._all_wrong:
            # Those of the warm-up; there is but one slice after it.
            each.forget_counts()
        clocks = OwnClocks()
        self.conduct.begin()
        begin_s = time.perf_counter()
        if self.conduct.wait(self._is_over, command.duration_s):
            return Failed(
                "its users stopped before the slice ended (a LoadTestShape must last longer "
                "than --duration)"
            )
        end_s = time.perf_counter()
        load_cpu_s, load_wait_s = clocks.read_s()
        self._gather()
        if not command.is_step:
            self._recordings.add({RESPONSE_TIME: self._latencies_ns})
        requests, errors = self._correct - correct, self._error_counts - errors
        return Loaded(
            begin_s=begin_s,
            end_s=end_s,
            requests=requests,
            sent=requests + errors.total,
            errors=errors,
            load_cpu_s=load_cpu_s,
            load_wait_s=load_wait_s,
            users=self.conduct.figures(),
        )

    def _close(self) -> Closed:
        # Users end after their task: what is under way at a kill would be counted nowhere.
        self._environment.stop_timeout = STOP_TIMEOUT_S
        # Locust would end its shape first, and whoever awaits that stops the users once more.
        self._environment.shape_class = None
        unanswered = sum(each.unanswered for each in self.fast)
        self._environment.runner.stop()
        errors = self._error_counts
        return Closed(
            times_hdr=self._recordings.encode(),
            clamped=self._recordings.clamped(RESPONSE_TIME),
            reconnects=0,
            sent_total=self._correct + errors.total,
            errors_total=errors,
            response_bytes=self._response_bytes,
            wrong_answers=merged_wrong_answers(
                wrong for each in self._all_wrong for wrong in each.kept
            ),
            unanswered=unanswered,
        )

    def _gather(self) -> None:
        """Have everyone tell what came up to now; no other greenlet runs meanwhile."""
        for report in self.reports:
            report()

    @property
    def _all_wrong(self) -> tuple[WrongAnswers, ...]:
        return (self._wrong, *(each.wrong for each in self.fast))

    @property
    def _response_bytes(self) -> int | None:
        """The mean size of a right answer with its head: only FastUsers know of heads."""
        if not self._fast_correct or self._fast_correct < self._correct:
            return None
        return round(self._fast_bytes / self._fast_correct)

    @property
    def _error_counts(self) -> ErrorCounts:
        return ErrorCounts(**{kind: self._errors[kind] for kind in KINDS})


def tenths(response_time: float) -> float:
    """Return the bucket of a response time in milliseconds."""
    return round(response_time, 1)


def error_kind(fault: Any) -> str:
    """Return the kind of error of a Locust failure: stock users name it in their message."""
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


def status_of(response: Any) -> int | None:
    """Return the status of what Locust calls a response; None if there was none."""
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) and status else None


def failure(kind: str, request: str, response: Any, fault: Any) -> WrongAnswer:
    """Describe a failed request by its exception, and by its response if there is one."""
    status = status_of(response)
    told = str(fault)
    if told in KINDS:
        text = f"status {status}" if told == "status" else "a body other than the expected one"
    else:
        text = excerpt(f"{type(fault).__name__}: {told}".encode(), TEXT_LETTERS)[1:-1]
    wrong = WrongAnswer(kind, request, text, time.perf_counter(), status=status)
    if status is None:
        return wrong
    headers = getattr(response, "headers", None) or {}
    body = _body_of(response)
    return msgspec.structs.replace(
        wrong,
        headers=telling({name: headers.get(name) for name in TELLING_HEADERS}),
        body=None if body is None else excerpt(body, BODY_LETTERS),
        body_bytes=None if body is None else len(body),
    )


def _body_of(response: Any) -> bytes | None:
    """The body, None where it was never read whole: clients raise what broke it again."""
    body = None
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        body = response.content
    return body if isinstance(body, bytes) else None


@events.quitting.add_listener
def _leave(environment: Any, **_: Any) -> None:
    """Locust asks in reverse order, so who was there before the user's file has the last word."""
    recorder = getattr(environment, "asgi_bench_recorder", None)
    if recorder is not None:
        recorder.leave()


@events.init.add_listener
def _attach(environment: Any, **_: Any) -> None:
    recorder = environment.asgi_bench_recorder = Recorder(environment)
    # Locust's own tables in tenths of a millisecond: in whole ones a fast server reads 0.
    locust.stats.bucket_response_time = tenths
    environment.events.request.add_listener(recorder.note)
    environment.events.request.add_listener(recorder.conduct.note)
    recorder.conduct.hold_host()
    environment.events.spawning_complete.add_listener(recorder.start)
    environment.events.test_stopping.add_listener(recorder.end)
    recorder.greet()
