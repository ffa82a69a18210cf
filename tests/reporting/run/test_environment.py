"""Where and how a run was measured, as its page tells it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Resumption, Run
from asgi_bench.reporting.document import Entry, Facts, Fold, Links, Notes, Section, Text
from asgi_bench.reporting.run.environment import environment_section, files_section
from asgi_bench.reporting.run.source import Charts, Source
from tests.synthetic_calibration import full_calibration
from tests.synthetic_run import planned_cells, synthetic_run

replace = msgspec.structs.replace
RUN = synthetic_run(planned_cells()[:1], rounds=1)
REPORT = summarize(RUN)


def of_header(**fields: Any) -> Run:
    """The run with another header."""
    return replace(RUN, header=replace(RUN.header, **fields))


def of_plan(**fields: Any) -> Run:
    """The run with another plan."""
    return of_header(plan=replace(RUN.header.plan, **fields))


def of_target() -> Run:
    """A run that loaded a server which was already running."""
    (planned,) = RUN.header.plan.cells
    return of_plan(cells=(replace(planned, target="http://10.0.0.1:8000"),))


def facts_of(run: Run, **found: Any) -> dict[str, str]:
    """The facts about machine and run."""
    blocks = environment_section(Source(REPORT, run, **found)).blocks
    facts = [
        fact
        for entry in blocks
        if isinstance(entry, Entry)
        for block in entry.blocks
        if isinstance(block, Facts)
        for fact in block.facts
    ]
    assert len(dict(facts)) == len(facts)
    return {name: str(words) for name, words in facts}


def folds_of(section: Section) -> dict[str, Fold]:
    """What can be opened in a section, by title."""
    return {block.title: block for block in section.blocks if isinstance(block, Fold)}


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (lambda: RUN, "command", "asgi-bench run --label synthetic"),
        (lambda: of_header(command_line=()), "command", "–"),  # noqa: RUF001
        (lambda: RUN, "CPU", "AMD EPYC 7763 64-Core Processor, 2 CPUs"),
        (lambda: RUN, "load average", "0.12 0.20 0.18"),
        (lambda: RUN, "CPUs of the servers", "0"),
        (lambda: of_plan(server_cpus=()), "CPUs of the servers", "any"),
        (of_target, "CPUs of the servers", "not known: the servers were already running"),
        (lambda: of_plan(listen="10.0.0.2:5557"), "load hosts come to", "10.0.0.2:5557"),
        (
            lambda: of_plan(python="/opt/py/bin/python"),
            "Python of the servers",
            "/opt/py/bin/python",
        ),
        (lambda: of_header(command_line=("x\x1b[1m",)), "command", "x"),
    ],
)
def test_a_run_can_be_repeated_from_its_facts(
    make: Callable[[], Run], name: str, told: str
) -> None:
    """What was typed, on which CPUs, from where: each is told, and what isn't known is said."""
    assert facts_of(make())[name].strip("'") == told


def test_what_does_not_apply_is_left_out() -> None:
    """A run of one part on this machine alone has no word of parts, hosts or phases."""
    names = facts_of(RUN).keys()
    assert not names & {"resumed", "load hosts come to", "Python of the servers", "time spent"}
    assert "clock governor" not in names


def test_time_spent_is_told_by_phase() -> None:
    """Where the time went stands beside the rest."""
    assert facts_of(RUN, phases_s={"load": 75.0, "start": 25.0})["time spent"] == (
        "100 s: under load 75%, starting servers 25%"
    )


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Resumption("2026-11-23T08:30:00Z", 3), "2026-11-23 08:30 UTC, from round 4 on"),
        (
            Resumption("2026-11-23T08:30:00Z", 0, budget_s=90.0, set_aside=5),
            "2026-11-23 08:30 UTC, from round 1 on, for at most 90s; 5 trials of an interrupted "
            "round are in unfinished.jsonl",
        ),
        (
            Resumption("2026-11-23T08:30:00Z", 1, damage=("a line was cut\x1b[1m",)),
            "2026-11-23 08:30 UTC, from round 2 on; a line was cut",
        ),
    ],
)
def test_a_later_part_is_told(part: Resumption, told: str) -> None:
    """When it began, for how long at most, and what became of what was there."""
    assert facts_of(of_header(resumed=(part,)))["resumed"] == told


def test_calibration_and_packages_can_be_opened() -> None:
    """What was known of the machine beforehand is there in full, and which packages there were."""
    preparation = replace(RUN.header.preparation, calibration=full_calibration())
    found = folds_of(environment_section(Source(REPORT, of_header(preparation=preparation))))
    assert list(found) == ["Installed packages (2)", "Calibration"]
    heading = found["Calibration"].blocks[0]
    assert isinstance(heading, Text) and str(heading.words).startswith("Calibration (full)")
    packages = found["Installed packages (2)"].blocks[0]
    assert isinstance(packages, Facts)
    assert packages.facts == (("granian", "2.8.7"), ("uvicorn", "0.54.0"))
    assert "Calibration" not in folds_of(environment_section(Source(REPORT, RUN)))


def test_a_report_alone_knows_no_environment() -> None:
    """Without the stored run there are neither facts nor files to link to."""
    for section in (environment_section(Source(REPORT)), files_section(Source(REPORT))):
        assert section.blocks == ()


def test_charts_that_are_not_there_are_accounted_for() -> None:
    """What was too large, and what couldn't be drawn, stands beside the raw data."""
    charts = Charts((), ("CPU: hello", "Memory: hello"), ("the chart x can't be drawn: y",))
    *_, links, notes = files_section(Source(REPORT, RUN, charts=charts)).blocks
    assert isinstance(links, Links) and links.links == ()
    assert isinstance(notes, Notes)
    first, second = notes.texts
    assert first == "the chart x can't be drawn: y"
    assert second.startswith("2 more charts are left out") and second.endswith(
        "draws them all: CPU: hello; Memory: hello."
    )


def test_links_are_relative_and_say_how_large_the_file_is(tmp_path: Path) -> None:
    """Only files that are known are linked, each part of an address quoted, a folder as one."""
    (tmp_path / "run.json").write_bytes(b"x" * 1234)
    (tmp_path / "logs").mkdir()
    (tmp_path / "locust:#1_stats.csv").write_text("")
    (tmp_path / "other.txt").write_text("")
    _, links, _ = files_section(Source(REPORT, replace(RUN, folder=str(tmp_path)))).blocks
    assert isinstance(links, Links)
    assert [(link.address, link.name, link.size) for link in links.links] == [
        ("./run.json", "run.json", "1.2 kB"),
        ("./locust%3A%231_stats.csv", "locust:#1_stats.csv", "0 kB"),
        ("./logs/", "logs", ""),
    ]
