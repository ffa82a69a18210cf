"""Issues that are known upstream: a check that a distribution fails, and where it is reported."""

import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("known_issues.toml")


class KnownIssue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `known_issues.toml`."""

    distribution: str
    check: str
    link: str


@cache
def known_issues() -> tuple[KnownIssue, ...]:
    """All known issues."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return msgspec.convert(table.get("issue", []), tuple[KnownIssue, ...])


def known_issue(check: str, packages: Collection[str]) -> str | None:
    """Where it is reported that one of these packages fails a check."""
    return next(
        (one.link for one in known_issues() if one.check == check and one.distribution in packages),
        None,
    )
