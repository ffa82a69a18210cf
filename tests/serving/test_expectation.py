import random
from collections.abc import Callable

import pytest

from asgi_bench.errors import UsageError
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import Endpoint, Message, Scenario, Stream
from asgi_bench.serving import expectation
from asgi_bench.serving.expectation import (
    Streamed,
    answer_of,
    learned,
    learned_stream,
    parts_compared,
    stream_of,
)
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.readiness import wait_until_ready
from asgi_bench.wire.frames import Messages, Received
from asgi_bench.wire.http1 import Response, read_response
from asgi_bench.wire.parts import PartReader
from tests.known_answers import BODY, Behaviour, KnownAnswers

OWN = Scenario(name="app", app="app:app", expect_status=0)


def _answer(status: int, body: bytes = b"", *lines: str) -> Response:
    head = [f"HTTP/1.1 {status} Some", f"content-length: {len(body)}", *lines, "", ""]
    answer = read_response("\r\n".join(head).encode() + body)
    assert answer is not None
    return answer


def _answers(*bodies: bytes, status: int = 200) -> list[Response]:
    return [_answer(status, body) for body in bodies]


def test_what_all_answers_have_in_common_is_expected() -> None:
    """The status, and the body where it is always the same, as text where it is text."""
    same = learned(OWN, _answers(b"x", b"x", b"x", status=201))
    assert (same.expect_status, same.expect_body, same.expect_bytes) == (201, "x", None)
    assert parts_compared(same) == ("status", "framing", "body")
    binary = learned(OWN, _answers(b"\xff", b"\xff"))
    assert (binary.expect_body, binary.expect_bytes) == (None, b"\xff")
    assert binary.accepts(b"\xff")
    assert not binary.accepts(b"\xfe")
    empty = learned(OWN, _answers(b"", b"", status=204))
    assert empty.accepts(b"")
    assert not empty.accepts(b"x")


def test_bodies_that_differ_are_not_compared() -> None:
    """Then status and framing decide alone, and that is told."""
    other = learned(OWN, _answers(b"x", b"x", b"y"))
    assert (other.expect_status, other.expected_content) == (200, None)
    assert other.accepts(b"anything")
    assert parts_compared(other) == ("status", "framing")


def test_a_pattern_takes_the_place_of_the_body() -> None:
    """What the user says about the body counts, even if all bodies are the same."""
    stated = learned(
        Scenario(name="a", app="a:b", expect_status=0, expect_pattern="^x+$"), _answers(b"xx")
    )
    assert (stated.expect_status, stated.expected_content) == (200, None)
    assert stated.accepts(b"xxx")
    assert not stated.accepts(b"xxy")
    assert parts_compared(stated) == ("status", "framing", "pattern")


def test_no_single_good_status_is_the_users_to_mend() -> None:
    """An error status or two different ones can't be taken as right without a word."""
    with pytest.raises(UsageError, match=r"^APP: GET / is answered with status 404 .*status 404"):
        learned(OWN, _answers(b"", status=404))
    with pytest.raises(
        UsageError, match="answered with 200 and 500: state the right one with --expect-status"
    ):
        learned(OWN, [_answer(200), _answer(500), _answer(200)])


REFUSED = "APP: GET / is answered with status "
ELSE = "otherwise check --path, --method, --header and --body"
HOSTS = (
    "perhaps the app rejects the host 127.0.0.1: allow it (Django's ALLOWED_HOSTS, Starlette's "
    "allowed_hosts), or send an allowed one with --header 'Host: NAME'; "
)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            _answer(404),
            "404 (no body); if that is right, state it with --expect-status 404, " + ELSE,
        ),
        (
            _answer(500, b"x" * 200),
            f"500 (body: '{'x' * 120}…'); if that is right, state it with --expect-status 500, "
            f"{ELSE}",
        ),
        (
            _answer(302, b"", "Location: /login?next=/"),
            "302 (location: /login?next=/, no body); if that is right, "
            f"state it with --expect-status 302, {ELSE}",
        ),
        (
            _answer(301, b"", "location: https://127.0.0.1:80/a"),
            "301 (location: https://127.0.0.1:80/a, no body); if the app requires HTTPS, try "
            f"--header 'X-Forwarded-Proto: https'; if that is right, "
            f"state it with --expect-status 301, {ELSE}",
        ),
        (
            _answer(400, b"Invalid host header"),
            f"400 (body: 'Invalid host header'); {HOSTS}if that is right, "
            f"state it with --expect-status 400, {ELSE}",
        ),
        (
            _answer(999),
            f"999 (no body); if that is right, state it with --expect-status 999, {ELSE}",
        ),
    ],
)
def test_a_refusal_tells_what_the_answer_says(answer: Response, told: str) -> None:
    """Location, start of the body, and what is most likely behind it stand beside the status."""
    with pytest.raises(UsageError) as refused:
        learned(OWN, [answer] * 3)
    assert str(refused.value) == REFUSED + told


