import io

import msgspec
import pytest
from rich.console import Console

from asgi_bench.cli import progress as module
from asgi_bench.cli.progress import RunProgress
from asgi_bench.measurement.progress import Event, PhaseBegun, SliceDone, TrialDone
from asgi_bench.model import ClosedLoop, Goal, Trial
from asgi_bench.model.goal import MOST_ROUNDS_OF_A_BUDGET
from tests.synthetic_run import failed, make_trial, plan_of, planned_cells

CELL = planned_cells((ClosedLoop(64),), (1,))[0].cell
TRIAL = make_trial(CELL, 0, 0)
EVENTS: tuple[Event, ...] = (
    PhaseBegun(0, 0, "start"),
    PhaseBegun(0, 0, "open"),
    PhaseBegun(0, 0, "load"),
    SliceDone(CELL.key, 12_345.6, 1.0, 4.0),
    PhaseBegun(0, 0, "stop"),
    TrialDone(TRIAL),
    PhaseBegun(1, 1, "start"),
)


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The display's clock."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def shown(*events: Event, clock: Clock, is_terminal: bool, apart_s: float = 10.0) -> str:
    """What a display writes on events that come one after another."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=120)
    with RunProgress(plan_of((), rounds=2), console) as progress:
        for event in events:
            clock.now_s += apart_s
            progress.observe(event)
    return stream.getvalue()


def test_without_a_terminal_each_block_is_one_plain_line(clock: Clock) -> None:
    """No codes and no redrawing: a line a block, with the time left as soon as it can be told."""
    text = shown(*EVENTS, clock=clock, is_terminal=False)
    # A quarter of the load took 70 s when the second block began.
    assert text.splitlines() == [
        "round 1 of 2, block 1",
        "round 2 of 2, block 2 3:30 left",
    ]


@pytest.mark.parametrize(
    ("rounds", "first"),
    [(MOST_ROUNDS_OF_A_BUDGET, "round 1, block 1"), (9, "round 1 of at most 9, block 1")],
)
def test_a_budget_tells_no_rounds_that_nobody_asked_for(
    clock: Clock, rounds: int, first: str
) -> None:
    """It ends long before the most that a plan has."""
    stream = io.StringIO()
    plan = msgspec.structs.replace(plan_of((), rounds=rounds), goal=Goal(budget_s=300.0))
    with RunProgress(plan, Console(file=stream, force_terminal=False, width=120)) as progress:
        progress.observe(EVENTS[0])
    assert stream.getvalue().splitlines() == [first]


def test_a_terminal_shows_round_cell_time_left_and_last_throughput(clock: Clock) -> None:
    """The live line says where the run is and what was measured last."""
    text = shown(*EVENTS[:4], clock=clock, is_terminal=True)
    assert "round 1/2: under load" in text
    assert "25 %" in text
    assert "2:00 left" in text
    assert f"{CELL.key} 12,346/s" in text


def test_a_terminal_is_redrawn_at_most_twice_a_second(clock: Clock) -> None:
    """Drawing takes CPU: a thousand slices in a second are no thousand drawings."""
    slices = tuple(SliceDone(CELL.key, 1.0, n / 1000, 10.0) for n in range(1000))
    often = shown(*slices, clock=clock, is_terminal=True, apart_s=0.001)
    rarely = shown(*slices[:4], clock=clock, is_terminal=True, apart_s=0.6)
    # And once more when the display is taken away.
    assert often.count(CELL.key) <= 4
    assert rarely.count(CELL.key) == 5


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_failure_is_told_at_once_as_it_is(clock: Clock, is_terminal: bool) -> None:
    """One line with the reason, whatever markup it seems to hold; a good trial says nothing."""
    trial: Trial = failed(TRIAL, "exited with 3: [bold]no[/bold] module")
    text = shown(TrialDone(trial), TrialDone(TRIAL), clock=clock, is_terminal=is_terminal)
    lines = [line for line in text.splitlines() if "failed" in line]
    assert len(lines) == 1
    assert lines[0].endswith(f"{CELL.key}: failed: exited with 3: [bold]no[/bold] module")


def test_a_long_reason_stays_one_line(clock: Clock) -> None:
    """A log that is searched for a cell finds all of it."""
    text = shown(TrialDone(failed(TRIAL, "no " * 200)), clock=clock, is_terminal=False)
    assert len(text.splitlines()) == 1
