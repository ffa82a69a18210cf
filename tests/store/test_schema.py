import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asgi_bench.model import AbReport, Behaviour, Proof, RunHeader, Trial
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
    rules = (PROJECT / "src/asgi_bench/analysis").glob("*.py")
    given = {
        code
        for path in rules
        for code in re.findall(r'(?:code=|Reason\(|_reason\()\s*"([a-z-]+)"', path.read_text())
    }
    (line,) = (line for line in text.splitlines() if line.startswith("`validity_reasons[]`"))
    explained = set(re.findall(r"`([a-z-]+)`", line.partition("The codes")[2]))
    assert explained == given


def structs_in(kind: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    """The structs that a type holds, itself included; a calibration has a page of its own."""
    if isinstance(kind, msgspec.inspect.StructType) and kind.cls.__name__ != "Calibration":
        yield kind.cls
        for field in kind.fields:
            yield from structs_in(field.type)
    elif isinstance(kind, msgspec.inspect.UnionType):
        for part in kind.types:
            yield from structs_in(part)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        yield from structs_in(kind.item_type)


STORED = list(
    dict.fromkeys(
        struct
        for root in (RunHeader, Trial, Proof, Behaviour, AbReport)
        for struct in structs_in(msgspec.inspect.type_info(root))
    )
)


def test_files_hold_known_structs() -> None:
    """The walk through the files' types reaches the plan, its cells, slices and findings."""
    names = {kind.__name__ for kind in STORED}
    assert {
        "RunHeader",
        "Plan",
        "Cell",
        "ClosedLoop",
        "Machine",
        "Slice",
        "Reason",
        "Proof",
    } <= names


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
def test_results_readme_explains_every_key(kind: type[msgspec.Struct]) -> None:
    """Every key that a run folder's files may hold occurs in results/README.md."""
    text = (PROJECT / "results/README.md").read_text()
    keys = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert [key for key in keys if f"`{key}`" not in text and f".{key}`" not in text] == []
