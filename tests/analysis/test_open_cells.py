"""Cells of open loops in the report document."""

from collections.abc import Callable

import msgspec
import pytest

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.analysis.report import CellReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import RESPONSE_TIME, ClosedLoop, Load, OpenFigures, OpenLoop, Trial
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import planned_cells, synthetic_run

replace = msgspec.structs.replace


def cell_of(
    load: Load, edit: Callable[[Trial], Trial] = lambda trial: trial, rounds: int = 5
) -> CellReport:
    """The entry of daphne under a load, its trials edited."""
    run = synthetic_run(planned_cells((load,), (1,))[:1], rounds=rounds, edit=edit)
    (cell,) = summarize(run).cells
    return cell


def with_figures(trial: Trial, **fields: object) -> Trial:
    """The trial with other open-loop figures in its slice."""
    (piece,) = trial.slices
    assert piece.open_loop is not None
    return replace(trial, slices=(replace(piece, open_loop=replace(piece.open_loop, **fields)),))


def overload(trial: Trial) -> Trial:
    """The trial as that of a server whose queue grew to the end."""
    return with_figures(trial, outstanding=(250, 500, 750, 1000))


def test_load_is_as_the_interface_says() -> None:
    """A rate stands in the load, a share beside a null rate; what it came to is `offered_rps`."""
    fixed, shared = cell_of(OpenLoop(500)), cell_of(OpenLoop(None, rate_share=0.5))
    assert msgspec.to_builtins(fixed.load) == {
        "loop": "open",
        "rate_rps": 500,
        "rate_share": None,
        "arrivals": "poisson",
        "connections": 256,
        "streams": 1,
    }
    assert fixed.offered_rps == 500
    assert msgspec.to_builtins(shared.load) | {"rate_rps": None, "rate_share": 0.5} == (
        msgspec.to_builtins(shared.load)
    )
    assert shared.offered_rps is not None
    assert 1000 < shared.offered_rps < 6000


def test_closed_loop_has_none_of_an_open_ones_figures() -> None:
    """They are null, not zero and not false."""
    cell = cell_of(ClosedLoop(64))
    assert (cell.offered_rps, cell.rate_ratio, cell.overloaded, cell.in_flight_max) == (None,) * 4


def test_all_three_times_are_filled() -> None:
    """Response, service and generator lag each come from their own histogram."""
    cell = cell_of(OpenLoop(500))
    p50 = [
        times.p50
        for times in (cell.response_time_s, cell.service_time_s, cell.generator_lag_s)
        if times.p50 is not None
    ]
    assert len(p50) == 3
    assert p50 == sorted(p50, reverse=True)
    assert len(set(p50)) == 3


def test_most_in_flight_is_over_all_rounds() -> None:
    """One round with a burst sets it."""

    def burst(trial: Trial) -> Trial:
        return with_figures(trial, in_flight_max=200) if trial.round == 2 else trial

    assert cell_of(OpenLoop(500), burst).in_flight_max == 200


def test_rate_ratio_is_over_all_rounds() -> None:
    """What was due in all rounds against what was sent in time."""

    def late(trial: Trial) -> Trial:
        return with_figures(trial, sent_in_time=900) if trial.round == 0 else trial

    assert cell_of(OpenLoop(500), late).rate_ratio == pytest.approx(4900 / 5000)


@pytest.mark.parametrize(("rounds", "expected"), [(0, False), (2, False), (3, True), (5, True)])
def test_overloaded_is_half_of_the_rounds_or_more(rounds: int, expected: bool) -> None:
    """Then there are no response and service times; the lag, being the generator's, stays."""
    cell = cell_of(OpenLoop(500), lambda trial: overload(trial) if trial.round < rounds else trial)
    assert cell.overloaded is expected
    assert (cell.response_time_s == Percentiles()) == expected
    assert (cell.service_time_s == Percentiles()) == expected
    assert cell.generator_lag_s.p50 is not None
    told = [reason for reason in cell.validity_reasons if reason.code == "overloaded"]
    assert bool(told) == (rounds > 0)


def test_overload_in_half_of_an_even_number_of_rounds_counts() -> None:
    """In doubt there are no percentiles."""
    assert cell_of(OpenLoop(500), lambda t: overload(t) if t.round < 2 else t, 4).overloaded


def test_times_of_an_overloaded_round_are_left_out() -> None:
    """They only tell how long the schedule was, so the other rounds' stand alone."""

    def slow(trial: Trial) -> Trial:
        if trial.round:
            return trial
        return overload(
            replace(trial, times_hdr={**trial.times_hdr, RESPONSE_TIME: cell_times(0.5)})
        )

    assert cell_of(OpenLoop(500), slow).response_time_s.max == pytest.approx(
        cell_of(OpenLoop(500)).response_time_s.max, rel=0.2
    )


def cell_times(median_s: float) -> str:
    """A histogram of a thousand times around a median."""
    return histogram_blob(median_s, 1000, spread=0.1)


def test_cell_that_was_never_measured_is_not_overloaded() -> None:
    """Without a trial nothing is known: null."""
    cell = cell_of(OpenLoop(500), rounds=0)
    assert (cell.outcome, cell.overloaded, cell.offered_rps) == ("skipped", None, 500)
    assert cell_of(OpenLoop(None, rate_share=0.5), rounds=0).offered_rps is None


def test_spinning_is_no_work_of_the_generator() -> None:
    """CPU time spent waiting precisely for the next due request is subtracted."""

    def spin(trial: Trial) -> Trial:
        spun = with_figures(trial, spin_s=0.5)
        return replace(spun, load_cpu_s=trial.load_cpu_s + 0.5)

    plain, spun = cell_of(OpenLoop(500)), cell_of(OpenLoop(500), spin)
    assert spun.load_cpu_s_per_request == pytest.approx(plain.load_cpu_s_per_request)
    assert spun.load_cpu_share == pytest.approx(plain.load_cpu_share)


def test_figures_of_every_slice_count() -> None:
    """An open loop in several slices, as after a merge of runs, is overloaded if one is."""

    def split(trial: Trial) -> Trial:
        (piece,) = trial.slices
        busy = replace(piece, open_loop=OpenFigures(1000, 1000, 3, (0, 0, 0, 0), 9, 0.0))
        return replace(trial, slices=(piece, busy))

    assert cell_of(OpenLoop(500), split).overloaded is True
