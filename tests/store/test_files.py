from pathlib import Path

import pytest

from asgi_bench.store.files import write_whole


@pytest.mark.parametrize("survives_crash", [False, True])
def test_file_is_replaced_whole(tmp_path: Path, survives_crash: bool) -> None:
    """The new content stands in place of the old, and nothing else is left in the folder."""
    path = tmp_path / "file.json"
    path.write_bytes(b"old and longer")
    write_whole(path, b"new", survives_crash=survives_crash)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_stays_where_the_new_one_cant_be_written(tmp_path: Path) -> None:
    """What fails half-way leaves what was there, and no part beside it."""
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError):
        write_whole(path, b"new")
    assert list(tmp_path.iterdir()) == [path] and path.is_dir()
