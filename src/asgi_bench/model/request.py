"""What is requested, and the answer that counts as correct."""

import re
from typing import Literal, TypeAlias

import msgspec

# What an answer is checked for: `body` is all its bytes, `pattern` a match in it.
Part: TypeAlias = Literal["status", "framing", "body", "pattern"]


# What a final answer may have: with what HTTP defines (up to 599), what apps send beyond it.
LOWEST_STATUS, HIGHEST_STATUS = 200, 999


class Request(msgspec.Struct, frozen=True):
    """A request with its expected answer.

    `expect_status` 0 is not known yet: probes before the load tell it, and whether the body can
    be compared. `expect_pattern` is a regular expression that the body, read as UTF-8, has to
    hold a match of. What isn't text stands in `body_bytes` and `expect_bytes`. `compared` says
    which parts of an answer decide whether it is correct.
    """

    name: str
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = {}
    body: str = ""
    expect_status: int = 200
    expect_body: str | None = None
    expect_pattern: str | None = None
    body_bytes: bytes | None = None
    expect_bytes: bytes | None = None
    compared: tuple[Part, ...] = ()

    @property
    def content(self) -> bytes:
        """The request's body as it is sent."""
        return self.body.encode() if self.body_bytes is None else self.body_bytes

    @property
    def expected_content(self) -> bytes | None:
        """The only body that is correct, or None where no bytes are compared."""
        if self.method == "HEAD" and self.expect_body is not None:
            return b""
        if self.expect_bytes is not None:
            return self.expect_bytes
        return None if self.expect_body is None else self.expect_body.encode()

    def accepts(self, body: bytes) -> bool:
        """Whether a body is correct."""
        expected = self.expected_content
        if expected is not None:
            return body == expected
        return self.expect_pattern is None or holds_match(self.expect_pattern, body)


class WeightedRequest(Request, frozen=True):
    """One of several requests: of all that are sent its share is its weight over all weights."""

    weight: float = 1.0


class Scenario(Request, frozen=True, kw_only=True):
    """What a cell is loaded with: an app and a request to it, or several.

    With `requests` the load is drawn from these by their weights, and the scenario's own request
    is the first of them: what a server has to answer to be ready.
    """

    app: str
    needs: tuple[str, ...] = ("asgi3",)
    description: str = ""
    requests: tuple[WeightedRequest, ...] = ()


def holds_match(pattern: str, body: bytes) -> bool:
    """Whether a body, read as UTF-8, holds a match of a regular expression."""
    return re.search(pattern, body.decode(errors="replace")) is not None