def test_a_missing_slash_is_guessed() -> None:
    """A redirect to the same path with a slash names the flag, or the key, that spares it."""
    items = Scenario(name="app", app="app:app", path="/items?a=1", expect_status=0)
    redirect = _answer(307, b"", "location: http://127.0.0.1:8000/items/?a=1")
    with pytest.raises(UsageError, match="perhaps you mean --path /items/; if"):
        learned(items, [redirect])
    with pytest.raises(UsageError, match='perhaps you mean path = "/items/"; if'):
        learned(items, [redirect], is_of_file=True)


def test_a_host_of_the_users_is_not_doubted() -> None:
    """With a Host of one's own, or a body that may be what is wrong, nothing is guessed."""
    hosted = Scenario(name="app", app="app:app", headers={"host": "x"}, expect_status=0)
    posted = Scenario(name="app", app="app:app", method="POST", body="x", expect_status=0)
    for request in (hosted, posted):
        with pytest.raises(UsageError, match=r"status 400 \(body: 'bad'\); if that is right"):
            learned(request, [_answer(400, b"bad")])


def _streamed(*events: bytes, is_whole: bool = False) -> Streamed:
    reader = PartReader("GET", Stream())
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    reader.feed(head + b"".join(events))
    response = reader.finish() if is_whole else reader.cut_short()
    assert response is not None
    return Streamed(response, reader, is_whole)


def test_a_stream_without_end_is_left_after_what_all_had() -> None:
    """The fewest parts that came of any; what was the same until then is compared."""
    streams = [_streamed(*[b"data: %d\n\n" % n for n in range(count)]) for count in (3, 2, 5)]
    found = learned_stream(OWN, streams)
    assert found.stream == Stream(leave_after=2)
    assert (found.expect_status, found.expect_body) == (200, "data: 0\n\ndata: 1\n\n")
    other = learned_stream(OWN, [streams[0], _streamed(b"data: x\n\n", b"data: 1\n\n")])
    assert (other.stream, other.expected_content) == (Stream(leave_after=2), None)


def test_a_stream_that_ends_is_taken_whole() -> None:
    """Where all ended by themselves they are answers as any, but timed; a stated status stays."""
    streams = [_streamed(b"data: 0\n\n", b"bye", is_whole=True)] * 2
    found = learned_stream(OWN, streams)
    assert (found.stream, found.expect_body) == (Stream(), "data: 0\n\nbye")
    stated = Scenario(name="a", app="a:b", expect_status=404, stream=Stream(leave_after=0))
    assert learned_stream(stated, streams) == Scenario(
        name="a", app="a:b", expect_status=404, stream=Stream()
    )


def _watched(behaviour: Behaviour, timeout_s: float = 10.0) -> Streamed:
    with KnownAnswers(behaviour) as server:
        return stream_of(Endpoint.local(server.port), OWN, timeout_s)


def test_a_stream_is_watched_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends is taken to its end; of another what came by then, part by part."""
    whole = _watched(Behaviour(script=("slow-parts",)))
    assert (whole.is_whole, whole.response.status, whole.response.body) == (True, 200, BODY)
    assert len(whole.reader.part_ends) == 3
    monkeypatch.setattr(expectation, "WATCHED_S", 0.5)
    cut = _watched(Behaviour(script=("slow-events",)))
    assert (cut.is_whole, cut.response.status) == (False, 200)
    assert cut.reader.part_ends
    assert cut.first(1).body == cut.response.body[: cut.reader.part_ends[0]]


def test_a_stream_that_never_begins_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is awaited as long as any response."""
    monkeypatch.setattr(expectation, "WATCHED_S", 0.1)
    with pytest.raises(ServerFault, match=r"no complete response within 0\.3 s: nothing"):
        _watched(Behaviour(delay_s=60), 0.3)


