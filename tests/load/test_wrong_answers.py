"""What is kept of wrong answers under load, and what the verdict says of them."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import TypeAlias

import msgspec
import pytest

from asgi_bench.analysis.validity.trial import judge_trial_of
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.locust_recorder import failure
from asgi_bench.load.pool import Pool
from asgi_bench.load.target import Target
from asgi_bench.model import (
    MOST_WRONG_ANSWERS,
    Cell,
    ClosedLoop,
    Endpoint,
    ErrorCounts,
    WrongAnswer,
)
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import encode_request
from tests.situation import Said, situation
from tests.synthetic_run import make_trial, plan_of

# What a server sends for a request, by the number of the connection and of the request on it;
# None for nothing at all.
Script: TypeAlias = Callable[[int, int], bytes | None]

RIGHT = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nright"


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(script: Script) -> Iterator[int]:
    """A server that follows a script; yields its port."""
    numbers = iter(range(10**6))

    class Peer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection, request = next(numbers), 0
            while self.request.recv(65536):
                data = script(connection, request)
                if data is not None:
                    self.request.sendall(data)
                    if b"nothing more" in data:
                        return
                request += 1

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            """A client that is gone is no fault."""

    with Server(("127.0.0.1", 0), Peer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def target_of(port: int, *, connections: int = 4, timeout_s: float = 5.0) -> Target:
    """A target of one request."""
    endpoint = Endpoint.local(port)
    request = encode_request("GET", "/shop?page=2", endpoint.authority, {})
    exchange = Exchange("GET /shop?page=2", request, expect_body=b"right")
    return Target("x/default/w1/hello/c4", endpoint, connections, (exchange,), timeout_s)


def judged(connections: Pool, *, workers: int = 1, by_process: dict[str, int] | None) -> str:
    """What the verdict says of wrong answers, after a load."""
    cell = Cell("x", "default", workers, "hello", ClosedLoop(connections.target.connections))
    trial = msgspec.structs.replace(
        make_trial(cell, 0, 0),
        requests=connections.correct,
        errors=connections.error_counts,
        wrong_answers=connections.wrong.kept,
        unanswered_connections=connections.unanswered,
        wrong_by_process=by_process or {},
        connections_by_process={"11": 2, "12": 2},
    )
    found = judge_trial_of(trial, cell, plan_of(()))
    return next(reason.text for reason in found.validity_reasons if reason.code == "errors")


def told(script: Script, *, connections: int = 4, timeout_s: float = 5.0) -> str:
    """What is said after a short load on a server that follows a script."""
    with serving(script) as port:
        target = target_of(port, connections=connections, timeout_s=timeout_s)
        with closing(Pool(target)) as opened:
            run_closed_loop(opened, 0.05, lambda: True, ramp=connections)
            return judged(opened, by_process=None)


@situation(
    "answers",
    "Right at first, then a limit of requests: 429 with `retry-after`",
    says="status 429 instead of 200 to GET /shop?page=2 (content-type: text/plain, "
    "retry-after: 30, body: 'slow down')",
)
def test_a_limit_is_shown(said: Said) -> None:
    """The status, the headers that say why and the body stand in the reason."""
    limit = answer("429 Too Many", b"slow down", "retry-after: 30", "Content-Type: text/plain")
    said(told(lambda _, number: RIGHT if number < 3 else limit))


@situation(
    "answers",
    "The session expires under load, and every answer is a redirect to the login page",
    says="status 302 instead of 200 to GET /shop?page=2 (location: /login?next=%2Fshop, no body)",
)
def test_a_redirect_tells_where_to(said: Said) -> None:
    """An answer without a body is said to have none."""
    away = answer("302 Found", b"", "location: /login?next=%2Fshop", "connection: keep-alive")
    said(told(lambda _, number: RIGHT if number < 3 else away))


@situation(
    "answers",
    "A 200 of the same length with an error in its body",
    says="(… body): a body other than the expected one of 5 bytes to GET /shop?page=2 (body: "
    "'wrong')",
)
def test_a_hidden_error_is_shown(said: Said) -> None:
    """The body alone is wrong."""
    said(told(lambda _, number: RIGHT if number < 3 else answer("200 OK", b"wrong")))


@situation(
    "answers",
    "A worker dies in the middle of an answer",
    says="closed the connection in the middle of its response: 4 of the 99 bytes of its body came",
)
def test_a_broken_answer_is_shown(said: Said) -> None:
    """How far the answer had come is told."""
    broken = b"HTTP/1.1 200 OK\r\nx: nothing more\r\ncontent-length: 99\r\n\r\nhalf"
    said(told(lambda _, number: RIGHT if number < 3 else broken))


@situation(
    "answers",
    "An answer is followed by bytes that belong to none, such as those of a stray `print`",
    says="its answer breaks HTTP/1.1: … bytes beyond the end of the answer (its content-length "
    "is 5): 'debug: 42'",
)
def test_bytes_that_belong_to_no_answer_are_quoted(said: Said) -> None:
    """The offending bytes stand in the reason."""
    said(told(lambda _, number: RIGHT + (b"debug: 42" if number > 2 else b"")))


@situation(
    "answers",
    "Some connections are accepted and never answered (a pool that is too small, a dead worker)",
    says="no complete response within 0.2 s: nothing came to GET /shop?page=2; 3 of 4 "
    "connections never got an answer",
)
def test_connections_without_any_answer_are_counted(said: Said) -> None:
    """One that takes a dead one's place is none of its own."""
    said(told(lambda connection, _: None if connection else RIGHT, timeout_s=0.2))


