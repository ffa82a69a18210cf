"""Files of several weighted requests to an app of the user's own (`--requests`)."""

import math
from pathlib import Path
from typing import Any

import msgspec

from asgi_bench.definitions.own_app import (
    as_text,
    parse_headers,
    parse_method,
    parse_path,
    read_file,
)
from asgi_bench.definitions.scenarios import check_pattern, check_status
from asgi_bench.definitions.strict import check_keys, convert, read_toml
from asgi_bench.errors import UsageError
from asgi_bench.model import WeightedRequest

# Of more, a slice of some hundred requests would hold a handful of each.
MOST_REQUESTS = 64


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
    """Return the requests of a file, in its order; the tables' names are theirs.

    Raises:
        UsageError: the file, a key or a value is not understood.
    """
    tables = read_toml(path)
    if not tables:
        raise UsageError(f"{path}: holds no request; one is a table like [list]")
    if len(tables) > MOST_REQUESTS:
        raise UsageError(f"{path}: holds {len(tables)} requests, at most {MOST_REQUESTS}")
    return tuple(_request(name, table, path) for name, table in tables.items())


def _request(name: str, table: Any, path: Path) -> WeightedRequest:
    where = f"{path}: [{name}]"
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name}: expected a table like [list], with `path` and `weight`")
    check_keys(table, _Table.__struct_fields__, where)
    told = convert(table, _Table, where)
    if not (math.isfinite(told.weight) and told.weight > 0):
        raise UsageError(f"{where}: weight: {told.weight:g} must be a number above 0")
    if told.expect_status is not None:
        check_status(told.expect_status, where)
    if told.expect_body is not None and told.expect_pattern is not None:
        raise UsageError(f"{where}: give either expect_body or expect_pattern, not both")
    if told.expect_pattern is not None:
        check_pattern(told.expect_pattern, f"{where}: expect_pattern")
    content = _content(told, path, where)
    text = as_text(content)
    return WeightedRequest(
        name=name,
        method=parse_method(told.method, f"{where}: method"),
        path=parse_path(told.path, f"{where}: path"),
        headers=parse_headers(
            [f"{key}: {value}" for key, value in told.headers.items()], f"{where}: headers"
        ),
        body=text or "",
        body_bytes=content if text is None else None,
        expect_status=told.expect_status or 0,
        expect_body=told.expect_body,
        expect_pattern=told.expect_pattern,
        weight=told.weight,
    )


def _content(told: _Table, path: Path, where: str) -> bytes:
    """The body; a file's path is relative to that of the requests."""
    if told.body_file is None:
        return told.body.encode()
    if told.body:
        raise UsageError(f"{where}: give either body or body_file, not both")
    return read_file(path.parent / told.body_file, f"{where}: body_file")