@pytest.mark.parametrize(
    ("kind", "told"), [("empty", "without a response$"), ("slow-truncated", ", 2 whole parts$")]
)
def test_a_stream_that_breaks_off_is_a_fault(kind: str, told: str) -> None:
    """It didn't end, and won't go on: what came of it is told."""
    with pytest.raises(ServerFault, match=told):
        _watched(Behaviour(script=(kind,)))


@pytest.mark.parametrize(
    ("came", "wanted"),
    [
        (("a", "a"), Message(expect="a")),
        ((b"\xff", b"\xff"), Message(expect_bytes=b"\xff")),
        (("a", "b"), Message(expect_pattern="")),
        (("a", b"a"), Message(expect_pattern="")),
    ],
)
def test_a_message_that_is_always_the_same_is_expected(
    came: tuple[str | bytes, ...], wanted: Message
) -> None:
    """As text or binary; where it differs whatever comes is right, as it was before."""
    sent = Message(send="hi")
    asked = Scenario(
        name="app", app="a:b", method="WS", messages=(sent, Message(expect_pattern=""))
    )
    payloads = [
        Received(one.encode()) if isinstance(one, str) else Received(one, True) for one in came
    ]
    answers = [Messages(101, one.payload, 2, closes=False, messages=(one,)) for one in payloads]
    found = learned(asked, answers)
    assert (found.messages, found.expect_status) == ((sent, wanted), 101)
    assert parts_compared(found) == ("messages",)


def test_shipped_scenarios_say_what_they_compare() -> None:
    """An expected body is compared as it stands; without one it isn't."""
    hello = Scenario(name="hello", app="hello:app", expect_body="Hello, world!")
    assert parts_compared(hello) == ("status", "framing", "body")
    assert parts_compared(Scenario(name="a", app="a:b")) == ("status", "framing")
    assert Scenario(name="a", app="a:b", method="HEAD", expect_body="x").accepts(b"")


def test_an_answer_is_taken_whole(make_server: Callable[..., ServerProcess]) -> None:
    """Status and body as the server sent them; a server that isn't ready says so."""
    server = make_server()
    server.start()
    wait_until_ready(server, Scenario(name="any", app="", expect_status=0), 1, 20)
    answer = answer_of(server.endpoint, OWN, 5)
    assert (answer.status, answer.body) == (200, b"Hello, world!")
    with pytest.raises(ServerFault, match="no connection: Connection refused"):
        answer_of(free_endpoint(random.Random()), OWN, 5)


def test_any_status_makes_a_server_ready_whose_status_is_not_known(
    make_server: Callable[..., ServerProcess],
) -> None:
    """Readiness then asks for a whole answer alone: what is right is found out next."""
    server = make_server("status")
    server.start()
    with pytest.raises(ServerFault, match="answered status 500, expected 200"):
        wait_until_ready(server, Scenario(name="hello", app=""), 1, 20)
    assert wait_until_ready(server, OWN, 1, 20).errors.total == 0


@pytest.mark.parametrize(("pattern", "is_right"), [("^Hello, w", True), ("^hello", False)])
def test_a_server_is_held_to_the_pattern_before_it_is_ready(
    make_server: Callable[..., ServerProcess], pattern: str, is_right: bool
) -> None:
    """The first answers are checked as those under load are."""
    server = make_server()
    server.start()
    stated = Scenario(name="app", app="", expect_pattern=pattern)
    if is_right:
        assert wait_until_ready(server, stated, 1, 20).errors.total == 0
    else:
        words = r"answered body 'Hello, world!' \(13 bytes\), expected a match of '\^hello'"
        with pytest.raises(ServerFault, match=words):
            wait_until_ready(server, stated, 1, 20)
