"""What the pages on conformance say of records."""

import re
from pathlib import Path

import pytest

from asgi_bench.conformance.catalogue import ENTRIES
from asgi_bench.model.matrix import Matrix, MatrixResult
from servers.conformance import RECORDED, server_page, summary_page
from servers.published import claims, unexplained
from servers.records import Record, file_of, read_all, read_record, record_of, write_record
from servers.upstream import FOLDER, all_reproductions, index_page, with_outcome

FAILED, DOUBTED, LEFT_OUT = "http.host-missing", "http.headers", "scope.scheme-https"
FREE = next(entry.id for entry in ENTRIES if entry.level == "differs")


def matrix(server: str, python: str, **noes: str) -> Matrix:
    """A matrix of one server that passes all but what is named, by underscores for dots."""
    other = {DOUBTED: "can't tell", LEFT_OUT: "not offered"}
    seen = {name.replace("__", ".").replace("_", "-"): text for name, text in noes.items()}
    results = [
        MatrixResult(
            server=server,
            server_version="1.2.3",
            variant="default",
            python=f"CPython {python}.1",
            check=entry.id,
            level=entry.level,
            result="no" if entry.id in seen else other.get(entry.id, "yes"),  # type: ignore[arg-type]
            evidence=seen.get(entry.id),
        )
        for entry in ENTRIES
    ]
    return Matrix(checked_at="2026-11-30T08:00:00Z", results=tuple(results), checks=ENTRIES)


@pytest.fixture
def records() -> list[Record]:
    """Two servers on one Python, one of them on another too, and one that can't be checked."""
    noes = {"http__host_missing": "b'HTTP/1.1 200 OK' *"}
    return [
        record_of(matrix("good", "3.11")),
        record_of(matrix("bad", "3.11", **noes)),
        record_of(matrix("bad", "3.13")),
        Record("late", None, "default", "CPython 3.11.1", fault="can't be installed: needs 3.14"),
    ]


def test_a_record_comes_back_as_it_was_kept(tmp_path: Path, records: list[Record]) -> None:
    """Under its server, variant and Python; it is current as long as version and checks are."""
    for record in records:
        write_record(record, tmp_path)
    assert sorted(read_all(tmp_path), key=repr) == sorted(records, key=repr)
    first = records[0]
    known = read_record(file_of("good", "default", "CPython 3.11.9", tmp_path))
    assert known == first
    assert first.is_current("1.2.3")
    assert not first.is_current("1.2.4")
    assert not Record("good", "1.2.3", "default", "CPython 3.11.1", yes=first.yes).is_current(
        "1.2.3"
    )


def test_the_page_of_all_servers(records: list[Record]) -> None:
    """Who fails what, what another Python changes, and who could not be checked."""
    page = summary_page(records)
    assert re.search(r"\| \[good\]\(conformance/good\.md\) \| 1\.2\.3 \| 0 \| 0 \|", page)
    assert re.search(r"\| \[bad\]\(conformance/bad\.md\) \| 1\.2\.3 \| 1 \| 0 \|", page)
    assert re.search(rf"\| `{FAILED}` \| must \| .* \| bad \|", page)
    assert f"| bad | `{FAILED}` | must | no | yes |" in page
    assert "- late on 3.11: not run: needs 3.14" in page
    assert f"| `{FREE}` |" in page


def test_the_page_of_one_server(records: list[Record]) -> None:
    """What was seen, under which Python, with the sentence; markup stays text."""
    page = server_page(records[1:3], None)
    assert f"- **`{FAILED}`** (bad on 3.11): b'HTTP/1.1 200 OK' \\*" in page
    assert "[RFC 9112](https://www.rfc-editor.org/rfc/rfc9112.html" in page
    assert "## Can't tell" in page
    assert f"`{LEFT_OUT}`" in page


def test_what_others_publish_agrees_or_is_explained() -> None:
    """Of every claim there is a word where our own result is another one."""
    assert claims()
    assert unexplained(read_all(RECORDED)) == []


def test_every_reproduction_can_be_read_and_was_run() -> None:
    """Each says what was run and what came; the index leads to it."""
    index = index_page()
    for one in all_reproductions():
        assert re.match(r"[\d.]+\S*, CPython 3\.\d+\.\d+, \d{4}-\d\d-\d\d$", one.found), one.path
        assert f"(upstream/{one.path.name})" in index
        text = one.path.read_text()
        assert text.rpartition("```text\n")[2].partition("```")[0].strip(), one.path
    assert len(list(FOLDER.glob("*.md"))) >= 10


def test_what_comes_is_put_into_the_page() -> None:
    """In place of what came before; the rest stays."""
    one = all_reproductions()[0]
    text = with_outcome(one, "9.9, CPython 3.99.0, 2030-01-01", "something else")
    assert f"- Server: {one.server} 9.9, CPython 3.99.0, 2030-01-01\n" in text
    assert "```text\nsomething else\n```\n" in text
    assert text.count("```") == 8
    assert one.app in text and one.request in text
