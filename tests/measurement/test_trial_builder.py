from pathlib import Path

import msgspec
import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.histogram import encoded
from asgi_bench.load.messages import Closed, Loaded
from asgi_bench.measurement.meters.server_cpu import SliceCpu
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Cell, ClosedLoop, ErrorCounts, OpenFigures, WrongAnswer

EPOCH_S = 1000.0
LOADED = Loaded(
    begin_s=1002.0,
    end_s=1002.5,
    requests=98,
    sent=100,
    errors=ErrorCounts(status=2),
    load_cpu_s=0.25,
)
CPU = SliceCpu({11: 0.25, 12: 0.125})
CLOSED = Closed(
    times_hdr={"response_time": "response"},
    clamped=1,
    reconnects=3,
    sent_total=250,
    errors_total=ErrorCounts(status=4),
    response_bytes=54,
)


def new_draft() -> TrialBuilder:
    """A trial of which nothing was measured yet."""
    cell = Cell("tiny", "default", 1, "hello", ClosedLoop(4))
    return TrialBuilder(cell, round=2, block=1, epoch_s=EPOCH_S, log=Path("logs/2.log"))


@pytest.fixture
def draft() -> TrialBuilder:
    """A trial whose server was verified by 2 requests, of which one was early."""
    draft = new_draft()
    draft.note(sent_total=2, errors_total=ErrorCounts(status=1))
    return draft


def test_slices_are_told_in_seconds_of_the_run_and_summed(draft: TrialBuilder) -> None:
    """A trial's counts and CPU times are the sums of its slices'."""
    draft.add(LOADED, CPU, {})
    draft.add(msgspec.structs.replace(LOADED, begin_s=1003.0, end_s=1004.0), CPU, {})
    draft.close(CLOSED)
    trial = draft.finish()
    assert (trial.cell, trial.round, trial.block) == ("tiny/default/w1/hello/c4", 2, 1)
    assert (trial.outcome, trial.reason, trial.log) == ("ok", None, "logs/2.log")
    assert [(piece.start_s, piece.end_s) for piece in trial.slices] == [(2.0, 2.5), (3.0, 4.0)]
    assert trial.duration_s == 1.5
    assert trial.requests == 196
    assert trial.errors == ErrorCounts(status=4)
    assert trial.server_cpu_s == 2 * (0.25 + 0.125)
    assert trial.load_cpu_s == 0.5
    assert trial.cpu_s_by_process == {"11": 0.5, "12": 0.25}


def test_totals_hold_the_probes_too(draft: TrialBuilder) -> None:
    """What was sent in all is what the load process tells and what had verified the server."""
    draft.add(LOADED, CPU, {})
    draft.close(CLOSED)
    trial = draft.finish()
    assert trial.sent_total == 2 + 250
    assert trial.errors_total == ErrorCounts(status=5)
    assert trial.times_hdr == {"response_time": "response"}
    assert (trial.clamped, trial.reconnects) == (1, 3)
    assert trial.response_bytes == 54


def test_what_is_aside_is_in_no_figure(draft: TrialBuilder) -> None:
    """Requests, CPU times and histograms are those of the other slices."""
    right = msgspec.structs.replace(LOADED, errors=ErrorCounts())
    draft.add(right, CPU, {})
    draft.add(right, CPU, {}, is_aside=True)
    draft.note_out_of_step("late")
    draft.add_late_cpu(1.0)
    draft.close(msgspec.structs.replace(CLOSED, aside_hdr={"response_time": "aside"}))
    trial = draft.finish()
    assert (trial.late_slices, trial.starved_slices, trial.left_out_slices) == (1, 0, 1)
    assert len(trial.slices) == 1
    assert (trial.requests, trial.server_cpu_s, trial.late_cpu_s) == (98, 0.375, 0.0)
    assert trial.times_hdr == {"response_time": "response"}


def test_a_trial_that_is_mostly_aside_keeps_it_all(draft: TrialBuilder) -> None:
    """Its figures are of all slices, and none is left out."""
    blob = encoded({"response_time": [1000, 2000]})
    for is_aside in (False, True, True):
        draft.add(LOADED, CPU, {}, is_aside=is_aside)
        draft.note_out_of_step("starved")
    draft.close(msgspec.structs.replace(CLOSED, times_hdr=blob, aside_hdr=blob))
    trial = draft.finish()
    assert (trial.starved_slices, trial.left_out_slices, len(trial.slices)) == (3, 0, 3)
    assert trial.requests == 3 * 98
    found = merge_histograms([trial.times_hdr["response_time"]])
    assert found is not None and found.total == 4


