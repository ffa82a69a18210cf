import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.errors import UsageError
from asgi_bench.store.folders import find_run, list_runs, newest_run, run_id, safe_name
from tests.synthetic_run import plan_of, planned_cells, store_run, synthetic_run

START = datetime(2026, 11, 22, 19, 0, 0, tzinfo=UTC)


def stored_at(parent: Path, started_at: str, name: str) -> Path:
    """A run without trials that began at that time."""
    run = synthetic_run(planned_cells()[:1], rounds=0)
    header = msgspec.structs.replace(
        run.header, started_at=started_at, run_id=name, plan=plan_of(())
    )
    return store_run(msgspec.structs.replace(run, header=header), parent)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, "20261122T190000Z"),
        ("", "20261122T190000Z"),
        ("before", "20261122T190000Z-before"),
        ("my label/with: odd\nthings", "20261122T190000Z-my-label-with-odd-things"),
        ("../../etc", "20261122T190000Z-etc"),
        ("//", "20261122T190000Z"),
    ],
)
def test_run_id_is_time_and_cleaned_label(label: str | None, expected: str) -> None:
    """An id sorts by time and holds nothing that a path or a shell would stumble over."""
    assert run_id(START, label) == expected


def test_run_id_is_in_utc() -> None:
    """The zone of the clock doesn't show in the id."""
    assert run_id(START.astimezone(timezone(timedelta(hours=-5)))) == "20261122T190000Z"


def test_run_id_needs_a_time_zone() -> None:
    """A moment without a zone is refused: it would be read as local time."""
    with pytest.raises(ValueError, match="time zone"):
        run_id(datetime(2026, 11, 22))


@given(st.text())
def test_any_label_gives_one_part_of_a_path(label: str) -> None:
    """Whatever the label, the id is a single, short, printable part of a path."""
    name = run_id(START, label)
    assert Path(name).name == name
    assert name.isascii()
    assert name.isprintable()
    assert len(name) <= 80


@given(st.text())
def test_safe_names_are_safe(text: str) -> None:
    """No part of a path is a separator, a hidden file or a parent folder."""
    name = safe_name(text)
    assert "/" not in name
    assert not name.startswith(".")


def test_newest_is_by_start_not_by_name_or_file_time(tmp_path: Path) -> None:
    """Renaming a run or touching its files doesn't make it the newest."""
    old = stored_at(tmp_path, "2026-11-20T10:00:00Z", "zzz-renamed")
    new = stored_at(tmp_path, "2026-11-22T10:00:00Z", "20261122T100000Z")
    os.utime(old / "run.json")
    assert list_runs(tmp_path) == (old, new)
    assert newest_run(tmp_path) == new


def test_what_is_no_run_is_left_out(tmp_path: Path) -> None:
    """Folders such as `recorded`, broken headers and files are passed over."""
    (tmp_path / "recorded").mkdir()
    (tmp_path / "README.md").write_text("")
    for name, content in (("broken", b"{"), ("alien", b'"\xff"'), ("other", b"{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(content)
    assert list_runs(tmp_path) == ()


@pytest.mark.parametrize("exists", [True, False])
def test_no_run_is_said_with_what_to_do(tmp_path: Path, exists: bool) -> None:
    """An empty or missing results folder is named, with the command that fills it."""
    parent = tmp_path if exists else tmp_path / "missing"
    with pytest.raises(UsageError, match="asgi-bench run") as caught:
        newest_run(parent)
    assert str(parent) in str(caught.value)


def test_run_is_found_by_path_by_id_and_by_default(tmp_path: Path) -> None:
    """A run may be named by its folder or its id; without a name it is the newest."""
    first = stored_at(tmp_path, "2026-11-20T10:00:00Z", "first")
    second = stored_at(tmp_path, "2026-11-21T10:00:00Z", "second")
    assert find_run(str(first), tmp_path / "elsewhere") == first
    assert find_run("first", tmp_path) == first
    assert find_run(None, tmp_path) == second


def test_unknown_run_is_said_with_those_there_are(tmp_path: Path) -> None:
    """A wrong name is answered with the right ones."""
    stored_at(tmp_path, "2026-11-20T10:00:00Z", "first")
    with pytest.raises(UsageError, match=r"nonsense: not a run folder.*first"):
        find_run("nonsense", tmp_path)
    with pytest.raises(UsageError, match="holds no run"):
        find_run("nonsense", tmp_path / "missing")
