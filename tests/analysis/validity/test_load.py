from typing import Any

import msgspec
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.validity import load as timing
from asgi_bench.analysis.validity import machine, processes
from asgi_bench.model import (
    GENERATOR_LAG,
    RESPONSE_TIME,
    Cell,
    ClosedLoop,
    ErrorCounts,
    Load,
    OpenLoop,
    RateSweep,
    Reason,
    Trial,
)
from tests.analysis.validity.one_room import findings_of
from tests.synthetic_run import CLOSED_64, make_trial, metered

replace = msgspec.structs.replace
OPEN_500 = OpenLoop(500)
SWEEP = RateSweep((0.25, 0.5, 1.1))


def cell_under(load: Load, workers: int = 1) -> Cell:
    """A cell of the reference server."""
    return Cell("uvicorn", "default", workers, "hello", load)


def sound(load: Load) -> Trial:
    """A sound trial under a load."""
    return make_trial(cell_under(load), 0, 0)


def load_findings(trial: Trial, cell: Cell) -> list[Reason]:
    """What the rules on the load and on its circumstances find."""
    return findings_of(timing, machine, processes, trial=trial, cell=cell)


def found(trial: Trial, load: Load = OPEN_500, workers: int = 1) -> dict[str, Reason]:
    """The findings on a trial by code."""
    return {reason.code: reason for reason in load_findings(trial, cell_under(load, workers))}


def blob(times_s: dict[float, int]) -> str:
    """A histogram of so many samples of each time."""
    histogram = HdrHistogram(1_000, 60_000_000_000, 3)
    for time_s, count in times_s.items():
        histogram.record_value(int(time_s * 1e9), count)
    return str(histogram.encode().decode("ascii"))


@pytest.mark.parametrize(
    ("asked", "allowed", "is_found"),
    [(8, 8, False), (8, 3, True), (1, None, False), (8, None, False)],
)
def test_fewer_streams_than_asked_for_are_said(
    asked: int, allowed: int | None, is_found: bool
) -> None:
    """A server that takes fewer at once was not measured under the load that the key names."""
    load = ClosedLoop(8, asked)
    trial = replace(sound(load), streams=allowed)
    reason = found(trial, load).get("few-streams")
    assert (reason is not None) is is_found
    if reason is not None:
        assert (reason.level, reason.value, reason.limit) == ("suspect", 3, 8)
        assert "allows 3 streams per connection" in reason.text


@pytest.mark.parametrize("load", [CLOSED_64, OPEN_500, SWEEP])
def test_sound_trial_has_no_findings(load: Load) -> None:
    """Under every load: what is as it should be is not talked about."""
    assert found(sound(load), load) == {}


@pytest.mark.parametrize("load", [CLOSED_64, OPEN_500, SWEEP])
def test_trial_without_slices_has_no_findings(load: Load) -> None:
    """Rules that rest on what isn't known find nothing, and don't fail."""
    bare = Trial(cell="x", round=0, block=0, started_at="", outcome="ok")
    assert found(bare, load) == {}


def accounted(load: Load, share: float) -> Trial:
    """A trial whose response times explain that share of the time."""
    trial = sound(load)
    pieces = tuple(replace(piece, accounted_share=share) for piece in trial.slices)
    return replace(trial, slices=pieces)


@pytest.mark.parametrize(("share", "is_found"), [(0.9801, False), (0.9799, True), (1.5, False)])
def test_closed_loop_has_to_explain_its_time(share: float, is_found: bool) -> None:
    """Below 98 % the connections waited for the generator; more than all there can't be."""
    finding = found(accounted(CLOSED_64, share), CLOSED_64).get("unaccounted-time")
    assert (finding is not None) == is_found
    if finding is not None:
        assert (finding.level, finding.value, finding.limit) == ("suspect", share, 0.98)


@pytest.mark.parametrize(
    ("share", "is_found"), [(0.949, True), (0.951, False), (1.049, False), (1.051, True)]
)
@pytest.mark.parametrize("load", [OPEN_500, SWEEP])
def test_open_loop_obeys_littles_law(load: Load, share: float, is_found: bool) -> None:
    """Requests in flight are rate times mean response time within 5 %, to either side."""
    finding = found(accounted(load, share), load).get("little")
    assert (finding is not None) == is_found
    if finding is not None:
        assert finding.level == "suspect"
        assert finding.value == pytest.approx(share)


@pytest.mark.parametrize("spoilt", ["an error", "one never sent"])
@pytest.mark.parametrize("load", [OPEN_500, SWEEP])
def test_littles_law_is_held_against_whole_slices_alone(load: Load, spoilt: str) -> None:
    """What got no right answer was in flight without a response time: that slice isn't judged."""
    trial = accounted(load, 1.5)
    pieces = list(trial.slices)
    for place, piece in enumerate(pieces):
        figures = piece.open_loop
        assert figures is not None
        if spoilt == "an error":
            pieces[place] = replace(piece, requests=piece.requests - 1, errors=1)
        else:
            figures = replace(figures, due=figures.due + 1, unsent=1)
            pieces[place] = replace(piece, open_loop=figures)
    assert "little" not in found(replace(trial, slices=tuple(pieces)), load)
    # One that is whole is judged beside them.
    assert "little" in found(replace(trial, slices=(*pieces[1:], trial.slices[0])), load)


