"""Reproductions that are ready to be filed: pages that state an app, a command and a request."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from asgi_bench.conformance.catalogue import ENTRIES
from asgi_bench.model.matrix import CheckEntry
from servers.places import sentence
from servers.records import ROOT

FOLDER = ROOT / "docs" / "upstream"
INDEX = ROOT / "docs" / "upstream.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INTRODUCTION = """\
# Reproductions of what servers do wrong

Each page shows one `no` of the [conformance table](conformance.md) without asgi-bench: an app of a
few lines, the command that serves it, a request by raw socket or curl, and what came back. It is
ready to be filed with the server's project: look up first whether somebody has reported it.
`scripts/upstream` runs the reproductions and writes what came back.
"""
_CHECKS = {entry.id: entry for entry in ENTRIES}


class Reproduction(msgspec.Struct, frozen=True):
    """A page, read."""

    path: Path
    title: str
    server: str
    """The distribution whose fault it is, or the runner file's name."""
    found: str
    """What was run, and when; empty where it never was."""
    check: str
    app: str
    command: str
    language: str
    """Of the request: python or sh."""
    request: str

    @property
    def entry(self) -> CheckEntry:
        """The check that fails."""
        return _CHECKS[self.check]


def read_reproduction(path: Path) -> Reproduction:
    """Read a page; raises SystemExit, naming what it lacks."""
    text = path.read_text(encoding="utf-8")
    title = re.match(r"# (.+)\n", text)
    server = re.search(r"^- Server: (\S+)(.*)$", text, re.MULTILINE)
    check = re.search(r"^- Check: `([\w.-]+)`", text, re.MULTILINE)
    blocks = _BLOCK.findall(text)
    kinds = [kind for kind, _ in blocks]
    if not (title and server and check) or len(kinds) != 4 or kinds[3] != "text":
        raise SystemExit(
            f"{path}: expected a title, `- Server:`, `- Check:`, and four blocks: the app, its "
            "command, the request, what came"
        )
    if check[1] not in _CHECKS:
        raise SystemExit(f"{path}: no check is named {check[1]!r}")
    (_, app), (_, command), (language, request), _ = blocks
    return Reproduction(
        path, title[1], server[1], server[2].strip(), check[1], app, command, language, request
    )


def all_reproductions() -> list[Reproduction]:
    """Every page, by name."""
    return [read_reproduction(path) for path in sorted(FOLDER.glob("*.md"))]


def with_outcome(one: Reproduction, found: str, came: str) -> str:
    """A page with what was run, and what came."""
    text = one.path.read_text(encoding="utf-8")
    entry = one.entry
    heads = (
        f"- Server: {one.server} {found}",
        f"- Check: `{entry.id}` ({entry.level}): {sentence(entry)}",
    )
    for head in heads:
        begin = re.escape(head.partition(":")[0])
        text = re.sub(rf"^{begin}: .*$", lambda _, new=head: new, text, flags=re.MULTILINE)  # type: ignore[misc]
    before, _, rest = text.partition("```text\n")
    after = rest.partition("```\n")[2]
    return f"{before}```text\n{came.strip()}\n```\n{after}"


def index_page() -> str:
    """The page that leads to all of them."""
    return "\n".join([_INTRODUCTION, *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    yield "| what is wrong | server | check | level |"
    yield "| --- | --- | --- | --- |"
    for one in all_reproductions():
        found = one.found.partition(",")[0]
        yield (
            f"| [{one.title}](upstream/{one.path.name}) | {one.server} {found} "
            f"| `{one.check}` | {one.entry.level} |"
        )
