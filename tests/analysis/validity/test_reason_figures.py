"""What findings state besides their words: level, figure and limit, and where they begin."""

from math import exp

import msgspec
import pytest

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.validity.answers import elsewhere, no_answers
from asgi_bench.analysis.validity.cell import (
    FEWEST_JUDGED,
    MOST_GROWTH_BYTES,
    growth_findings,
    stall_findings,
)
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.analysis.validity.leftovers import (
    MOST_CPU_SHARE,
    MOST_DESCRIPTORS,
    leftover_findings,
)
from asgi_bench.analysis.validity.users import locustfile_exit, waiting_share
from asgi_bench.model import Cell, Leftovers, PlannedCell, Slice, Trial, UserFigures
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
CELL = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
MIB = 1 << 20


def seen(trial: Trial) -> Evidence:
    """A trial as rules see it."""
    return Evidence(trial, CELL, plan_of((PlannedCell(CELL),)))


def test_a_server_elsewhere_leaves_the_figures_valid() -> None:
    """It is told what they lack, and there is no limit to that."""
    reason = elsewhere(seen(replace(make_trial(CELL, 0, 0), target="http://h:1")))
    assert reason is not None
    assert (reason.code, reason.level, reason.value, reason.limit) == (
        "elsewhere",
        "valid",
        None,
        None,
    )


@pytest.mark.parametrize(("requests", "is_found"), [(0, True), (1, False)])
def test_one_response_is_enough_for_a_rate(requests: int, is_found: bool) -> None:
    """Without any there is none; the limit is that one."""
    reason = no_answers(seen(replace(make_trial(CELL, 0, 0), requests=requests)))
    assert (reason is not None) is is_found
    if reason is not None:
        assert (reason.level, reason.value, reason.limit) == ("invalid", 0.0, 1.0)


@pytest.mark.parametrize(
    ("lower", "judged", "is_found"),
    [
        (MOST_GROWTH_BYTES, FEWEST_JUDGED, False),
        (MOST_GROWTH_BYTES + 1, FEWEST_JUDGED, True),
        (MOST_GROWTH_BYTES + 1, FEWEST_JUDGED - 1, False),
    ],
)
def test_growth_is_told_where_it_is_sure(lower: float, judged: int, is_found: bool) -> None:
    """The whole interval is above the limit, over enough requests; the figures still count."""
    trial = replace(make_trial(CELL, 0, 0), memory_samples=((1, MIB), (judged, 2 * MIB)))
    found = growth_findings(Interval(4.0 * MIB, lower, 5.0 * MIB), None, [trial])
    assert bool(found) is is_found
    for reason in found:
        assert (reason.level, reason.value, reason.limit) == (
            "valid",
            4.0 * MIB,
            MOST_GROWTH_BYTES,
        )
        assert "memory grew by 4,096 KiB per 1,000 requests" in reason.text
        assert "to 5,120)" in reason.text
    kept = growth_findings(Interval(4.0 * MIB, lower, 5.0 * MIB), 3 * MIB, [trial])
    assert all("3.0 MiB were still in use" in reason.text for reason in kept)


def test_growth_of_what_is_unknown_is_not_told() -> None:
    """Two rounds have no interval, and a trial without samples no growth."""
    assert growth_findings(Interval(4.0 * MIB), None, []) == ()
    assert growth_findings(Interval(), None, []) == ()


def test_stalls_are_told_as_a_share() -> None:
    """By how much all slices are slower than the typical ones; none where they are faster."""
    (reason,) = stall_findings(-0.1)
    assert (reason.code, reason.level) == ("stalls", "valid")
    assert reason.value == pytest.approx(1 - exp(-0.1))
    assert "are 9.5% slower than" in reason.text
    assert stall_findings(0.1) == ()
    assert stall_findings(None) == ()


@pytest.mark.parametrize(
    ("left", "value", "words"),
    [
        (Leftovers(2.0, streams=1), 1.0, "1 stream still running in the app"),
        (Leftovers(2.0, streams=2, connections=3), 2.0, "2 streams still running in the app"),
        (Leftovers(2.0, connections=3), 3.0, "3 connections still open"),
        (Leftovers(2.0, descriptors=MOST_DESCRIPTORS + 1), 9.0, "9 descriptors more than before"),
        (
            Leftovers(2.0, cpu_share=2 * MOST_CPU_SHARE),
            0.0,
            f"the server using {2 * MOST_CPU_SHARE:.1%} of a CPU",
        ),
    ],
)
def test_what_is_left_is_told_with_the_most_telling_number(
    left: Leftovers, value: float, words: str
) -> None:
    """Streams before connections before descriptors; anything at all is beyond the limit."""
    (reason,) = leftover_findings(left)
    assert (reason.code, reason.level, reason.value, reason.limit) == (
        "left-over",
        "valid",
        value,
        0.0,
    )
    assert words in reason.text
    assert reason.text.startswith("2 s after all clients had gone: ")


def test_what_any_server_keeps_is_not_told() -> None:
    """A few files, and a little of the CPU."""
    few = Leftovers(
        2.0, streams=0, connections=0, descriptors=MOST_DESCRIPTORS, cpu_share=MOST_CPU_SHARE
    )
    assert leftover_findings(few) == ()
    assert leftover_findings(Leftovers(2.0)) == ()
    assert leftover_findings(None) == ()


def test_an_exit_code_has_no_limit_but_none() -> None:
    """Any that isn't 0 is beyond it."""
    trial = replace(make_trial(CELL, 0, 0), users=UserFigures(exit_code=3))
    reason = locustfile_exit(seen(trial))
    assert reason is not None
    assert (reason.level, reason.value, reason.limit) == ("valid", 3.0, 0.0)


def test_waiting_of_a_short_trial_counts_computing_too() -> None:
    """Half a second of one user, half of it computing; of no time at all nothing is computed."""
    piece = Slice(
        start_s=0,
        end_s=0.5,
        duration_s=0.5,
        requests=1,
        sent=1,
        errors=0,
        server_cpu_s=0,
        load_cpu_s=0,
    )
    users = UserFigures(users=1, in_flight_share=0.25)
    trial = Trial(cell="x", round=0, block=0, started_at="", outcome="ok", slices=(piece,))
    trial = replace(trial, load_cpu_s=0.25, users=users)
    assert waiting_share(trial) == pytest.approx(0.25)
    assert waiting_share(replace(trial, slices=())) == pytest.approx(0.75)