def nagled(share: float, time_s: float, cpu_share: float) -> Trial:
    """A trial of which that share of the answers took so long, the server so busy."""
    slow = round(10_000 * share)
    trial = sound(CLOSED_64)
    return replace(
        trial,
        times_hdr={RESPONSE_TIME: blob({0.001: 10_000 - slow, time_s: slow})},
        server_cpu_s=cpu_share * trial.duration_s,
    )


@pytest.mark.parametrize(
    ("share", "time_s", "cpu_share", "is_found"),
    [
        (0.26, 0.041, 0.1, True),
        (0.24, 0.041, 0.1, False),
        (0.26, 0.0385, 0.1, True),
        (0.26, 0.0475, 0.1, True),
        (0.9, 0.036, 0.1, False),
        (0.9, 0.05, 0.1, False),
        (0.26, 0.041, 0.51, False),
        (0.26, 0.041, 0.49, True),
    ],
)
def test_nagle_is_a_plateau_while_the_server_idles(
    share: float, time_s: float, cpu_share: float, is_found: bool
) -> None:
    """A quarter of the answers at 38 to 48 ms with an idle CPU: named, but no fault of the run."""
    finding = found(nagled(share, time_s, cpu_share), CLOSED_64).get("nagle")
    assert (finding is not None) == is_found
    if finding is not None:
        assert finding.level == "valid"
        assert "TCP_NODELAY" in finding.text


def lagging(load: Load, lag_s: dict[float, int], response_s: float) -> Trial:
    """A trial of these generator lags, its answers all after the same time."""
    responses = blob({response_s: sum(lag_s.values())})
    trial = replace(sound(load), times_hdr={GENERATOR_LAG: blob(lag_s), RESPONSE_TIME: responses})
    if not isinstance(load, RateSweep):
        return trial
    steps = tuple(replace(step, times_hdr={RESPONSE_TIME: responses}) for step in trial.slices)
    return replace(trial, slices=steps)


@pytest.mark.parametrize("load", [OPEN_500, SWEEP])
@pytest.mark.parametrize(
    ("late_s", "response_s", "level"),
    [
        (140e-6, 0.0001, None),  # what a virtual CPU adds anyway
        (0.00095, 0.002, None),  # less than half of the median response time
        (0.00105, 0.002, "suspect"),
        (0.1, 0.001, "suspect"),
    ],
)
def test_late_tail_of_the_generator(
    load: Load, late_s: float, response_s: float, level: str | None
) -> None:
    """One in fifty requests sent so late: the reported tail is partly the generator's own."""
    trial = lagging(load, {20e-6: 9800, late_s: 200}, response_s)
    finding = found(trial, load).get("generator-lag")
    assert (finding.level if finding else None) == level


def test_generator_that_is_late_in_general_is_invalid() -> None:
    """Where the median lag is half of the median response time, nothing is the server's."""
    for late_s, level, whose in (
        (0.00095, "suspect", "so the tail is partly its own"),
        (0.00105, "invalid", "so every percentile is its own"),
    ):
        trial = lagging(OPEN_500, {late_s: 9000, 0.01: 1000}, 0.002)
        reason = found(trial)["generator-lag"]
        assert reason.level == level
        assert whose in reason.text


@pytest.mark.parametrize(
    ("late", "level"), [(4, None), (5, None), (6, "suspect"), (250, "suspect"), (251, "invalid")]
)
def test_late_requests_of_a_short_schedule_are_counted(late: int, level: str | None) -> None:
    """Of 500 requests, too few for a p99, more than 1 % late are found, and more than half."""
    trial = lagging(OPEN_500, {20e-6: 500 - late, 0.01: late}, 0.0001)
    finding = found(trial).get("generator-lag")
    assert (finding.level if finding else None) == level


def test_lag_of_a_closed_loop_is_not_judged() -> None:
    """In a closed loop nothing is due at a time, so nothing can be late."""
    assert found(lagging(CLOSED_64, {0.1: 1000}, 0.001), CLOSED_64) == {}


def kept(share: float, lag_s: float, *, overloaded: bool = False) -> Trial:
    """An open-loop trial of which that share was sent in time, late by so much in the median."""
    load = OpenLoop(50_000) if overloaded else OPEN_500
    trial = sound(load)
    (piece,) = trial.slices
    assert piece.open_loop is not None
    due = 10_000 if not overloaded else piece.open_loop.due
    figures = replace(piece.open_loop, due=due, sent_in_time=round(share * due))
    return replace(
        trial,
        slices=(replace(piece, open_loop=figures),),
        times_hdr={GENERATOR_LAG: blob({lag_s: 1000}), RESPONSE_TIME: blob({0.1: 1000})},
    )


