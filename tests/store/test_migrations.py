from pathlib import Path
from typing import Any

import msgspec
import pytest

from asgi_bench.errors import BenchError
from asgi_bench.model import SCHEMA_VERSION, TIME_NAMES, RequestFigures
from asgi_bench.store import migrations
from asgi_bench.store.migrations import MIGRATIONS, RUN_SCHEMA, Migration, migration_path
from asgi_bench.store.runs import read_run
from tests.synthetic_run import planned_cells, store_run, synthetic_run

Raw = dict[str, Any]

# A version 0 that never was: the label was called name, and throughput counted `answers`.
FROM_0 = Migration(
    header=lambda raw: {**{k: v for k, v in raw.items() if k != "name"}, "label": raw["name"]},
    trial=lambda raw: {
        **{k: v for k, v in raw.items() if k != "answers"},
        "requests": raw["answers"],
    },
)


def age(folder: Path) -> None:
    """Make a folder look as version 0 would have written it."""
    header = msgspec.json.decode((folder / "run.json").read_bytes())
    header["name"] = header.pop("label")
    header["schema_version"] = 0
    (folder / "run.json").write_bytes(msgspec.json.encode(header))
    lines = []
    for line in (folder / "trials.jsonl").read_bytes().splitlines():
        trial = msgspec.json.decode(line)
        trial["answers"] = trial.pop("requests")
        lines.append(msgspec.json.encode(trial) + b"\n")
    (folder / "trials.jsonl").write_bytes(b"".join(lines))


def test_old_folder_is_read_as_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Header and trials of an older version are brought up and equal the original."""
    folder = store_run(synthetic_run(planned_cells()[:1], rounds=2), tmp_path)
    expected = read_run(folder)
    age(folder)
    later = {version: Migration(header=dict, trial=dict) for version in MIGRATIONS}
    for version, step in (later | {0: FROM_0}).items():
        monkeypatch.setitem(migrations.MIGRATIONS, version, step)
    assert read_run(folder) == msgspec.structs.replace(expected, stored_version=0)


def test_histograms_of_version_1_are_found_by_their_names(tmp_path: Path) -> None:
    """Those of trials, of their requests and of steps; what was null isn't there."""
    folder = store_run(synthetic_run(planned_cells()[:1], rounds=1), tmp_path)
    (expected,) = read_run(folder).trials
    header = msgspec.json.decode((folder / "run.json").read_bytes())
    (folder / "run.json").write_bytes(msgspec.json.encode(header | {"schema_version": 1}))
    blobs = expected.times_hdr
    steps = [msgspec.structs.replace(piece, times_hdr=blobs) for piece in expected.slices]
    requests = (RequestFigures("list", times_hdr=blobs), RequestFigures("order"))
    expected = msgspec.structs.replace(expected, slices=tuple(steps), by_request=requests)
    raw = msgspec.to_builtins(expected)
    for part in (raw, *raw["slices"], *raw["by_request"]):
        times_hdr = part.pop("times_hdr")
        part |= {f"{name}_hdr": times_hdr.get(name) for name in TIME_NAMES}
    (folder / "trials.jsonl").write_bytes(msgspec.json.encode(raw) + b"\n")
    assert read_run(folder).trials == (expected,)


def test_what_version_1_kept_in_fields_is_told_by_meters(tmp_path: Path) -> None:
    """A slice of version 1 had a field for each of four meters, null where it told nothing."""
    folder = store_run(synthetic_run(planned_cells()[:1], rounds=1), tmp_path)
    header = msgspec.json.decode((folder / "run.json").read_bytes())
    header["schema_version"] = 1
    (folder / "run.json").write_bytes(msgspec.json.encode(header))
    (line,) = (folder / "trials.jsonl").read_bytes().splitlines()
    trial = msgspec.json.decode(line)
    for piece in trial["slices"]:
        del piece["meters"]
        piece |= {"server_wait_s": 0.25, "steal_s": 0.0, "other_cpu_s": None}
    (folder / "trials.jsonl").write_bytes(msgspec.json.encode(trial) + b"\n")
    (read,) = read_run(folder).trials
    assert {tuple(piece.meters.items()) for piece in read.slices} == {
        (("server_wait_s", 0.25), ("steal_s", 0.0))
    }


def test_version_without_a_way_up_is_refused(tmp_path: Path) -> None:
    """A version that no function migrates from is an error that names the file and the range."""
    folder = store_run(synthetic_run(planned_cells()[:1], rounds=1), tmp_path)
    age(folder)
    with pytest.raises(BenchError, match=r"run\.json: schema_version is 0.*reads 1 to"):
        read_run(folder)


def test_own_version_needs_no_steps() -> None:
    """What this tool wrote is read as it is."""
    assert migration_path(RUN_SCHEMA, SCHEMA_VERSION) == ()


def test_every_older_version_has_its_step() -> None:
    """The table has no gaps from the first version on."""
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_steps_are_taken_in_order() -> None:
    """From two versions back there are two steps, the older first."""
    steps = {version: Migration(header=dict, trial=dict) for version in range(SCHEMA_VERSION)}
    steps[-1] = Migration(header=dict, trial=dict)
    assert migration_path(RUN_SCHEMA, -1, steps)[0] is steps[-1]
    assert len(migration_path(RUN_SCHEMA, -1, steps)) == SCHEMA_VERSION + 1


def test_newer_version_says_to_upgrade() -> None:
    """A run of a later tool is refused with the way out, not misread."""
    with pytest.raises(BenchError, match="upgrade asgi-bench"):
        migration_path(RUN_SCHEMA, SCHEMA_VERSION + 1)


@pytest.mark.parametrize(
    ("plan", "told"),
    [({"scenarios": []}, "lacks 'cells'"), ({"cells": 3}, "not iterable"), (7, "'int' object")],
)
def test_what_is_not_of_its_version_is_refused_with_the_file(
    tmp_path: Path, plan: object, told: str
) -> None:
    """A header of version 1 without what version 1 had: one line, no traceback."""
    folder = store_run(synthetic_run(planned_cells()[:1], rounds=1), tmp_path)
    header = msgspec.json.decode((folder / "run.json").read_bytes())
    header = header | {"schema_version": 1, "plan": plan}
    (folder / "run.json").write_bytes(msgspec.json.encode(header))
    with pytest.raises(BenchError, match=f"run.json: not of the version that it states: .*{told}"):
        read_run(folder)
