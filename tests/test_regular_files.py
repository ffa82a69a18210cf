import os
import socket
from pathlib import Path

import pytest

from asgi_bench.regular_files import open_regular, read_regular


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A FIFO that nobody writes into, a folder, a socket and a device, by their names."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
    refused = {"fifo": "a FIFO", ".": "a folder", "/dev/zero": "a device"}
    for name, kind in refused.items():
        with pytest.raises(OSError) as caught:
            read_regular(tmp_path / name)
        assert caught.value.strerror == f"it is {kind}, not a file"
    with pytest.raises(OSError):
        read_regular(tmp_path / "socket")


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A file of 2 GB is refused by its size, one that fits is read whole."""
    file = tmp_path / "large"
    file.write_bytes(b"x" * 2**20)
    assert read_regular(file) == b"x" * 2**20
    os.truncate(file, 2 * 2**30)
    with pytest.raises(OSError) as caught:
        open_regular(file)
    assert caught.value.strerror == "it has 2048 MiB, and at most 64 MiB can be read"


def test_a_link_to_a_file_is_read_and_one_to_nothing_is_not(tmp_path: Path) -> None:
    """Tools that keep large files elsewhere leave links to them."""
    (tmp_path / "file").write_bytes(b"whole")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "loop").symlink_to("loop")
    assert read_regular(tmp_path / "link") == b"whole"
    for name in ("loop", "absent"):
        with pytest.raises(OSError):
            read_regular(tmp_path / name)
