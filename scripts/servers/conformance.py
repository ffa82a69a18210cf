"""The pages on conformance, made of the records: one of all servers, and one of each."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from asgi_bench.conformance.candidates import packages_of
from asgi_bench.conformance.catalogue import ENTRIES
from asgi_bench.conformance.known_issues import known_issue
from asgi_bench.definitions.folders import runner_folders
from asgi_bench.definitions.servers import Server, load_servers
from asgi_bench.model.matrix import CheckEntry, Level, Result, Subject
from asgi_bench.reporting.matrix.document import TITLES
from asgi_bench.reporting.render.markdown import escape
from asgi_bench.store.files import write_whole
from servers.places import sentence
from servers.published import published_section
from servers.records import ROOT, Record, Remark, read_all
from servers.upstream import INDEX, index_page

RECORDED = ROOT / "results" / "recorded" / "conformance"
PAGE = ROOT / "docs" / "conformance.md"
PAGES = ROOT / "docs" / "conformance"
BEGIN, END = "<!-- conformance: written by scripts/conformance -->", "<!-- end of conformance -->"
NOTED: tuple[Level, ...] = ("must", "should")
LEVELS: Mapping[Level, str] = {
    "must": "No, where a server must",
    "should": "No, where a server should",
    "differs": "No, where servers are free",
}
MOST_EVIDENCE = 300
# A dash in tables.
NOTHING = "\u2013"
CANT_TELL: Result = "can't tell"
_KINDS: tuple[Result, ...] = ("no", "not offered", CANT_TELL)
_CHECKS = {entry.id: entry for entry in ENTRIES}


def all_pages(folder: Path) -> dict[Path, str]:
    """Every page that is made of the records in a folder."""
    records = read_all(folder)
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE}: the marks {BEGIN} and {END} are not both there")
    pages = {
        INDEX: index_page(),
        PAGE: f"{before}{BEGIN}\n\n{summary_page(records)}\n\n{END}{after}",
    }
    known = load_servers(runner_folders())
    for server in dict.fromkeys(one.server for one in records if not one.fault):
        own = [one for one in records if one.server == server and not one.fault]
        pages[PAGES / f"{server}.md"] = server_page(own, known.get(server))
    return pages


def write_pages(folder: Path) -> None:
    """Write every page."""
    PAGES.mkdir(exist_ok=True)
    for path, text in all_pages(folder).items():
        write_whole(path, text.encode())


def summary_page(records: Sequence[Record]) -> str:
    """The page of all servers."""
    checked = [one for one in records if not one.fault]
    labels = sorted({one.label for one in checked}, key=_order)
    main = [one for one in checked if one.label == labels[0]]
    days = sorted(one.checked_at[:10] for one in checked)
    parts = [
        f"{len(ENTRIES)} checks of {len({one.server for one in checked})} servers, on CPython "
        f"{' and '.join(labels)}, one worker each, "
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}.",
        "## The servers",
        f"On CPython {labels[0]}. Each chapter: checks passed / failed / not offered, of those at "
        "the levels `must` and `should`; `?` is a check whose answer was not the same twice. The "
        "name leads to what was seen.",
        _table(
            ("server", "version", "no, must", "no, should", *map(_short, TITLES)),
            (_summary_row(one) for one in main),
            numbers=2,
        ),
        *_not_run(records),
        "## Where servers fail",
        "The checks at `must` and `should` that some server fails, with the sentence that each "
        "holds a server to. Servers that aren't named pass it, or do not offer what it is about.",
        *_failed_chapters(main),
        "## Where servers are free",
        "`yes` and `no` are both right here, but users want to know.",
        _table(("check", "yes means", "yes", "no"), _free_rows(main)),
        *_other_pythons(checked, labels),
        "## What all servers do",
        _passed_by_all(main),
        "## What others have published",
        "`theirs` and `ours` say whether a server passes. Http11Probe's uvicorn ran h11, as its "
        "answers show, and its gunicorn the `sync` worker.",
        published_section(checked),
    ]
    return "\n\n".join(parts)


def _order(label: str) -> tuple[int, ...]:
    return tuple(map(int, label.split(".")))


def _short(subject: Subject) -> str:
    return {"http": "HTTP", "http2": "HTTP/2", "websocket": "WebSocket"}.get(subject, subject)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table whose cells are Markdown already; `numbers` columns behind the second are right."""
    lines = ["---"] * len(heads)
    lines[2 : 2 + numbers] = ["---:"] * numbers
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, lines, *rows))


