from pathlib import Path

import pytest

from asgi_bench.definitions.strict import read_toml
from asgi_bench.errors import UsageError


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a = ", "not valid TOML"), (b"a = '\xff'", "not UTF-8 at byte 5"), (None, "can't read it")],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Broken, wrongly encoded and missing files each give one line with the file's name."""
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_toml(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)