@pytest.mark.parametrize(
    ("share", "lag_s", "is_found"),
    [
        (0.9901, 0.002, False),
        (0.9899, 0.002, True),
        (0.9899, 0.00014, False),  # waiting for connections, which is the server's doing
        (0.5, 0.00014, False),
        (0.5, 0.00016, True),
    ],
)
def test_rate_that_the_generator_did_not_keep(share: float, lag_s: float, is_found: bool) -> None:
    """Below 99 % sent in time is the generator's fault only where its own lag explains it."""
    finding = found(kept(share, lag_s)).get("rate-not-kept")
    assert (finding is not None) == is_found
    if finding is not None:
        assert (finding.level, finding.limit) == ("invalid", 0.99)
        assert "--load-processes" in finding.text


def test_overload_is_the_servers_unless_the_generator_was_late() -> None:
    """A growing queue is a finding about the server, or an invalid trial where lag explains it."""
    server = found(kept(0.7, 20e-6, overloaded=True))
    assert server["overloaded"].level == "valid"
    assert server["overloaded"].value == pytest.approx(0.7, rel=1e-3)
    assert "70%" in server["overloaded"].text
    assert "rate-not-kept" not in server
    generator = found(kept(0.7, 0.06, overloaded=True))
    assert generator["rate-not-kept"].level == "invalid"
    assert "overloaded" not in generator
    # A lag that is harmful elsewhere explains nothing of a queue of 100 ms.
    assert "overloaded" in found(kept(0.7, 0.002, overloaded=True))
    # Without response times there is no wait of the server's to hold it against.
    silent = replace(
        kept(0.7, 0.002, overloaded=True), times_hdr={GENERATOR_LAG: blob({0.002: 999})}
    )
    assert "rate-not-kept" in found(silent)


def test_a_sweep_is_meant_to_overload() -> None:
    """Past saturation is where a sweep goes: no finding, and those steps' times don't count."""
    trial = sound(SWEEP)
    assert max(step.offered_rps or 0 for step in trial.slices) > 20_000
    assert found(trial, SWEEP) == {}


@given(
    share=st.floats(0.9, 1.1),
    steal=st.floats(0, 0.5),
    lag_s=st.floats(1e-6, 0.5),
    outstanding=st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
)
def test_findings_are_well_formed(
    share: float, steal: float, lag_s: float, outstanding: list[int]
) -> None:
    """Whatever a trial holds: no code twice, figures that are finite, words in each."""
    trial = accounted(OPEN_500, share)
    (piece,) = trial.slices
    assert piece.open_loop is not None
    figures = replace(piece.open_loop, outstanding=tuple(outstanding))
    trial = replace(
        trial,
        slices=(metered(replace(piece, open_loop=figures), steal_s=steal),),
        times_hdr={GENERATOR_LAG: blob({lag_s: 1000})},
    )
    findings = load_findings(trial, cell_under(OPEN_500))
    assert len({finding.code for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.value is not None
        assert np.isfinite(finding.value)
        assert finding.text[0].islower()
        assert ClosedLoop.__name__ not in finding.text


def reconnecting(load: Load, reconnects: int, **facts: Any) -> Trial:
    """A trial of one slice of 2 s and 1,000 requests, with so many connections opened anew."""
    trial = sound(load)
    piece = replace(
        trial.slices[0], duration_s=2.0, sent=1000, reconnects=reconnects, connect_s=3.2
    )
    return replace(trial, slices=(piece,), **facts)


def test_connections_that_answers_end_are_told_with_what_they_cost() -> None:
    """Beyond one in a hundred; the level stays, for the figures are what clients see."""
    assert "reconnects" not in found(reconnecting(CLOSED_64, 10), CLOSED_64)
    reason = found(reconnecting(CLOSED_64, 1000), CLOSED_64)["reconnects"]
    assert (reason.level, reason.value) == ("valid", 1.0)
    assert reason.text == (
        "100% of the responses ended their connection; opening a new one took 3.2 ms on average, "
        "2% of the connections' time: throughput includes that, response times don't"
    )
    assert found(reconnecting(OPEN_500, 500))["reconnects"].text == (
        "50% of the responses ended their connection; opening a new one took 6.4 ms on average, "
        "and a request that found no open connection waited for one"
    )


def test_slices_without_new_connections_have_none() -> None:
    """They count with what they sent, and with no connection."""
    trial = reconnecting(CLOSED_64, 100)
    quiet = replace(trial.slices[0], reconnects=0, connect_s=0.0)
    trial = replace(trial, slices=(*trial.slices, quiet))
    assert found(trial, CLOSED_64)["reconnects"].value == 100 / 2000


def test_connections_that_failed_are_no_answers_that_ended_them() -> None:
    """They were opened anew too, and are counted among the errors."""
    failed = reconnecting(CLOSED_64, 20, errors=ErrorCounts(reset=8, timeout=4))
    assert "reconnects" not in found(failed, CLOSED_64)