def _summary_row(record: Record) -> list[str]:
    counts = Counter(
        _CHECKS[one.check].level
        for one in record.remarks
        if one.result == "no" and one.check in _CHECKS
    )
    name = f"[{record.setting}](conformance/{record.server}.md)"
    return [
        *(name, escape(record.version or ""), str(counts["must"]), str(counts["should"])),
        *(_chapter(record, subject) for subject in TITLES),
    ]


def _chapter(record: Record, subject: Subject) -> str:
    """How many checks of a chapter went how."""
    ids = {entry.id for entry in ENTRIES if entry.subject == subject and entry.level in NOTED}
    by = Counter(one.result for one in record.remarks if one.check in ids)
    passed = sum(check in ids for check in record.yes)
    if not passed and not by["no"]:
        return NOTHING
    doubts = f" / {by[CANT_TELL]}?" if by[CANT_TELL] else ""
    return f"{passed} / {by['no']} / {by['not offered']}{doubts}"


def _not_run(records: Iterable[Record]) -> Iterator[str]:
    """The servers that can't be checked here, each with the reason."""
    known = {(one.server, one.label) for one in records if not one.fault}
    lines = [
        f"- {one.setting} on {one.label}: not run: {escape(_needs(one.fault))}"
        for one in records
        if one.fault and (one.server, one.label) not in known
    ]
    if lines:
        yield "\n".join(lines)


def _needs(fault: str) -> str:
    """A reason in short: `needs Python >=3.14`; files without their folders."""
    return re.sub(r"(?<!\S)~?/(?:[^/\s:]+/)+", "", fault.removeprefix("can't be installed: "))


def _names(records: Iterable[Record], is_it: Callable[[Record], bool]) -> str:
    return ", ".join(one.setting for one in records if is_it(one))


def _found(record: Record, check: str, result: Result) -> bool:
    return any(one.check == check and one.result == result for one in record.remarks)


def _failed_chapters(records: Sequence[Record]) -> Iterator[str]:
    for subject, title in TITLES.items():
        rows = list(_failed_rows(records, subject))
        if rows:
            yield f"### {title}"
            yield _table(("check", "level", "what it says", "no"), rows)


def _failed_rows(records: Sequence[Record], subject: Subject) -> Iterator[list[str]]:
    for entry in ENTRIES:
        if entry.subject != subject or entry.level not in NOTED:
            continue
        failing = _names(records, lambda one, check=entry.id: _found(one, check, "no"))  # type: ignore[misc]
        if failing:
            yield [f"`{entry.id}`", entry.level, sentence(entry), failing]


def _free_rows(records: Sequence[Record]) -> Iterator[list[str]]:
    for entry in ENTRIES:
        if entry.level != "differs":
            continue
        yield [
            f"`{entry.id}`",
            escape(entry.says),
            _names(records, lambda one, check=entry.id: check in one.yes),  # type: ignore[misc]
            _names(records, lambda one, check=entry.id: _found(one, check, "no")),  # type: ignore[misc]
        ]


def _other_pythons(records: Sequence[Record], labels: Sequence[str]) -> Iterator[str]:
    """What another Python changes."""
    first = {(one.server, one.variant): one for one in records if one.label == labels[0]}
    for label in labels[1:]:
        others = [one for one in records if one.label == label]
        yield f"## On Python {label}"
        rows = [
            [other.setting, f"`{check}`", _CHECKS[check].level, before, now]
            for other in others
            if (base := first.get((other.server, other.variant))) is not None
            for check, before, now in _changes(base, other)
        ]
        told = _table(("server", "check", "level", labels[0], label), rows) if rows else ""
        same = "with the same results" if not rows else "with the same results but for these"
        yield (
            f"{len(others)} of them were checked on {label} too, {same}. Checks that wait for "
            "something may differ by the machine's load as well."
        )
        if told:
            yield told
        versions = [
            f"{other.setting} {base.version} and {other.version}"
            for other in others
            if (base := first.get((other.server, other.variant))) is not None
            and base.version != other.version
        ]
        if versions:
            yield f"Other versions run there: {', '.join(map(escape, versions))}."
        new = [one for one in others if (one.server, one.variant) not in first]
        if new:
            yield f"On {label} alone: "
            yield _table(
                ("server", "version", "no, must", "no, should", *map(_short, TITLES)),
                map(_summary_row, new),
                numbers=2,
            )


