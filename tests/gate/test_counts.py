"""Records of A/Bs by counts, and the table that is made of them."""

import os
from pathlib import Path

import msgspec
import psutil
import pytest

from asgi_bench.model import Gate
from gate.counts import (
    CountKind,
    CountRecord,
    busy_cpus,
    count_section,
    count_table,
    read_count_records,
    standing,
)
from gate.missing import next_kind
from gate.records import write_record
from tests.analysis.ab.test_counts import lives
from tests.synthetic_sides import ab_run

GATE = Gate(min_change=0.005, looks=(1.0,), budget_s=60)


def record(kind: CountKind, number: int, effect: float, turns: int = 0) -> CountRecord:
    """A repetition that found an effect."""
    header = ab_run(0.0, blocks=0, gate=GATE).header
    return CountRecord(kind, number, turns, header, tuple(lives(effect)))


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A record comes back whole, and what was injected is judged from it anew."""
    kept = record("slow1", 1, 0.01, turns=7)
    write_record(tmp_path / "uvicorn", kept)
    (read,) = read_count_records(tmp_path / "uvicorn")
    assert read == kept
    assert read.judged.verdict == "regression"
    section = count_section(tmp_path)
    assert section.startswith("**uvicorn 1.2.3**")
    assert "| 1 % more | 7 | 1 | 1 |" in section


def test_the_table_counts_verdicts_by_kind() -> None:
    """Each kind has a row with its regressions and what else there was."""
    _, _, alike, slower = count_table(
        "uvicorn", [record("aa", 1, 0.0), record("slow05", 1, 0.005, 4)]
    )
    assert alike.startswith("| A/A | 0 | 1 | 0 |")
    assert "| 1 pass |" in alike
    assert slower.startswith("| 0.5 % more | 4 | 1 | 1 |")


def test_busy_repetitions_have_rows_of_their_own() -> None:
    """What was made beside another program stands beside what wasn't; targets are judged."""
    busy = msgspec.structs.replace(record("aa", 2, 0.0), is_busy=True)
    rows = count_table("uvicorn", [record("aa", 1, 0.02), busy, record("slow1", 1, 0.001, 8)])
    assert rows[2].startswith("| A/A | 0 | 1 | 1 |") and "missed: 1 false" in rows[2]
    assert rows[3].startswith("| A/A, CPUs busy | 0 | 1 | 0 |") and rows[3].endswith("| kept |")
    assert "missed: 0 of 1 called" in rows[4]


def test_other_programs_run_until_the_end() -> None:
    """A process for each CPU computes meanwhile, and none afterwards."""
    children = psutil.Process().children
    before = {child.pid for child in children()}
    with busy_cpus():
        meanwhile = {child.pid for child in children()} - before
        assert len(meanwhile) == len(os.sched_getaffinity(0))
    assert not meanwhile & {child.pid for child in children()}


def test_a_series_tells_how_far_it_is(tmp_path: Path) -> None:
    """Of each kind that is wanted, how many there are."""
    write_record(tmp_path / "daphne", record("aa", 1, 0.0))
    assert standing(tmp_path, "daphne") == "daphne: 1 of 20 A/A, 0 of 10 1 % more"


@pytest.mark.parametrize(
    ("done", "wanted"),
    [
        ([], ("aa", 1)),
        ([("aa", 1)], ("slow1", 1)),
        ([("aa", 1), ("slow1", 1)], ("aa", 2)),
        ([("aa", 1), ("aa", 2), ("slow1", 1)], None),
    ],
)
def test_any_prefix_is_balanced(
    done: list[tuple[CountKind, int]], wanted: tuple[CountKind, int] | None
) -> None:
    """The kind of which the smallest share is done comes next."""
    records = [record(kind, number, 0.0) for kind, number in done]
    assert next_kind(records, {"aa": 2, "slow1": 1}) == wanted
