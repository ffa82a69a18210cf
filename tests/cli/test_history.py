from html import unescape
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from asgi_bench.cli.main import command
from asgi_bench.errors import UsageError
from asgi_bench.model import RunHeader
from tests.synthetic_history import run_at, store_history
from tests.synthetic_run import store_run

HOSTILE = "<script>alert(1)</script>\x1b[31m"


def invoke(*args: str | Path) -> Result:
    """Run the verb alone."""
    return CliRunner().invoke(command("history"), list(map(str, args)))


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of which the last four are slower; one can't be read, one has a hostile label."""
    folder = tmp_path_factory.mktemp("results")
    store_history(folder, 12, {8: 0.9})

    def hostile(header: RunHeader) -> RunHeader:
        assert header.source is not None
        return msgspec.structs.replace(
            header,
            source=msgspec.structs.replace(header.source, subject=HOSTILE),
            packages=header.packages | {HOSTILE: "1"},
        )

    store_run(run_at(12, 0.9, hostile), folder)
    broken = folder / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    return folder


def test_change_is_told_and_the_page_is_written(parent: Path) -> None:
    """What, when, which commit, by how much; the last line is the page."""
    result = invoke(parent)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "1 lasting change: 1 slower, 0 faster"
    assert any("granian/uvloop/w1/hello/c64, throughput: 1" in line for line in lines)
    assert any("Commit 8" in line for line in lines)
    assert any(line.lstrip().startswith("broken can't be read") for line in lines)
    assert Path(lines[-1]) == parent / "history.html"
    assert "\x1b" not in result.stdout


def test_page_is_safe_and_complete(parent: Path) -> None:
    """It loads nothing, runs no script but its own, and holds hostile names as text."""
    invoke(parent)
    page = (parent / "history.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in unescape(page)
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert page.count("<svg") == 2  # throughput and CPU per request
    assert "with run" in page and "Commit 8" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_second_time_reads_the_index(parent: Path) -> None:
    """The same is said from the index as from the runs."""
    (parent / "index.jsonl").unlink(missing_ok=True)
    anew, again = invoke(parent), invoke(parent)
    assert anew.stdout == again.stdout
    assert (parent / "index.jsonl").is_file()


def test_faults_are_one_clear_line(parent: Path, tmp_path: Path) -> None:
    """No folder, no run in it, no such machine: each is named."""
    for arguments, told in (
        ((tmp_path / "nowhere",), "no such folder"),
        ((tmp_path,), "no runs here"),
        ((parent, "--machine", "abc"), "no run of 'abc'"),
        ((parent, "--min-change", "2"), "--min-change"),
    ):
        result = invoke(*arguments)
        assert isinstance(result.exception, UsageError), result.output
        assert told in str(result.exception)


def test_change_with_an_upgrade_is_told_apart(tmp_path: Path) -> None:
    """Neither the first line nor the page's title counts it, and both say where it is told."""

    def upgraded(header: RunHeader) -> RunHeader:
        assert header.source is not None
        is_new = int(header.source.subject.split()[1]) >= 8
        return msgspec.structs.replace(header, tool_version="9.0.0") if is_new else header

    store_history(tmp_path, 12, {8: 0.9}, upgraded)
    lines = invoke(tmp_path).stdout.splitlines()
    assert lines[0] == "No lasting change in 12 runs; 1 doubtful"
    place = lines.index("Doubtful changes: perhaps only the measurement changed")
    assert any("throughput: 1" in line for line in lines[place:])
    assert not any("throughput: 1" in line for line in lines[:place])
    page = unescape((tmp_path / "history.html").read_text(encoding="utf-8"))
    assert "<h3>Doubtful changes: perhaps only the measurement changed</h3>" in page
    assert "tool asgi-bench 0.1.0 → 9.0.0; machine, tool or load changed too" in page
    assert "A change is doubtful if" in page
