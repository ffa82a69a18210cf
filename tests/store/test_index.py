import os
from pathlib import Path

import msgspec
import pytest

from asgi_bench.analysis.history.environment import surroundings
from asgi_bench.analysis.history.series import run_entry
from asgi_bench.errors import BenchError
from asgi_bench.model import Run
from asgi_bench.store.index import INDEX_FILE, Listing, Summary, environment_key, list_history
from tests.synthetic_history import run_at, store_history
from tests.synthetic_run import store_run

RULES = 7


def summarize(run: Run) -> Summary:
    """As the command does."""
    facts = surroundings(run.header)
    return Summary(run_entry(run, environment_key(facts)), facts)


def listing(parent: Path, rules: int = RULES) -> Listing:
    """The runs of a folder."""
    return list_history(parent, summarize, rules)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A folder of four runs, not indexed yet."""
    store_history(tmp_path, 4)
    return tmp_path


def test_index_says_what_the_runs_say(parent: Path) -> None:
    """Read from the index or from the runs, entries and environments are the same, in order."""
    anew = listing(parent)
    again = listing(parent)
    assert (anew.read, anew.kept) == (4, 0)
    assert (again.read, again.kept) == (0, 4)
    assert again.entries == anew.entries and again.environments == anew.environments
    started = [entry.started_at for entry in anew.entries]
    assert started == sorted(started) and len(started) == 4
    assert {entry.environment for entry in anew.entries} == set(anew.environments)


def test_only_what_changed_is_read(parent: Path) -> None:
    """A new run, a changed one and one that is gone are noticed; the others are not read."""
    folders = sorted(path.parent for path in parent.glob("*/run.json"))
    listing(parent)
    store_run(run_at(9), parent)
    trials = folders[0] / "trials.jsonl"
    trials.write_bytes(b"".join(trials.read_bytes().splitlines(keepends=True)[:-1]))
    for path in folders[1].iterdir():
        path.unlink()
    folders[1].rmdir()
    found = listing(parent)
    assert (found.read, found.kept) == (2, 2)
    assert len(found.entries) == 4
    assert listing(parent).read == 0


def test_touched_run_is_read_again(parent: Path) -> None:
    """The same size at another time may be other content."""
    listing(parent)
    header = next(parent.glob("*/run.json"))
    os.utime(header, ns=(1, 1))
    assert listing(parent).read == 1


@pytest.mark.parametrize("keep", [0, 1, 40, -1, -200])
def test_damaged_index_is_not_trusted(parent: Path, keep: int) -> None:
    """A cut index is made anew from the runs, and it is said."""
    anew = listing(parent)
    index = parent / INDEX_FILE
    index.write_bytes(index.read_bytes()[:keep])
    found = listing(parent)
    assert found.read == 4 and found.entries == anew.entries
    assert any("damaged" in note for note in found.notes)
    assert listing(parent).read == 0


def test_forged_figure_is_not_trusted(parent: Path) -> None:
    """An index that was changed by hand doesn't match its sum."""
    anew = listing(parent)
    index = parent / INDEX_FILE
    index.write_bytes(index.read_bytes().replace(b'"ratio":1', b'"ratio":9', 1))
    assert listing(parent).entries == anew.entries


def test_other_rules_make_it_anew(parent: Path) -> None:
    """Rules of validity decide what is a usable ratio, so an index by others is of no use."""
    listing(parent)
    found = listing(parent, RULES + 1)
    assert found.read == 4 and found.notes == ()


def test_unreadable_runs_are_listed(parent: Path) -> None:
    """A broken header, a newer version and a broken line are told with the fault, also again."""
    first, second, third, _ = sorted(path.parent for path in parent.glob("*/run.json"))
    (first / "run.json").write_text("{")
    newer = msgspec.json.decode((second / "run.json").read_bytes())
    (second / "run.json").write_bytes(msgspec.json.encode(newer | {"schema_version": 99}))
    (third / "trials.jsonl").write_text("nonsense\n")
    for found in (listing(parent), listing(parent)):
        assert len(found.entries) == 1
        faults = {each.folder: each.fault or "" for each in found.unreadable}
        assert set(faults) == {first.name, second.name, third.name}
        assert "upgrade asgi-bench" in faults[second.name]
        assert "trials.jsonl line 1" in faults[third.name]


def test_read_only_folder_is_no_fault(parent: Path) -> None:
    """Where the index can't be written the runs are read all the same."""
    (parent / INDEX_FILE).mkdir()
    found = listing(parent)
    assert len(found.entries) == 4
    assert any("can't be" in note for note in found.notes)


def test_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A folder that isn't there is named."""
    with pytest.raises(BenchError, match="nowhere"):
        listing(tmp_path / "nowhere")
