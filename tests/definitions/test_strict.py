from pathlib import Path
from typing import Literal

import msgspec
import pytest

from asgi_bench.definitions.strict import convert, read_toml
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


class Table(msgspec.Struct):
    """A key with a word, and one with several."""

    word: Literal["a", "b"] = "a"
    several: tuple[Literal["a", "b"], ...] = ()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"word": "c"}, "x.toml: word: invalid enum value 'c'; allowed: a, b"),
        ({"several": ["c"]}, "x.toml: several[0]: invalid enum value 'c'"),
    ],
)
def test_a_word_that_is_none_of_those_is_told(table: dict[str, object], told: str) -> None:
    """Beside the key whose word is none of them; within a list it is told which one that is."""
    with pytest.raises(UsageError) as caught:
        convert(table, Table, "x.toml")
    assert str(caught.value) == told
