"""Single A/Bs by counts that were kept: what is called, and what is not."""

import pytest

from gate.cases import (
    CASES,
    CaseName,
    CaseRecord,
    case_section,
    case_table,
    explained_lines,
    read_cases,
    read_timed,
)
from gate.records import ROOT

KEPT = ROOT / "results" / "recorded" / "count-cases"


def case(name: CaseName) -> CaseRecord:
    """A case that was kept."""
    found = [record for record in read_cases(KEPT) if record.kind == name]
    if not found:
        pytest.skip(f"{name} has not been recorded yet: scripts/bench-count-cases")
    return found[0]


def test_a_longer_path_is_not_called() -> None:
    """A longer path, name and environment, and nothing else, is neither slower nor faster."""
    report = case("alike").judged
    assert report.verdict in ("pass", "undecided"), report.text


def test_memory_in_no_cache_is_seen_by_time_alone() -> None:
    """The same instructions on memory far away count the same, and take longer."""
    metrics = {one.metric: one for one in case("far").judged.cells[0].metrics}
    assert metrics["instructions_per_request"].verdict in ("pass", "undecided")
    assert abs(metrics["instructions_per_request"].effect.d) < 0.005
    timed = {record.kind: record.report for record in read_timed(KEPT / "time")}
    if "far" in timed:
        assert timed["far"].verdict == "regression"


def test_one_more_call_is_called_by_system_calls() -> None:
    """One more `os.stat` a request is one more system call."""
    metrics = {one.metric: one for one in case("stat").judged.cells[0].metrics}
    assert metrics["syscalls_per_request"].verdict == "regression"
    assert metrics["syscalls_per_request"].effect.d == pytest.approx(1.0, abs=0.05)


def test_an_upgrade_is_explained() -> None:
    """Two real versions of a server differ in Python functions, which are named."""
    record = case("upgrade")
    (calls,) = (one for one in record.judged.explanations if one.by == "python_function")
    assert calls.baseline > calls.candidate
    first = calls.changes[0]
    assert (first.baseline, first.candidate) == (4.0, 0.0)
    assert any(first.name in line for line in explained_lines(record))


def test_the_section_tells_every_case() -> None:
    """Each kept case has its row, in words."""
    records = read_cases(KEPT)
    assert len(case_table(records)) == 2 + len(records)
    text = case_section(KEPT)
    assert all(CASES[record.kind].told in text for record in records)
    assert case_section(KEPT / "nowhere") == "Nothing has been recorded yet."