def _changes(base: Record, other: Record) -> Iterator[tuple[str, str, str]]:
    """The checks whose results differ between two records of a server."""
    for entry in ENTRIES:
        before, now = _result(base, entry.id), _result(other, entry.id)
        if before is not None and now is not None and before != now:
            yield entry.id, before, now


def _result(record: Record, check: str) -> Result | None:
    if check in record.yes:
        return "yes"
    return next((one.result for one in record.remarks if one.check == check), None)


def _passed_by_all(records: Sequence[Record]) -> str:
    """The checks that nobody fails."""
    lines = []
    for subject, title in TITLES.items():
        passed = [
            f"`{entry.id.partition('.')[2]}`"
            for entry in ENTRIES
            if entry.subject == subject
            and entry.level in NOTED
            and all(_result(one, entry.id) in ("yes", "not offered") for one in records)
            and any(_result(one, entry.id) == "yes" for one in records)
        ]
        if passed:
            lines.append(f"- {title}: {', '.join(passed)}.")
    return "Whoever offers it passes it:\n\n" + "\n".join(lines)


def server_page(records: Sequence[Record], server: Server | None) -> str:
    """The page of one server: what was seen where a result is no `yes`."""
    first = records[0]
    link = f" ([homepage]({server.homepage}))" if server and server.homepage else ""
    lines = [
        f"# Conformance of {first.server}",
        f"Written by `scripts/conformance`{link}. What was seen in each check that isn't a `yes`; "
        f"the table of all servers: [conformance](../conformance.md). To see it yourself: "
        f"`asgi-bench check --matrix -s {first.server}`.",
        _table(
            ("server", "version", "Python", "day", "yes", "no", "not offered", "can't tell"),
            (
                [
                    *(one.setting, escape(one.version or ""), one.label, one.checked_at[:10]),
                    *(str(len(one.yes)), *(_count(one, kind) for kind in _KINDS)),
                ]
                for one in records
            ),
        ),
    ]
    for level, title in LEVELS.items():
        lines += _remarks(title, records, server, "no", level)
    lines += _remarks("Can't tell", records, server, CANT_TELL)
    lines += _left_out(records)
    return "\n\n".join(lines) + "\n"


def _count(record: Record, kind: Result) -> str:
    return str(sum(one.result == kind for one in record.remarks))


def _remarks(
    title: str,
    records: Sequence[Record],
    server: Server | None,
    result: Result,
    level: Level | None = None,
) -> Iterator[str]:
    """The checks with a result, and what was seen by the first record that has it."""
    items = []
    for entry in ENTRIES:
        if level is not None and entry.level != level:
            continue
        having = [
            (record, remark)
            for record in records
            for remark in record.remarks
            if remark.check == entry.id and remark.result == result
        ]
        if having:
            items.append(_item(entry, having, records, server))
    if items:
        yield f"## {title}"
        yield "\n".join(items)


def _item(
    entry: CheckEntry,
    having: Sequence[tuple[Record, Remark]],
    records: Sequence[Record],
    server: Server | None,
) -> str:
    whose = ""
    if len(having) < len(records):
        whose = f" ({', '.join(f'{one.setting} on {one.label}' for one, _ in having)})"
    first, remark = having[0]
    seen = remark.seen if len(remark.seen) <= MOST_EVIDENCE else f"{remark.seen[:MOST_EVIDENCE]}…"
    lines = [f"- **`{entry.id}`**{whose}: {escape(seen)}", sentence(entry)]
    known = known_issue(entry.id, packages_of(server, first.variant)) if server else None
    if known:
        lines.append(f"Known: <{known}>")
    return "\\\n  ".join(lines)


def _left_out(records: Sequence[Record]) -> Iterator[str]:
    """What is not offered, by reason."""
    by_reason: dict[str, list[str]] = {}
    for record in records:
        for remark in record.remarks:
            if remark.result == "not offered" and remark.check in _CHECKS:
                checks = by_reason.setdefault(remark.seen, [])
                if remark.check not in checks:
                    checks.append(remark.check)
    if by_reason:
        yield "## Not offered"
        yield "\n".join(
            f"- {escape(reason)}: {', '.join(f'`{check}`' for check in checks)}"
            for reason, checks in by_reason.items()
        )
