"""What a check found, and the words for it."""

import msgspec

from asgi_bench.model.matrix import Result


class Finding(msgspec.Struct, frozen=True):
    """What a check found, with the evidence unless it is a `yes`."""

    result: Result
    evidence: str | None = None


class Unanswered(Exception):
    """The server didn't send what it must: the text is the evidence, the result is `no`."""


YES = Finding("yes")
NO_HTTP_1_0 = Finding("not offered", "it refuses HTTP/1.0")


def no(seen: str) -> Finding:
    """The server does something else; with the evidence."""
    return Finding("no", seen)


def not_offered(why: str) -> Finding:
    """The server leaves out what it may leave out."""
    return Finding("not offered", why)


def cant_tell(why: str) -> Finding:
    """Something else was in the way."""
    return Finding("can't tell", why)


def held(is_held: bool, seen: str) -> Finding:
    """Whether the server does what the sentence says; `seen` is the evidence if it doesn't."""
    return YES if is_held else no(seen)


def quoted(seen: bytes, most: int = 160) -> str:
    """Bytes as evidence: as Python writes them, cut at a maximum length."""
    return repr(seen) if len(seen) <= most else f"{seen[:most]!r}… ({len(seen)} bytes)"
