"""Verbs that read runs which counted."""

import csv
import json
from html import unescape
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from asgi_bench.cli.main import command
from asgi_bench.errors import UsageError
from tests.synthetic_counts import CELL, CODE, INSTRUCTIONS, counted_run, store_counted
from tests.synthetic_history import run_at
from tests.synthetic_run import MACHINE, store_run

ELSEWHERE = msgspec.structs.replace(MACHINE, fingerprint="other", cpu_model="Intel Xeon")


def invoke(verb: str, *args: str | Path) -> Result:
    """Run one verb."""
    return CliRunner().invoke(command(verb), list(map(str, args)))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that counted uvicorn."""
    return store_counted(counted_run(), tmp_path)


def test_compare_judges_counts_of_two_machines(tmp_path: Path) -> None:
    """One per cent more instructions is a regression, without --force."""
    base = store_counted(counted_run(0), tmp_path)
    more = store_counted(counted_run(1, 0.01, machine=ELSEWHERE), tmp_path)
    found = invoke("compare", base, more)
    assert found.exit_code == 3, found.output
    last = found.stdout.splitlines()[-1]
    assert last.startswith(f"regression: {CELL.key}: 1.0") and "more instructions" in last
    assert invoke("compare", base, more, "--min-change", "5%").exit_code == 0
    markdown = invoke("compare", base, more, "--format", "markdown")
    assert markdown.exit_code == 3 and "half a system call" in markdown.stdout


def test_compare_names_what_keeps_counts_apart(tmp_path: Path) -> None:
    """Another library is no verdict: 0, and 4 with --fail-on-undecided."""
    base = store_counted(counted_run(0), tmp_path)
    other = store_counted(counted_run(1, 0.01, code={**CODE, "libc.so.6": "dddd"}), tmp_path)
    found = invoke("compare", base, other)
    assert found.exit_code == 0, found.output
    assert (
        "counted under different conditions: other files of libc.so.6"
    ) in found.stdout.splitlines()[-1]
    assert invoke("compare", base, other, "--fail-on-undecided").exit_code == 4


def test_counts_are_not_compared_with_times(run: Path, tmp_path: Path) -> None:
    """A run that counted and one that timed are refused together, by name."""
    timed = store_run(run_at(1), tmp_path)
    found = invoke("compare", run, timed)
    assert isinstance(found.exception, UsageError)
    assert run.name in str(found.exception)


def test_history_shows_counts_beside_times(tmp_path: Path) -> None:
    """Both have their parts: a change of a count is told, and the page has its chart."""
    for number in range(12):
        more = 0.01 if number >= 6 else 0.0
        machine = ELSEWHERE if number % 2 else MACHINE
        store_counted(counted_run(number, more, machine=machine), tmp_path)
    alone = invoke("history", tmp_path)
    assert alone.exit_code == 0, alone.output
    lines = alone.stdout.splitlines()
    assert lines[0] == "1 lasting change: 1 more, 0 less"
    assert "12 runs that counted" in alone.stdout and "on 2 machines" in alone.stdout
    store_run(run_at(0), tmp_path)
    both = invoke("history", tmp_path)
    assert both.stdout.splitlines()[0] == (
        "No lasting change in 1 run; counts: 1 lasting change: 1 more, 0 less"
    )
    assert f"{CELL.key}, instructions: 1" in both.stdout
    page = unescape((tmp_path / "history.html").read_text(encoding="utf-8"))
    assert "Instructions over time" in page and "Current counts" in page
    assert invoke("history", tmp_path).stdout == both.stdout


def test_a_life_more_is_read_anew(run: Path) -> None:
    """The index notices that a run which counted has grown."""
    assert "2 runs that counted" not in invoke("history", run.parent).stdout
    store_counted(counted_run(1), run.parent)
    (run / "lives.jsonl").write_bytes(b"")
    assert "1 run counted nothing" in " ".join(invoke("history", run.parent).stdout.split())


def test_counts_are_exported_for_continuous_benchmarks(run: Path) -> None:
    """Dashboards, Prometheus and Bencher get both counters, smaller being better."""
    to = run.parent / "dashboard"
    invoke("export", run, "--format", "github-action-benchmark", "--to", to)
    assert not (to / "bigger-is-better.json").exists()
    first, second = json.loads((to / "smaller-is-better.json").read_text())
    assert first["name"] == f"{CELL.key}: instructions per request, in user mode"
    assert first["value"] == pytest.approx(INSTRUCTIONS, rel=0.01)
    assert "instructions by valgrind in 4 layouts" in first["extra"]
    assert (second["unit"], second["value"]) == ("calls", 3.0)
    measures = json.loads(invoke("export", run, "--format", "bmf").stdout)[CELL.key]
    assert set(measures) == {"instructions-per-request", "syscalls-per-request"}
    text = invoke("export", run, "--format", "openmetrics").stdout
    parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    (sample,) = families["asgi_bench_syscalls_per_request"].samples
    assert (sample.value, sample.labels["server"]) == (3.0, "uvicorn")


def test_counts_are_lines_of_csv(run: Path) -> None:
    """`export` has a line for each layout, `report` one for each counter."""
    text = invoke("export", run, "--format", "csv").stdout
    lines = list(csv.DictReader(StringIO(text)))
    assert len(lines) == 8
    assert {line["counter"] for line in lines} == {"instructions", "syscalls"}
    told = list(csv.DictReader(StringIO(invoke("report", run, "--format", "csv").stdout)))
    assert [line["counter"] for line in told] == ["instructions", "syscalls"]
    assert float(told[1]["value"]) == 3.0


def test_formats_of_times_are_refused(run: Path) -> None:
    """A format that has no room for counts is named, with those that have."""
    found = invoke("export", run, "--format", "hgrm")
    assert isinstance(found.exception, UsageError)
    assert "github-action-benchmark, bmf, openmetrics, csv" in str(found.exception)
