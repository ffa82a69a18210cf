"""The lives that a run counted, as they are stored."""

from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.store.counts import LIVES_FILE, append_life, has_counts, read_lives
from tests.synthetic_counts import counted_run, store_counted

RUN = counted_run()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run that counted, in its folder."""
    return store_counted(RUN, tmp_path)


def test_what_is_appended_is_read_back(stored: Path) -> None:
    """Every life is there as it was, in order; a folder without lives did not count."""
    assert read_lives(stored) == RUN.lives
    assert has_counts(stored) and not has_counts(stored.parent)


@pytest.mark.parametrize("cut", [2, 10, 100])
def test_a_last_line_that_was_cut_off_is_left_out(stored: Path, cut: int) -> None:
    """A kill costs the life that was being stored, and no other."""
    file = stored / LIVES_FILE
    file.write_bytes(file.read_bytes()[:-cut])
    assert read_lives(stored) == RUN.lives[:-1]


@pytest.mark.parametrize("bad", [b"", b"{}", b"\xff", b"[" * 2000, b'{"cell": 1}'])
def test_a_bad_line_is_named_with_its_place(stored: Path, bad: bytes) -> None:
    """What a kill can't explain is an error in one line that says what to do."""
    file = stored / LIVES_FILE
    lines = file.read_bytes().split(b"\n")
    lines[2] = bad
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(BenchError, match=rf"{LIVES_FILE} line 3: .*remove this line") as caught:
        read_lives(stored)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_told(stored: Path) -> None:
    """A folder that lost its lives, or has something else in their place, is an error by name."""
    file = stored / LIVES_FILE
    file.unlink()
    with pytest.raises(BenchError, match=f"{LIVES_FILE}: can't be read"):
        read_lives(stored)
    file.mkdir()
    with pytest.raises(BenchError, match=f"{LIVES_FILE}: can't be read"):
        read_lives(stored)
    with pytest.raises(BenchError, match=f"{LIVES_FILE}: can't be stored"):
        append_life(stored, RUN.lives[0])
