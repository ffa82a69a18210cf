import re
import runpy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asgi_bench import model
from asgi_bench.store import schema
from asgi_bench.store.schema import SCHEMA_FOLDER

PROJECT = Path(__file__).parents[2]


def test_shipped_schemas_are_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scripts/schemas` would write what is committed: no struct has changed since."""
    monkeypatch.setattr(schema, "SCHEMA_FOLDER", tmp_path)
    runpy.run_path(str(PROJECT / "scripts/schemas"), run_name="__main__")
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    shipped = {path.name: path.read_text() for path in SCHEMA_FOLDER.iterdir()}
    assert written == shipped


def test_schemas_name_their_dialect_and_file() -> None:
    """A schema says what it is of, and in which dialect it is written."""
    for path in SCHEMA_FOLDER.iterdir():
        content: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        assert content["$schema"].startswith("https://json-schema.org/")
        assert "asgi-bench" in content["title"]


def test_results_readme_names_every_validity_code() -> None:
    """Every code that a finding may have occurs in results/README.md, and no others."""
    text = (PROJECT / "results/README.md").read_text()
    rules = (PROJECT / "src/asgi_bench/analysis").glob("*validity.py")
    given = {
        code
        for path in rules
        for code in re.findall(r'(?:code=|Reason\(|_reason\()\s*"([a-z-]+)"', path.read_text())
    }
    (line,) = (line for line in text.splitlines() if line.startswith("`validity_reasons[]`"))
    explained = set(re.findall(r"`([a-z-]+)`", line.partition("The codes")[2]))
    assert explained == given


STORED = [
    kind
    for kind in vars(model).values()
    if isinstance(kind, type)
    and issubclass(kind, msgspec.Struct)
    and kind.__module__ == model.__name__
    and kind is not model.Run
]


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
def test_results_readme_explains_every_key(kind: type[msgspec.Struct]) -> None:
    """Every key that a run folder's files may hold occurs in results/README.md."""
    text = (PROJECT / "results/README.md").read_text()
    keys = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert [key for key in keys if f"`{key}`" not in text and f".{key}`" not in text] == []