def test_a_lost_load_leaves_what_was_measured(draft: TrialBuilder) -> None:
    """A trial under load is no failure; before, it is; one that is whole stays as it is."""
    draft.begin_load()
    draft.add(LOADED, CPU, {})
    draft.lose_load("load host far is gone")
    trial = draft.finish()
    assert (trial.outcome, trial.load_fault) == ("ok", "load host far is gone")
    assert (trial.requests, trial.times_hdr) == (98, {})
    whole = new_draft()
    whole.begin_load()
    whole.add(LOADED, CPU, {})
    whole.close(CLOSED)
    whole.lose_load("load host far is gone")
    assert whole.finish().load_fault is None
    empty = new_draft()
    empty.lose_load("load host far is gone")
    assert (empty.finish().outcome, empty.finish().reason) == ("failed", "load host far is gone")


def test_wrong_answers_are_told_with_the_process_that_gave_them(draft: TrialBuilder) -> None:
    """A connection's owner is looked for once; times are those of the run."""
    draft.know_owners({4001: 11})
    assert draft.without_owner((4001, 4002, 4003)) == {4002, 4003}
    draft.know_owners({4002: 12})
    assert draft.without_owner((4001, 4002, 4003)) == set()
    kept = tuple(
        WrongAnswer("status", "GET /", "status 500 instead of 200", 1002.5, client_port=port)
        for port in (4002, 4003, None)
    )
    by_port = {4001: 5, 4002: 2, 4003: 1}
    draft.add(LOADED, CPU, {})
    draft.close(
        msgspec.structs.replace(CLOSED, wrong_answers=kept, wrong_by_port=by_port, unanswered=3)
    )
    trial = draft.finish()
    assert [(wrong.pid, wrong.at_s) for wrong in trial.wrong_answers] == [
        (12, 2.5),
        (None, 2.5),
        (None, 2.5),
    ]
    assert trial.wrong_by_process == {"11": 5, "12": 2}
    assert trial.unanswered_connections == 3


def test_without_a_last_word_of_the_load_process_the_slices_count(draft: TrialBuilder) -> None:
    """The totals of a trial that was broken off hold the probes and all its slices."""
    draft.add(LOADED, CPU, {})
    draft.fail("the load process died")
    trial = draft.finish()
    assert trial.sent_total == 2 + 100
    assert trial.errors_total == ErrorCounts(status=3)
    assert trial.requests == 98


def test_the_first_reason_stands(draft: TrialBuilder) -> None:
    """What failed first is what is told."""
    assert not draft.has_failed
    draft.fail("the first")
    draft.fail("the second")
    assert draft.has_failed
    trial = draft.finish()
    assert (trial.outcome, trial.reason) == ("failed", "the first")


def step_of(time_ns: int, *, unsent: int = 0) -> Loaded:
    """A step of a sweep, one time in each of its histograms; overloaded where some was not sent."""
    return msgspec.structs.replace(
        LOADED,
        open_loop=OpenFigures(100, 100, unsent, (0, 0, 0, 0), 4, 0.0),
        times_hdr=encoded({"response_time": [time_ns], "generator_lag": [time_ns - 2]}),
    )


def test_a_sweep_has_the_times_and_lags_of_what_the_server_could_take(draft: TrialBuilder) -> None:
    """Lags of steps that overloaded it are left out; response times are apart."""
    draft.add(step_of(300), CPU, {}, offered_rps=50.0)
    draft.add(step_of(900, unsent=1), CPU, {}, offered_rps=200.0)
    draft.add(step_of(600), CPU, {}, offered_rps=100.0)
    draft.close(msgspec.structs.replace(CLOSED, times_hdr={}))
    trial = draft.finish()
    assert trial.times_hdr == encoded({"generator_lag": [298, 598]})
    assert [piece.times_hdr for piece in trial.slices] == [
        encoded({"response_time": [time_ns]}) for time_ns in (300, 900, 600)
    ]


def test_other_loads_have_the_histograms_of_the_load_process(draft: TrialBuilder) -> None:
    """Slices without histograms of their own add nothing to them."""
    draft.add(LOADED, CPU, {})
    draft.add(msgspec.structs.replace(step_of(300), times_hdr={}), CPU, {})
    times_hdr = {"service_time": "s", "generator_lag": "lag"}
    draft.close(msgspec.structs.replace(CLOSED, times_hdr=times_hdr))
    assert draft.finish().times_hdr == times_hdr
