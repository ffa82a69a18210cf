"""The last words of a server."""

from pathlib import Path

import pytest

from asgi_bench.serving.logs import last_log_line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", None),
        (b"\n \n\t\n", None),
        (b"one\ntwo\n", "two"),
        (b"one\ntwo", "two"),
        (b"one\r\ntwo  \r\n\r\n", "two"),
        (b"\x1b[31mERROR\x1b[0m: bad\n\x1b[0m\n", "ERROR: bad"),
        (b"caf\xe9 \xff\n", "caf\ufffd \ufffd"),
        (b"x" * 200_000 + b"\nlast\n", "last"),
        (b"y" * 1000 + b"\n", "y" * 299 + "…"),
    ],
)
def test_last_line(tmp_path: Path, content: bytes, line: str | None) -> None:
    """The last line that says something, plain and short, whatever bytes the log holds."""
    path = tmp_path / "log"
    path.write_bytes(content)
    assert last_log_line(path) == line


def test_no_log_has_no_line(tmp_path: Path) -> None:
    """A server that never started has written nothing."""
    assert last_log_line(tmp_path / "none") is None
