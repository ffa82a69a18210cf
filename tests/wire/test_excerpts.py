import pytest

from asgi_bench.wire.excerpts import excerpt


@pytest.mark.parametrize(
    ("data", "quoted"),
    [
        (b"", "''"),
        (b"ok", "'ok'"),
        (b"0\r\n\r\n", r"'0\r\n\r\n'"),
        ("é".encode(), "'é'"),
        (b"\xff\x00", r"'ÿ\x00'"),
        (b"it's", '"it\'s"'),
        (b"x" * 60, "'" + "x" * 60 + "'"),
        (b"x" * 61, "'" + "x" * 60 + "…'"),
        ("é".encode() * 61, "'" + "é" * 60 + "…'"),
        ("€".encode() * 200, "'" + "€" * 60 + "…'"),
    ],
)
def test_the_start_is_quoted_as_text(data: bytes, quoted: str) -> None:
    """Text is quoted as such, other bytes by their codes, and a cut is shown."""
    assert excerpt(data) == quoted
