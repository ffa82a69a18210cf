"""A request as a user states it: by flags, or in a file of several."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from asgi_bench.definitions.conversations import checked_conversations, holding, parse_messages
from asgi_bench.definitions.scenarios import check_status
from asgi_bench.definitions.strict import (
    LONGEST_NAME,
    check_keys,
    check_name,
    checked_pattern,
    convert,
    read_toml,
)
from asgi_bench.errors import UsageError
from asgi_bench.model import WeightedRequest
from asgi_bench.plain_text import shortened
from asgi_bench.regular_files import read_regular

# Of more, a slice of some hundred requests would hold a handful of each.
MOST_REQUESTS = 64

# RFC 9110, 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_REQUEST_TARGET = re.compile(r"/[!-~]*", re.ASCII)
_HEADER_VALUE = re.compile(r"[^\r\n\0]*")
# What frames a message or manages its connection can't be asked for by a header, and why not.
_ELSEWHERE = "your own --locustfile can"
_RESERVED_HEADERS = {
    "connection": "asgi-bench doesn't ask servers to close connections or to upgrade; "
    f"{_ELSEWHERE}",
    "content-length": "asgi-bench sends it with every body: leave it out",
    "expect": f"asgi-bench sends bodies immediately and doesn't wait for a 100; {_ELSEWHERE}",
    "transfer-encoding": "--chunked sends the body in chunks: leave it out",
    "upgrade": f"asgi-bench doesn't ask servers to upgrade; {_ELSEWHERE}",
}


def parse_path(text: str, where: str = "--path") -> str:
    """Return the path and query of a request; raises UsageError if invalid."""
    if not _REQUEST_TARGET.fullmatch(text):
        raise UsageError(
            f"{where}: {text!r} must begin with a slash, without spaces or other characters "
            "that need percent-encoding"
        )
    return text


def parse_method(text: str, where: str = "--method") -> str:
    """Return a method in upper case; raises UsageError if invalid."""
    method = text.upper()
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise UsageError(f"{where}: {text!r} must be an HTTP method, such as POST")
    return method


def parse_headers(texts: Sequence[str], where: str = "--header") -> dict[str, str]:
    """Return headers by name; a repeated one is joined to the first (RFC 9110, 5.3).

    Raises:
        UsageError: no name and value, or a header that can't be set.
    """
    headers: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        is_header = colon and _TOKEN.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        if not is_header or not _fits_latin_1(value):
            raise UsageError(f"{where}: {text!r} must be NAME:VALUE, such as 'Accept: text/html'")
        if name.lower() in _RESERVED_HEADERS:
            raise UsageError(f"{where}: {name}: {_RESERVED_HEADERS[name.lower()]}")
        known = next((one for one in headers if one.lower() == name.lower()), None)
        if known is None:
            headers[name] = value
        else:
            separator = "; " if name.lower() == "cookie" else ", "
            headers[known] += separator + value
    return headers


def read_body(text: str, where: str = "--body") -> bytes:
    """Return a request's body: the text itself, or the content of the file in `@FILE`.

    Raises:
        UsageError: the file can't be read.
    """
    if not text.startswith("@"):
        return text.encode()
    return read_file(Path(text[1:]), where)


def read_file(path: Path, where: str) -> bytes:
    """Return a file's content; raises UsageError if it can't be read."""
    try:
        return read_regular(path)
    except OSError as fault:
        raise UsageError(f"{where}: {path}: can't read it: {fault.strerror}") from None


def as_text(body: bytes) -> str | None:
    """Return a body as text, or None if it isn't text."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _fits_latin_1(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


class _Table(msgspec.Struct, frozen=True):
    """A request as its table has it; without `expect_status` probes tell it."""

    weight: float = 1.0
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = {}
    body: str = ""
    body_file: str | None = None
    expect_status: int | None = None
    expect_body: str | None = None
    expect_pattern: str | None = None


def load_requests(path: Path) -> tuple[WeightedRequest, ...]:
    """Return the requests of a file, in its order; their names are those of the tables.

    Raises:
        UsageError: the file, a key or a value is invalid.
    """
    tables = read_toml(path)
    if not tables:
        raise UsageError(f"{path}: contains no request; a request is a table such as [list]")
    if len(tables) > MOST_REQUESTS:
        raise UsageError(
            f"{path}: contains {len(tables)} requests; at most {MOST_REQUESTS} are allowed"
        )
    requests = tuple(_request(name, table, path) for name, table in tables.items())
    talking = next((one.name for one in requests if one.messages), None)
    if talking is not None and len(requests) > 1:
        raise UsageError(
            f"{path}: [{talking}]: a WebSocket conversation must be the only table in the file"
        )
    return requests


def _request(name: str, table: Any, path: Path) -> WeightedRequest:
    where = f"{path}: [{shortened(repr(name), LONGEST_NAME)}]"
    check_name(name, where)
    where = f"{path}: [{name}]"
    if not isinstance(table, dict):
        raise UsageError(
            f"{path}: {name}: expected a table such as [list], with `path` and `weight`"
        )
    if "websocket" in table:
        return _conversation(name, table, where)
    check_keys(table, _Table.__struct_fields__, where)
    told = convert(table, _Table, where)
    if not (math.isfinite(told.weight) and told.weight > 0):
        raise UsageError(f"{where}: weight: {told.weight:g} must be a number above 0")
    if told.expect_status is not None:
        check_status(told.expect_status, where)
    if told.expect_body is not None and told.expect_pattern is not None:
        raise UsageError(f"{where}: give either expect_body or expect_pattern, not both")
    if told.expect_pattern is not None:
        checked_pattern(told.expect_pattern, f"{where}: expect_pattern")
    content = _content(told, path, where)
    text = as_text(content)
    return WeightedRequest(
        name=name,
        method=parse_method(told.method, f"{where}: method"),
        path=parse_path(told.path, f"{where}: path"),
        headers=_headers(told.headers, where),
        body=text or "",
        body_bytes=content if text is None else None,
        expect_status=told.expect_status or 0,
        expect_body=told.expect_body,
        expect_pattern=told.expect_pattern,
        weight=told.weight,
    )


class _ConversationTable(msgspec.Struct, frozen=True):
    """A conversation over WebSocket as its table has it."""

    websocket: str
    headers: dict[str, str] = {}
    conversations: int | None = None


def _conversation(name: str, table: dict[str, Any], where: str) -> WeightedRequest:
    check_keys(table, (*_ConversationTable.__struct_fields__, "messages"), where)
    messages = parse_messages(table.get("messages", []), f"{where}: messages")
    told = convert(table, _ConversationTable, where)
    request = WeightedRequest(
        name=name,
        path=parse_path(told.websocket, f"{where}: websocket"),
        headers=_headers(told.headers, where),
        conversations=checked_conversations(told.conversations, where),
    )
    return holding(request, messages)


def _headers(told: Mapping[str, str], where: str) -> dict[str, str]:
    return parse_headers([f"{key}: {value}" for key, value in told.items()], f"{where}: headers")


def _content(told: _Table, path: Path, where: str) -> bytes:
    """The body; a file's path is relative to that of the requests."""
    if told.body_file is None:
        return told.body.encode()
    if told.body:
        raise UsageError(f"{where}: give either body or body_file, not both")
    return read_file(path.parent / told.body_file, f"{where}: body_file")