@situation(
    "answers",
    "Only one of several workers answers wrongly",
    says="only 1 of 2 workers sent wrong responses (process 12): the app probably keeps state "
    "within one worker; measure with -w 1",
)
def test_a_single_bad_worker_is_named(said: Said) -> None:
    """What only some workers do, one worker alone would not."""
    with serving(lambda _, number: RIGHT if number < 3 else answer("500 Oh", b"")) as port:
        with closing(Pool(target_of(port))) as opened:
            run_closed_loop(opened, 0.05, lambda: True, ramp=4)
            said(judged(opened, workers=2, by_process={"12": 60}))
            everyone = judged(opened, workers=2, by_process={"11": 50, "12": 60})
            alone = judged(opened, workers=1, by_process={"12": 60})
    assert "workers sent" not in everyone + alone


def test_each_request_has_its_own_wrong_answers() -> None:
    """Of several requests, each kind is kept by name, status and count, and no more than a few."""
    with serving(lambda _, __: answer("404 No", b"\x1b[31m<b>gone</b>")) as port:
        host = f"127.0.0.1:{port}"
        exchanges = tuple(
            Exchange(name, encode_request("GET", path, host, {}), expect_status=status)
            for name, path, status in (("list", "/a", 404), ("item", "/b", 200), ("buy", "/c", 201))
        )
        target = msgspec.structs.replace(target_of(port), exchanges=exchanges)
        with closing(Pool(target)) as mixed:
            run_closed_loop(mixed, 0.05, lambda: True, ramp=4)
            kept = mixed.wrong.kept
            wrong = mixed.errors["status"]
            ports = set(mixed.wrong.by_port)
            assert ports <= set(mixed.client_ports)
    assert {(one.request, one.text) for one in kept} == {
        ("item", "status 404 instead of 200"),
        ("buy", "status 404 instead of 201"),
    }
    assert sum(one.count for one in kept) == wrong > 0
    assert {one.client_port for one in kept} <= ports
    # Nothing that a terminal would obey.
    assert {one.body for one in kept} == {r"'\x1b[31m<b>gone</b>'"}


def test_many_kinds_are_bounded() -> None:
    """A server that answers with ever other statuses fills no memory."""
    with serving(lambda _, number: answer(f"{300 + number % 200} x", b"")) as port:
        with closing(Pool(target_of(port, connections=1))) as opened:
            while opened.errors["status"] < 40:
                run_closed_loop(opened, 0.02, lambda: True, ramp=not opened.client_ports)
            assert len(opened.wrong.kept) == MOST_WRONG_ANSWERS
            opened.wrong.forget_counts()
            assert {one.count for one in opened.wrong.kept} == {0}


@pytest.mark.parametrize(("alone", "most"), [(0, 4), (4, 1)])
def test_first_connections_wait_for_each_others_first_answer(alone: int, most: int) -> None:
    """While a worker is held up by a first request, no others queue for whoever wakes first."""
    waiting, held = threading.Event(), []

    def first_is_slow(connection: int, number: int) -> bytes:
        if not number:
            held.append(connection)
            if not connection:
                # Long enough for a ramp that doesn't wait.
                waiting.wait(0.15)
                seen.append(len(held))
        return RIGHT

    seen: list[int] = []
    with serving(first_is_slow) as port, closing(Pool(target_of(port))) as opened:
        run_closed_loop(opened, 0.01, lambda: True, ramp=4, alone=alone)
        assert opened.errors["timeout"] == opened.unanswered == 0
    assert seen == [most]
    assert len(held) == 4


class Refused(Exception):
    """What a locustfile's own check may raise."""


# A response as Locust's clients have it.
PAGE = SimpleNamespace(
    status_code=200,
    headers={"content-type": "text/html", "server": "uvicorn", "date": "today"},
    content=b"<p>no items</p>",
)


@situation(
    "answers",
    "A check in your locustfile fails a response that looks right: `response.failure('no items')`",
    says="Refused: no items to GET /items (content-type: text/html, server: uvicorn, body: "
    "'<p>no items</p>')",
)
def test_failures_of_a_locustfile_are_shown(said: Said) -> None:
    """The exception's text and the answer stand in the reason, as for our own load."""
    wrong = failure("body", "GET /items", PAGE, Refused("no items"))
    said(told_of(wrong))
    plain = failure("status", "GET /", SimpleNamespace(status_code=503), "status")
    assert (plain.text, plain.status, plain.body) == ("status 503", 503, None)


def told_of(wrong: WrongAnswer) -> str:
    """What the verdict says of a trial with nothing but this wrong answer."""
    cell = Cell("x", "default", 1, "hello", ClosedLoop(4))
    trial = msgspec.structs.replace(
        make_trial(cell, 0, 0), errors=ErrorCounts(body=100), wrong_answers=(wrong,)
    )
    return "; ".join(
        reason.text for reason in judge_trial_of(trial, cell, plan_of(())).validity_reasons
    )
