"""Findings on load that came from other hosts, and on servers that somebody else has started."""

import msgspec
import pytest

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.analysis.network import PACKET_BYTES, link_share, network_of
from asgi_bench.analysis.utilization import load_occupied_share
from asgi_bench.analysis.validity import answers, hosts, limits, load, processes
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, HostSlice, Link, LoadHost, OpenLoop, PlannedCell, Reason, Trial
from tests.analysis.validity.one_room import findings_of
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
CELL = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
# Four slices.
TRIAL = make_trial(CELL, 0, 0)
HOSTS = (LoadHost("near", 0.0002, 5.0), LoadHost("far", 0.0031, -2.0))


def found(trial: Trial, cell: Cell = CELL) -> dict[str, Reason]:
    """The findings on a trial by code."""
    findings = findings_of(answers, hosts, limits, load, processes, trial=trial, cell=cell)
    return {reason.code: reason for reason in findings}


def test_the_way_to_load_hosts_is_told() -> None:
    """The longest of their round trips, which is in every response time; of one machine nothing."""
    told = found(replace(TRIAL, load_hosts=HOSTS))["load-hosts"]
    assert told.level == "valid"
    assert told.value == 0.0031
    assert "2 load processes of other hosts (far, near)" in told.text
    assert "a round trip of 3.1 ms away" in told.text
    assert "load-hosts" not in found(TRIAL)


@pytest.mark.parametrize(
    ("late", "starved", "left_out", "told"),
    [
        (0, 0, 0, None),
        (1, 0, 1, ("suspect", 0.2, "they are left out")),
        (1, 2, 0, ("invalid", 0.75, "the server had less load than stated")),
    ],
)
def test_load_hosts_should_keep_step(
    late: int, starved: int, left_out: int, told: tuple[str, float, str] | None
) -> None:
    """What can be left out makes a trial suspect; what can't makes it invalid."""
    trial = replace(
        TRIAL,
        load_hosts=HOSTS,
        late_slices=late,
        starved_slices=starved,
        left_out_slices=left_out,
    )
    reason = found(trial).get("out-of-step")
    if told is None:
        assert reason is None
        return
    level, value, words = told
    assert reason is not None
    assert (reason.level, reason.value, reason.limit) == (level, value, 0.05)
    assert words in reason.text


def test_a_trial_whose_load_was_lost_is_invalid() -> None:
    """It says why, and how much of it there is."""
    reason = found(replace(TRIAL, load_hosts=HOSTS, load_fault="load host far is gone"))[
        "load-lost"
    ]
    assert reason.level == "invalid"
    assert reason.text.startswith("load host far is gone; 4 slices had been measured")


def over_a_link(to_host_bytes_per_s: float, *, server_cpu_share: float = 0.5) -> Trial:
    """A trial of two load hosts which received 1 MB a second together, the far one over this."""
    worse = Link(0.003, to_host_bytes_per_s / 2, 1e9)
    far = replace(HOSTS[1], before=worse, after=Link(0.003, to_host_bytes_per_s, 1e9))
    near = replace(HOSTS[0], before=Link(0.0002, 1e9, 1e9))
    slices = tuple(
        replace(
            piece,
            received_bytes=round(1e6 * piece.duration_s) - PACKET_BYTES * piece.sent,
            sent_bytes=None,
        )
        for piece in TRIAL.slices
    )
    return replace(
        TRIAL,
        slices=slices,
        load_hosts=(near, far),
        server_cpu_s=server_cpu_share * TRIAL.duration_s,
    )


def test_the_slowest_link_tells_how_much_of_the_network_was_used() -> None:
    """Half of the bytes went over it; the better of two measurements counts."""
    assert link_share(over_a_link(1e6)) == pytest.approx(0.5, rel=1e-3)
    assert link_share(replace(TRIAL, load_hosts=HOSTS)) is None
    assert link_share(TRIAL) is None


def test_a_full_network_is_the_limit() -> None:
    """Of a closed loop whose server could do more; else response times have it in them."""
    assert "link-limited" not in found(over_a_link(1e6))
    limited = found(over_a_link(0.6e6))
    assert limited["link-limited"].level == "invalid"
    assert limited["link-limited"].value == pytest.approx(0.83, rel=0.01)
    assert found(over_a_link(0.6e6, server_cpu_share=1.0))["link-limited"].level == "suspect"
    open_loop = Cell("uvicorn", "default", 1, "hello", OpenLoop(100))
    assert found(over_a_link(0.6e6), open_loop)["link-limited"].level == "suspect"


def test_a_report_has_the_network_of_the_farthest_and_slowest_host() -> None:
    """Of load from this machine there is none."""
    network = network_of([over_a_link(1e6)], Percentiles(p50=0.001))
    assert network is not None
    assert network.load_processes == 2
    assert (network.shortest_round_trip_s, network.longest_round_trip_s) == (0.0002, 0.003)
    assert network.to_host_bytes_per_s == 1e6
    assert network.response_time_less_round_trip_s.p50 == 0.001
    assert network_of([TRIAL], Percentiles()) is None


def test_one_busy_load_host_is_a_busy_generator() -> None:
    """It limits its part of the load, whatever time the others have."""
    slices = tuple(
        replace(piece, by_host=(HostSlice(0.0, 0.1, 0.0), HostSlice(0.0, 0.85, 0.1)))
        for piece in TRIAL.slices
    )
    plan = replace(plan_of((PlannedCell(CELL),)), load_hosts=2)
    share = load_occupied_share(replace(TRIAL, slices=slices, load_cpu_s=0.0), plan)
    assert share == pytest.approx(0.95)


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
