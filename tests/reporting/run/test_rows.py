"""Rows and lines that several sections share."""

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Resumption, Trial
from asgi_bench.reporting.groups import group_cells
from asgi_bench.reporting.run.rows import resumed_words, rounds_words
from tests.synthetic_run import failed, planned_cells, synthetic_run

PARTS = tuple(Resumption(f"2026-11-2{day}T08:30:00Z", day) for day in (3, 4))


def rounds_of(rounds: int, spoilt: int = 0) -> str:
    """How many rounds are told of two cells, one of which failed in so many."""

    def edit(trial: Trial) -> Trial:
        is_spoilt = trial.cell.startswith("daphne") and trial.round < spoilt
        return failed(trial, "exited with 1") if is_spoilt else trial

    cells = planned_cells(worker_counts=(1,))[:2]
    (group,) = group_cells(summarize(synthetic_run(cells, rounds=rounds, edit=edit)).cells)
    return rounds_words(group)


def test_rounds_are_those_that_count() -> None:
    """One number where all cells have as many, else the fewest and the most."""
    assert [rounds_of(1), rounds_of(5), rounds_of(5, spoilt=2)] == [
        "1 round",
        "5 rounds",
        "3 to 5 rounds",
    ]
    assert rounds_of(0) == ""


def test_later_parts_are_counted() -> None:
    """When a run went on last, and how often where it was more than once."""
    assert resumed_words(PARTS[:1]) == "resumed 2026-11-23 08:30 UTC"
    assert resumed_words(PARTS) == "resumed 2 times, last 2026-11-24 08:30 UTC"
