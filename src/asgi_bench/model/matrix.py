"""What a conformance suite found: for each server and check, a result and the evidence."""

from typing import Literal, TypeAlias

import msgspec

SCHEMA: Literal["asgi-bench/matrix"] = "asgi-bench/matrix"
VERSION = 1

Level: TypeAlias = Literal["must", "should", "differs"]
Result: TypeAlias = Literal["yes", "no", "not offered", "can't tell"]
Subject: TypeAlias = Literal[
    "scope",
    "http",
    "bodies",
    "streaming",
    "connections",
    "lifespan",
    "drain",
    "websocket",
    "http2",
]


class CheckEntry(msgspec.Struct, frozen=True):
    """What a check tests."""

    id: str
    """Its name, the subject first: `http.head-has-no-body`."""
    subject: Subject
    """What it is about."""
    level: Level
    """`must` and `should` as in the text; `differs` if servers are free to choose, and users want
    to know."""
    says: str
    """The sentence that it tests; for `differs`, what `yes` means."""
    link: str
    """Where to find that sentence."""


class MatrixResult(msgspec.Struct, frozen=True):
    """The result of one check of one server."""

    server: str
    """The name of its runner file."""
    server_version: str | None
    """The version that was checked."""
    variant: str
    """The variant of the server."""
    python: str
    """The interpreter of the servers: `CPython 3.11.7`."""
    check: str
    """The check's name."""
    level: Level
    """The check's level."""
    result: Result
    """`yes`, `no`, `not offered` if the server leaves it out as it may, or `can't tell`."""
    evidence: str | None = None
    """What was seen, unless the result is `yes`."""
    known_issue: str | None = None
    """Where it is known upstream."""

    @property
    def setting(self) -> str:
        """The server with its variant."""
        return f"{self.server}/{self.variant}"


class Unchecked(msgspec.Struct, frozen=True):
    """A server that was not checked."""

    server: str
    """The name of its runner file."""
    variant: str
    """The variant of the server."""
    reason: str
    """Why: what isn't installed, or how its start failed."""
    is_failed: bool = False
    """Whether it was started, and failed."""


class Matrix(msgspec.Struct, frozen=True):
    """What `check --matrix --format json` prints."""

    schema: Literal["asgi-bench/matrix"] = SCHEMA
    """The name of the format."""
    version: int = VERSION
    """The version of the format."""
    tool_version: str = ""
    """The version of asgi-bench that checked."""
    checked_at: str = ""
    """When, in UTC."""
    results: tuple[MatrixResult, ...] = ()
    """The results: server by server, in the order of the checks."""
    checks: tuple[CheckEntry, ...] = ()
    """The checks that were put to them."""
    unchecked: tuple[Unchecked, ...] = ()
    """Servers that were not checked."""
