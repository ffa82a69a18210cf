"""What others have published of a server, beside what was found here."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from asgi_bench.conformance.catalogue import ENTRIES
from asgi_bench.reporting.render.markdown import escape
from servers.records import Record

FILE = Path(__file__).with_name("published.toml")
NOTED = {entry.id for entry in ENTRIES if entry.level != "differs"}


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `published.toml`."""

    server: str
    variant: str
    """As it was run there; as far as that can be told."""
    source: str
    link: str
    claim: str
    """What is published, in short."""
    theirs: Literal["yes", "no"]
    checks: tuple[str, ...]
    """The checks here that are about the same; `scope.*` are all of a chapter."""
    because: str = ""
    """Why the results differ; needed where they do."""


def claims() -> tuple[Claim, ...]:
    """All that is known to be published."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return msgspec.convert(table.get("claim", []), tuple[Claim, ...])


def published_section(records: Iterable[Record]) -> str:
    """A table: each claim, what was found here, and why that differs."""
    rows = [f"| {' | '.join(_row(claim, record))} |" for claim, record in _with_records(records)]
    heads = ("server", "published", "theirs", "ours", "")
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *rows])


def unexplained(records: Iterable[Record]) -> list[Claim]:
    """The claims that differ from what was found, without a word why."""
    return [
        claim
        for claim, record in _with_records(records)
        if not claim.because and _ours(claim, record) != claim.theirs
    ]


def _with_records(records: Iterable[Record]) -> Iterator[tuple[Claim, Record]]:
    """Each claim with the first record of its server."""
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        found.setdefault((record.server, record.variant), record)
    for claim in claims():
        if (claim.server, claim.variant) in found:
            yield claim, found[claim.server, claim.variant]


def _ours(claim: Claim, record: Record) -> str:
    return "no" if _failed(claim, record) else "yes"


def _failed(claim: Claim, record: Record) -> tuple[str, ...]:
    """The checks of a claim that the server fails here; what servers are free to do counts not."""
    return tuple(
        one.check
        for one in record.remarks
        if one.result == "no"
        and one.check in NOTED
        and any(fnmatchcase(one.check, pattern) for pattern in claim.checks)
    )


def _row(claim: Claim, record: Record) -> Sequence[str]:
    ours = _ours(claim, record)
    named = ", ".join(f"`{check}`" for check in (_failed(claim, record) or claim.checks))
    says = "agrees" if ours == claim.theirs else claim.because
    published = f"{escape(claim.claim)} ([{escape(claim.source)}]({claim.link}))"
    return record.setting, published, claim.theirs, f"{ours}: {named}", says
