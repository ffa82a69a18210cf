"""A metric's value in trials, rounds and cells."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asgi_bench.analysis.metrics import estimate, figure_of
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, Cell
from asgi_bench.model.figures import server_cpu_s_per_request
from asgi_bench.model.metrics import CPU, P99, STREAM_CPU
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import CLOSED_64, make_trial
from tests.synthetic_streams import as_streams

TRIAL = make_trial(Cell("uvicorn", "default", 1, "hello", CLOSED_64), 0, 0)
# As one that counts what seldom happens, per request: most rounds have none of it.
SELDOM = replace(
    CPU, name="seldom", pooling="per request", of_trial=lambda trial: trial.workers_lost / 100
)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 1000)), min_size=1, max_size=6))
def test_a_figure_per_request_weighs_rounds_by_their_requests(
    rounds: Sequence[tuple[int, int]],
) -> None:
    """What rounds have between them is over all their requests; zeros count as such."""
    (piece, *_) = TRIAL.slices
    trials = [
        replace(TRIAL, workers_lost=lost, slices=(replace(piece, sent=sent),))
        for lost, sent in rounds
    ]
    whole = sum(lost / 100 * sent for lost, sent in rounds) / sum(sent for _, sent in rounds)
    assert estimate(SELDOM, trials).value == pytest.approx(whole)


def test_without_a_round_or_a_request_there_is_no_figure() -> None:
    """Neither is 0: it isn't known."""
    nothing = replace(TRIAL, slices=(), requests=0)
    assert estimate(SELDOM, []).value is None
    assert estimate(SELDOM, [nothing]).value is None


def test_a_damaged_histogram_names_cell_and_round() -> None:
    """What can't be read is an error in one line, whichever figure is read from it."""
    damaged = replace(TRIAL, times_hdr={RESPONSE_TIME: "nonsense"}, round=3)
    with pytest.raises(BenchError, match="uvicorn/default/w1/hello/c64, round 3: a histogram is"):
        figure_of(P99, damaged)
    assert figure_of(P99, TRIAL) is not None


@pytest.mark.parametrize("connections", [{"4711": 300}, {}])
def test_the_cpu_time_of_a_stream_is_over_the_time_that_it_is_open(
    connections: dict[str, int],
) -> None:
    """However many connections were seen at an instant between two streams."""
    open_s = 2.0
    times = {RESPONSE_TIME: histogram_blob(open_s, 4000, spread=0.001)}
    trial = replace(as_streams(TRIAL), connections_by_process=connections, times_hdr=times)
    expected = (server_cpu_s_per_request(trial) or 0.0) / open_s
    assert figure_of(STREAM_CPU, trial) == pytest.approx(expected, rel=0.01)
    assert figure_of(STREAM_CPU, replace(trial, times_hdr={})) is None
