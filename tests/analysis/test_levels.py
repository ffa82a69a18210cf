from collections.abc import Callable

import msgspec
import pytest

from asgi_bench.analysis.across_cells import Level
from asgi_bench.analysis.levels import FirstPlaces, first_places
from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import ClosedLoop, Reason, Run, Trial
from tests.synthetic_levels import CLOSED_256, GRANIAN, turning_run
from tests.synthetic_run import CLOSED_64, planned_cells, synthetic_run

UVICORN = "uvicorn/default/w1/hello"
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def report() -> Report:
    """The report of a run in which granian turns from behind uvicorn to before it."""
    return summarize(turning_run())


def level_of(report: Report, cell: str) -> Level:
    """The entry of a cell."""
    (found,) = [level for level in report.levels if level.cell == cell]
    return found


def turns_of(run: Run, cell: str) -> list[Reason]:
    """What is said of a cell's threads."""
    (found,) = [each for each in summarize(run).cells if each.cell == cell]
    return [reason for reason in found.validity_reasons if reason.code == "threads-take-turns"]


def test_only_settings_with_several_counts_have_levels(report: Report) -> None:
    """A variant that was measured over 64 connections alone has no level; `default` has two."""
    assert {level.connections for level in report.levels} == {64, 256}
    assert all("/default/w1/" in level.cell for level in report.levels)
    assert len(report.levels) == 2 * 6
    assert summarize(synthetic_run()).levels == ()


def test_what_passes_another_names_it(report: Report) -> None:
    """granian is behind uvicorn over 64 connections and before it over 256, and says so there."""
    few, many = (level_of(report, f"{GRANIAN}/{load}") for load in ("c64", "c256"))
    assert few.overtakes == ()
    assert f"{UVICORN}/c256" in many.overtakes
    assert level_of(report, f"{UVICORN}/c256").overtakes == ()


def test_a_ratio_s_change_is_paired_by_rounds(report: Report) -> None:
    """It is the known change within its interval, and there is none of the base and reference."""
    many = level_of(report, f"{GRANIAN}/c256").ratio_change
    assert many.value and many.lower and many.upper
    assert many.lower < 2 < many.upper and many.upper / many.lower < 1.2
    for cell in (f"{GRANIAN}/c64", f"{UVICORN}/c64", f"{UVICORN}/c256"):
        assert level_of(report, cell).ratio_change.value is None


def test_the_first_place_turns_over(report: Report) -> None:
    """Over no two counts that differ in it is a setting first over both."""
    (found,) = first_places(report)
    assert found.turns_over and found.settings == 6
    names = {count: {cell.server for cell in cells} for count, cells in found.leaders.items()}
    assert names[256] == {"granian"}
    assert names[64] and names[64] <= {"uvicorn", "gunicorn-uvicorn"}


def test_no_order_is_claimed_of_few_rounds() -> None:
    """With fewer than six rounds nobody is first, nobody is passed, and nothing turns over."""
    report = summarize(turning_run(rounds=5))
    assert report.levels and first_places(report) == ()
    assert not any(level.overtakes for level in report.levels)


def test_an_order_that_stays_does_not_turn_over() -> None:
    """Where the same setting is first over all counts, nothing is said to turn over."""
    cells = planned_cells((CLOSED_64, CLOSED_256), worker_counts=(1,))
    (found,) = first_places(summarize(synthetic_run(cells, rounds=6)))
    assert not found.turns_over
    assert {cell.server for cell in found.leaders[64]} & {
        cell.server for cell in found.leaders[256]
    }


def test_who_shares_a_first_place_keeps_it(report: Report) -> None:
    """Where one of two that share it at one count is alone at another, nothing has turned over."""
    one, other = (cell for cell in report.cells if cell.cell.startswith(UVICORN))
    cells = {cell.cell: cell for cell in report.cells}
    rival = cells[f"{GRANIAN}/c64"]
    shared = FirstPlaces("hello", 1, 2, {64: (one, rival), 256: (other,)})
    assert not shared.turns_over
    assert shared._replace(leaders={64: (rival,), 256: (other,)}).turns_over


def test_threads_that_take_turns_are_named(report: Report) -> None:
    """Many switches a request over few connections, few over many, and CPU time that it costs."""
    (reason,) = turns_of(turning_run(), f"{GRANIAN}/c64")
    assert reason.level == "valid" and (reason.value or 0) > 0.5
    assert "at 64 connections" in reason.text and "at 256" in reason.text
    assert not turns_of(turning_run(), f"{UVICORN}/c64")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda trial: replace(trial, voluntary_switches=None),
        lambda trial: replace(
            trial, voluntary_switches=trial.requests // 50, involuntary_switches=0
        ),
        lambda trial: replace(trial, server_cpu_s=trial.server_cpu_s * 0.5),
        lambda trial: replace(trial, server_cpu_s=trial.requests * 50e-6),
    ],
    ids=["unknown", "seldom", "idle", "for nothing"],
)
def test_nothing_is_said_of_threads_that_may_wait_for_work(
    spoil: Callable[[Trial], Trial],
) -> None:
    """Without counts, without many switches, of an idle server, or at no cost, it is not said."""

    def edit(trial: Trial) -> Trial:
        return spoil(trial) if trial.cell.startswith(GRANIAN) else trial

    run = turning_run()
    run = replace(run, trials=tuple(map(edit, run.trials)))
    assert turns_of(run, f"{GRANIAN}/c64") == []


def test_three_counts_are_looked_at_two_by_two() -> None:
    """With further counts a setting's base is the fewest of its own."""
    loads = (ClosedLoop(16), CLOSED_64, CLOSED_256)
    report = summarize(synthetic_run(planned_cells(loads, worker_counts=(1,)), rounds=6))
    bases = {level.base.rpartition("/")[2] for level in report.levels}
    assert bases == {"c16"}
    assert {level.connections for level in report.levels} == {16, 64, 256}
