"""Findings on load that came from other hosts, and on servers that somebody else has started."""

import msgspec
import pytest

from asgi_bench.analysis.validity import answers, limits, load, processes
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, LoadHost, PlannedCell, Reason, Trial
from tests.analysis.validity.one_room import findings_of
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
CELL = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
# Four slices.
TRIAL = make_trial(CELL, 0, 0)
HOSTS = (LoadHost("near", 0.0002, 5.0), LoadHost("far", 0.0031, -2.0))


def found(trial: Trial) -> dict[str, Reason]:
    """The findings on a trial by code."""
    findings = findings_of(answers, limits, load, processes, trial=trial, cell=CELL)
    return {reason.code: reason for reason in findings}


def test_the_way_to_load_hosts_is_told() -> None:
    """The longest of their round trips, which is in every response time; of one machine nothing."""
    told = found(replace(TRIAL, load_hosts=HOSTS))["load-hosts"]
    assert told.level == "valid"
    assert told.value == 0.0031
    assert "2 load processes of other hosts (far, near)" in told.text
    assert "a round trip of 3.1 ms away" in told.text
    assert "load-hosts" not in found(TRIAL)


@pytest.mark.parametrize(("late", "is_found"), [(0, False), (1, True)])
def test_load_hosts_should_begin_together(late: int, is_found: bool) -> None:
    """One slice of four is more than one of twenty."""
    told = found(replace(TRIAL, load_hosts=HOSTS, late_slices=late)).get("out-of-step")
    assert (told is not None) == is_found
    if told is not None:
        assert (told.level, told.value, told.limit) == ("suspect", 0.25, 0.05)


def test_of_a_server_elsewhere_nothing_is_claimed() -> None:
    """It has no CPU time: it is no idle server, and nobody says whose limit was reached."""
    trial = replace(TRIAL, target="http://10.0.0.1", server_cpu_s=0.0, load_cpu_s=0.4)
    told = found(trial)
    assert told.keys() == {"elsewhere"}
    assert answers.is_credited(trial)
    assert Evidence(trial, CELL, plan_of((PlannedCell(CELL),))).server_share is None


@pytest.mark.parametrize(("share", "is_found"), [(0.89, False), (0.91, True)])
def test_a_busy_generator_is_the_limit_as_far_as_can_be_told(share: float, is_found: bool) -> None:
    """Where the server may have idled a figure says nothing of it."""
    trial = replace(TRIAL, target="http://10.0.0.1", load_cpu_s=share * TRIAL.duration_s)
    told = found(trial).get("generator-bound")
    assert (told is not None) == is_found
    if told is not None:
        assert told.level == "invalid"
        assert "nothing is known about the server" in told.text
