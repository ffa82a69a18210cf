"""The correct response of an app that nobody has described: learned by requests before any load."""

import time
from collections.abc import Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.model import (
    HOST,
    SWITCHED,
    Endpoint,
    Message,
    Part,
    Request,
    Stream,
)
from asgi_bench.serving.faults import ServerFault
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.exchange import dialogue
from asgi_bench.wire.frames import Messages
from asgi_bench.wire.http1 import Response
from asgi_bench.wire.parts import PartReader

RequestT = TypeVar("RequestT", bound=Request)
# A stream that goes on for so long after it was asked for has no end; it is left after as many
# parts as came until then, or so many.
WATCHED_S = 1.0
MOST_PARTS = 100
# Of a body that explains a refusal; a page of HTML takes some bytes to come to its point.
_TOLD_BODY = 120


def answer_of(endpoint: Endpoint, request: Request, timeout_s: float) -> Response:
    """Send a request once, on a connection of its own; raises ServerFault."""
    asked = dialogue(endpoint, request)
    with Connection(asked.endpoint, asked.greeting) as connection:
        try:
            connection.open(timeout_s)
            return connection.ask(asked.exchanges[0], timeout_s)
        except NoAnswer as fault:
            raise ServerFault(str(fault)) from None


class Streamed(NamedTuple):
    """What arrived of a stream, and whether that is all of it."""

    response: Response
    reader: PartReader
    is_whole: bool

    def first(self, parts: int) -> Response:
        """The response as it is if the client leaves it after this many parts."""
        return msgspec.structs.replace(self.response, body=self.reader.body_of(parts))


def stream_of(endpoint: Endpoint, request: Request, timeout_s: float) -> Streamed:
    """Send a request for a stream once, and watch its parts for a moment; raises ServerFault."""
    asked = dialogue(endpoint, msgspec.structs.replace(request, stream=Stream()))
    with Connection(asked.endpoint, asked.greeting) as connection:
        try:
            connection.open(timeout_s)
            connection.send(asked.exchanges[0])
            end_s = time.monotonic() + timeout_s
            while True:
                response = connection.advance(WATCHED_S)
                reader = connection.reader
                assert isinstance(reader, PartReader)
                if response is not None:
                    return Streamed(response, reader, is_whole=True)
                if reader.part_ends:
                    return Streamed(reader.cut_short(), reader, is_whole=False)
                if time.monotonic() >= end_s:
                    raise connection.overdue(timeout_s)
        except NoAnswer as fault:
            raise ServerFault(str(fault)) from None


def learned_stream(request: RequestT, streams: Sequence[Streamed]) -> RequestT:
    """Return a request whose stream, if it has no end, is left after what was seen of it.

    Status and body are learned from what all had until then, as from other responses.

    Raises:
        UsageError: as `learned`.
    """
    leave_after = None
    answers = [each.response for each in streams]
    if not all(each.is_whole for each in streams):
        leave_after = min(MOST_PARTS, *(len(each.reader.part_ends) for each in streams))
        answers = [each.first(leave_after) for each in streams]
    request = msgspec.structs.replace(request, stream=Stream(leave_after))
    return request if request.expect_status else learned(request, answers)


def learned(
    request: RequestT, answers: Sequence[Response], *, is_of_file: bool = False
) -> RequestT:
    """Return a request that expects what its responses have in common.

    That is their status, and their body if all are the same and the user stated nothing.
    `is_of_file`
    says where the user would state it: in a file of requests, or by flags.

    Raises:
        UsageError: they have different statuses, or one that is not 2xx.
    """
    if request.messages:
        return _with_known_message(request, answers)
    where = f"[{request.name}]" if is_of_file else "APP"
    told = f"{where}: {request.method} {request.path}"
    statuses = list(dict.fromkeys(answer.status for answer in answers))
    status = statuses[0]
    if len(statuses) > 1:
        both = " and ".join(map(str, statuses))
        key = "expect_status" if is_of_file else "--expect-status"
        raise UsageError(f"{told} is answered with {both}: state the right one with {key}")
    if not 200 <= status <= 299:
        say = f"expect_status = {status}" if is_of_file else f"--expect-status {status}"
        keys = "its path, method, headers and body"
        flags = "--path, --method, --header and --body"
        raise UsageError(
            f"{told} is answered with status {status} ({_told(answers[0])}); "
            f"{_hint(request, answers[0], is_of_file=is_of_file)}if that is right, state it "
            f"with {say}, otherwise check {keys if is_of_file else flags}"
        )
    request = msgspec.structs.replace(request, expect_status=status)
    bodies = {answer.body for answer in answers}
    is_stated = request.expect_pattern is not None or request.expect_body is not None
    if is_stated or len(bodies) > 1:
        return request
    (body,) = bodies
    try:
        return msgspec.structs.replace(request, expect_body=body.decode())
    except UnicodeDecodeError:
        return msgspec.structs.replace(request, expect_bytes=body)


def _with_known_message(request: RequestT, answers: Sequence[Response]) -> RequestT:
    """A message in return that was the same in all answers is the only right one."""
    sent, wanted = request.messages
    came = {each.messages for each in answers if isinstance(each, Messages)}
    if len(came) == 1:
        ((message,),) = came
        wanted = (
            Message(expect_bytes=message.payload)
            if message.is_binary
            else Message(expect=message.payload.decode())
        )
    return msgspec.structs.replace(request, messages=(sent, wanted), expect_status=SWITCHED)


def _told(response: Response) -> str:
    """What an answer says for itself: where it sends one, and how its body begins."""
    location = response.header("location")
    where = [] if location is None else [f"location: {location}"]
    body = f"body: {excerpt(response.body, _TOLD_BODY)}" if response.body else "no body"
    return ", ".join([*where, body])


def _hint(request: Request, response: Response, *, is_of_file: bool) -> str:
    """What is most likely behind a status that is not 2xx, where something is."""
    header = 'headers = {{ {} = "{}" }}' if is_of_file else "--header '{}: {}'"
    location = response.header("location") or ""
    path = urlsplit(request.path).path
    if urlsplit(location).path == f"{path}/":
        say = f'path = "{path}/"' if is_of_file else f"--path {path}/"
        return f"perhaps you mean {say}; "
    if location.startswith("https:"):
        forwarded = header.format("X-Forwarded-Proto", "https")
        return f"if the app requires HTTPS, try {forwarded}; "
    has_host = any(name.lower() == "host" for name in request.headers)
    speaks_of_host = b"host" in response.body.lower()
    if response.status in (400, 421) and not has_host and (speaks_of_host or not request.content):
        host = header.format("Host", "NAME")
        return (
            f"perhaps the app rejects the host {HOST}: allow it (Django's ALLOWED_HOSTS, "
            f"Starlette's allowed_hosts), or send an allowed one with {host}; "
        )
    return ""


def parts_compared(request: Request) -> tuple[Part, ...]:
    """Return what decides whether a response to a request is correct."""
    if request.messages:
        return ("messages",)
    if request.expected_content is not None:
        return ("status", "framing", "body")
    if request.expect_pattern is not None:
        return ("status", "framing", "pattern")
    return ("status", "framing")
