"""Text from files and servers that would drive a terminal, and what is far too long."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Finished, in_process
from tests.test_plain_text import HOSTILE


def letters_of(finished: Finished) -> set[str]:
    """Every letter that was shown, but for ends of lines."""
    return set(finished.stdout + finished.stderr) - {"\n"}


@pytest.fixture
def runners(tmp_path: Path) -> Iterator[Path]:
    """A folder with one runner file, whose server writes what drives a terminal, and ends."""
    folder = tmp_path / "runners"
    folder.mkdir()
    program = f"import sys; print({HOSTILE!r}, 'why'); sys.exit(3)"
    command = ["{python}", "-c", program, "{app}", "{port}"]
    (folder / "odd.toml").write_text(
        f"command = [{', '.join(map(_toml, command))}]\n"
        f"[variants.default]\ndescription = {_toml(f'says {HOSTILE}')}\n"
    )
    yield folder


def _toml(text: str) -> str:
    """A basic string of TOML."""
    kept = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(kept)}"'


def test_what_a_file_says_is_shown_without_what_drives_a_terminal(
    runners: Path, tmp_path: Path
) -> None:
    """In the list and in a dry run, also of flags."""
    listed = in_process("list", "--runners", str(runners), folder=tmp_path)
    assert listed.code == 0
    assert "gnp.exe" in listed.stdout
    asked = ("run", "--runners", str(runners), "-s", "odd", "--server-args", f"'{HOSTILE}'")
    planned = in_process(*asked, "--dry-run", folder=tmp_path)
    assert planned.code == 0
    assert all(letter.isprintable() for letter in letters_of(listed) | letters_of(planned))


def test_what_a_server_says_is_shown_without_what_drives_a_terminal(
    runners: Path, tmp_path: Path
) -> None:
    """The line of its log is the reason, and it is only letters."""
    asked = ("check", "--runners", str(runners), "-s", "odd", "-w", "1")
    finished = in_process(*asked, folder=tmp_path)
    assert finished.code == 1
    assert "why" in finished.stdout
    assert all(letter.isprintable() for letter in letters_of(finished))


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "\u202eevil", "x" * 200, " "])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    """Of a variant, of a request, of a file of runners: in one line of letters."""
    (tmp_path / "requests.toml").write_text(f'[{_toml(name)}]\npath = "/"\n')
    folder = tmp_path / "runners"
    folder.mkdir()
    (folder / "odd.toml").write_text(f'command = ["a"]\n[variants.{_toml(name)}]\n')
    for asked in (
        ("run", "hello:app", "--requests", "requests.toml"),
        ("run", "--runners", str(folder), "-s", "odd"),
    ):
        finished = in_process(*asked, folder=tmp_path)
        assert finished.code == 2
        (line,) = finished.stderr.splitlines()
        assert line.isprintable()
        assert len(line) < 600


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "x = " + "9" * 5_000,
        'command = ["' + "x" * 10_000_000 + '{nothing}"]',
        "x" * 10_000_000 + " = 1",
    ],
    ids=["nested", "digits", "a long value", "a long key"],
)
def test_what_is_far_too_long_is_one_line(text: str, tmp_path: Path) -> None:
    """A definition of 10 MB, nested or of endless digits: refused, with the file's name."""
    folder = tmp_path / "runners"
    folder.mkdir()
    (folder / "odd.toml").write_text(text)
    finished = in_process("list", "--runners", str(folder), folder=tmp_path)
    assert finished.code == 2
    (line,) = finished.stderr.splitlines()
    assert "odd.toml" in line
    assert len(line) < 5_000


def test_files_that_never_end_are_refused_at_once(tmp_path: Path) -> None:
    """A FIFO in the place of a runner file, of requests and of a body."""
    folder = tmp_path / "runners"
    folder.mkdir()
    os.mkfifo(folder / "odd.toml")
    os.mkfifo(tmp_path / "fifo")
    for asked in (
        ("list", "--runners", str(folder)),
        ("run", "hello:app", "--requests", "fifo"),
        ("run", "hello:app", "--body", "@fifo"),
    ):
        finished = in_process(*asked, folder=tmp_path)
        assert finished.code == 2
        assert len(finished.stderr.splitlines()) == 1
