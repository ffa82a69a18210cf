"""A conformance matrix as a document: counts, failures with their evidence, and the table."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from asgi_bench.analysis.matrix import MatrixVerdict
from asgi_bench.model.matrix import CheckEntry, Level, Matrix, MatrixResult, Result, Subject
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.document import (
    Aside,
    Document,
    Head,
    Headline,
    Item,
    Items,
    Mark,
    Notes,
    Row,
    Section,
    Span,
    Table,
    Tone,
    Words,
)
from asgi_bench.reporting.wording import plain, shortened

TITLES: Mapping[Subject, str] = {
    "scope": "What the app receives",
    "http": "Requests and responses",
    "bodies": "Request bodies",
    "streaming": "Streamed responses",
    "connections": "Connections",
    "lifespan": "Lifespan",
    "drain": "Shutdown under load",
    "websocket": "WebSocket",
    "http2": "HTTP/2",
}
LEVELS: tuple[Level, ...] = ("must", "should", "differs")
# What a `no` means depends on the level: of what servers are free to do it is no fault.
_TONES: Mapping[Level, Tone] = {"must": "bad", "should": "warn", "differs": "info"}
MOST_EVIDENCE = 300


def matrix_document(matrix: Matrix, verdict: MatrixVerdict) -> Document:
    """What was found, the worst first."""
    entries = {entry.id: entry for entry in matrix.checks}
    servers = list(dict.fromkeys(result.setting for result in matrix.results))
    noes = [result for result in matrix.results if result.result == "no"]
    doubts = [result for result in matrix.results if result.result == "can't tell"]
    sections = (
        Section("summary", "Conformance", (_summary(matrix), *_unchecked(matrix))),
        *(
            Section(
                f"no-{level}",
                title,
                (
                    Items(
                        tuple(
                            _item(one, entries, servers, verdict)
                            for one in noes
                            if one.level == level
                        )
                    ),
                ),
            )
            for level, title in (
                ("must", "Fails a MUST"),
                ("should", "Fails a SHOULD"),
                ("differs", "Differs, as allowed"),
            )
        ),
        Section(
            "doubts",
            "Can't tell",
            (Items(tuple(_item(one, entries, servers, verdict) for one in doubts)),),
        ),
        *_tables(matrix, servers),
        Section("notes", "How to read this", (Notes(tuple(_notes())),)),
    )
    return Document(
        title="",
        facts=tuple(_facts(matrix)),
        sections=sections,
        kind="conformance",
        headline=Headline(headline(verdict, matrix)),
    )


def headline(verdict: MatrixVerdict, matrix: Matrix) -> str:
    """The matrix in a sentence."""
    failed = len(verdict.failures)
    servers = len({result.setting for result in matrix.results})
    what = f"{len(matrix.checks)} checks of {servers} server{'s' if servers != 1 else ''}"
    told = "no failure that counts" if not failed else f"{failed} failures that count"
    accepted = f", {len(verdict.accepted)} accepted" if verdict.accepted else ""
    return f"{what}: {told}{accepted}"


def _facts(matrix: Matrix) -> Iterator[Words]:
    pythons = sorted({result.python for result in matrix.results})
    yield plain(f"asgi-bench {matrix.tool_version}, {matrix.checked_at}, {', '.join(pythons)}")


class _Count:
    """The results of one server, counted."""

    def __init__(self, setting: str, results: Iterable[MatrixResult]) -> None:
        kept = list(results)
        self.setting = setting
        self.version = kept[0].server_version or ""
        self.by: Counter[tuple[Level, Result]] = Counter((one.level, one.result) for one in kept)

    def of(self, result: Result, *levels: Level) -> str:
        """How many."""
        return str(sum(self.by[level, result] for level in levels or LEVELS))


def _summary(matrix: Matrix) -> Table:
    by_setting: dict[str, list[MatrixResult]] = {}
    for result in matrix.results:
        by_setting.setdefault(result.setting, []).append(result)
    columns = (
        Column("server", "", lambda one: plain(one.setting), "left"),
        Column("version", "", lambda one: plain(one.version), "left"),
        Column("yes", "", lambda one: one.of("yes")),
        Column("no", "must", lambda one: one.of("no", "must")),
        Column("no", "should", lambda one: one.of("no", "should")),
        Column("differs", "", lambda one: one.of("no", "differs")),
        Column("not", "offered", lambda one: one.of("not offered")),
        Column("can't", "tell", lambda one: one.of("can't tell")),
    )
    return table_of(columns, [_Count(name, each) for name, each in by_setting.items()])


def _unchecked(matrix: Matrix) -> tuple[Items, ...]:
    items = tuple(
        Item(
            plain(f"{one.server}/{one.variant}: {one.reason}"),
            Mark("failed", "bad") if one.is_failed else Mark("skipped", "faint"),
        )
        for one in matrix.unchecked
    )
    return (Items(items),) if items else ()


def _item(
    result: MatrixResult,
    entries: Mapping[str, CheckEntry],
    servers: list[str],
    verdict: MatrixVerdict,
) -> Item:
    """A result with the sentence it is held to, and what was seen."""
    name = plain(result.check if len(servers) == 1 else f"{result.setting} {result.check}")
    entry = entries.get(result.check)
    details: list[Words] = []
    if entry is not None:
        details.append((Span(plain(entry.says), "faint"),))
        details.append((Span(plain(entry.link), "faint"),))
    if result.known_issue is not None:
        details.append(plain(f"known: {result.known_issue}"))
    accepted = " (accepted)" if result in verdict.accepted else ""
    seen = shortened(plain(result.evidence or ""), MOST_EVIDENCE)
    return Item((Span(name, "strong"), f"{accepted}: {seen}"), details=tuple(details))


def _tables(matrix: Matrix, servers: list[str]) -> Iterator[Section]:
    """A table a subject: checks down, servers across. A terminal has no room for it."""
    found = {(result.check, result.setting): result for result in matrix.results}
    for subject, title in TITLES.items():
        entries = [entry for entry in matrix.checks if entry.subject == subject]
        heads = (Head("check", align="left"), Head("level", align="left"))
        rows = tuple(
            Row(
                (
                    plain(entry.id.partition(".")[2]),
                    entry.level,
                    *(_mark(found.get((entry.id, server))) for server in servers),
                )
            )
            for entry in entries
        )
        columns = (*heads, *(Head(plain(server), align="left") for server in servers))
        yield Section(subject, title, (Aside((Table(columns, rows),), least="markdown"),))


def _mark(result: MatrixResult | None) -> Mark | None:
    if result is None:
        return None
    if result.result == "no":
        return Mark("no", _TONES[result.level])
    tones: Mapping[Result, Tone] = {"yes": "good", "not offered": "faint", "can't tell": "warn"}
    words: Mapping[Result, str] = {"not offered": "-", "can't tell": "?"}
    return Mark(words.get(result.result, result.result), tones[result.result])


def _notes() -> Iterator[str]:
    yield (
        "must, should: required or recommended by the ASGI specification or an RFC, in the "
        "sentence quoted. differs: left to the server. -: not offered, which is allowed. ?: "
        "can't tell."
    )
    yield "A check that fails is repeated; a result that differs between two attempts is no result."
