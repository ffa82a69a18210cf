"""What is left of streams: the most in any round, and when a word is due."""

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.leftovers import (
    MOST_CPU_SHARE,
    MOST_DESCRIPTORS,
    leftover_findings,
    most_left,
)
from asgi_bench.model import Leftovers, Trial
from tests.synthetic_streams import LEAK, LEFT, streams_run

replace = msgspec.structs.replace
TRIAL = Trial(cell="a", round=0, block=0, started_at="", outcome="ok")


def test_the_most_of_any_round_stands() -> None:
    """A leak in one round is one; what no round could tell stays unknown."""
    trials = [
        replace(TRIAL, leftovers=Leftovers(5.2, 3, None, 0, 10, 0.0)),
        replace(TRIAL, leftovers=Leftovers(5.1, 0, None, 7, 30, 0.5)),
        TRIAL,
    ]
    assert most_left(trials) == Leftovers(5.1, 3, None, 7, 30, 0.5)
    assert most_left([TRIAL]) is None


@pytest.mark.parametrize(
    ("field", "harmless", "told"),
    [
        ("streams", 0, (1, "1 stream still running in the app; the app isn't told")),
        ("connections", 0, (64, "64 connections still open")),
        ("descriptors", MOST_DESCRIPTORS, (9, "9 descriptors more than before")),
        ("cpu_share", MOST_CPU_SHARE, (0.021, "the server using 2.1% of a CPU")),
        ("pss_kept_bytes", 10**9, None),
    ],
)
def test_a_word_is_due_for_what_is_left(
    field: str, harmless: float, told: tuple[float, str] | None
) -> None:
    """At the limit none is, above it one that says what; memory alone is a figure of its own."""
    assert leftover_findings(replace(LEFT, **{field: harmless})) == ()
    if told is not None:
        (reason,) = leftover_findings(replace(LEFT, **{field: told[0]}))
        assert reason.text.startswith(f"5 s after all clients had gone: {told[1]}")
        assert (reason.code, reason.level) == ("left-over", "valid")


def test_only_who_leaks_is_told_of() -> None:
    """In a report the finding stands at the cells that left something, and figures at all."""
    cells = summarize(streams_run()).cells
    for cell in cells:
        is_leak = cell.server == "hypercorn"
        assert cell.leftovers == (LEAK if is_leak else LEFT)
        assert is_leak == any(one.code == "left-over" for one in cell.validity_reasons)


def test_nothing_is_said_where_nothing_was_looked_for() -> None:
    """Cells without held streams have neither the figures nor the finding."""
    assert leftover_findings(None) == ()
