"""Figures of a trial of streams and of messages, from known counts."""

import msgspec
import pytest

from asgi_bench.model import OpenStreams, Slice, Trial
from asgi_bench.model.figures import connection_bytes, messages_per_s, stream_cpu_s

replace = msgspec.structs.replace
SLICE = Slice(
    start_s=0.0,
    end_s=10.0,
    duration_s=10.0,
    requests=20_000,
    sent=20_000,
    errors=0,
    server_cpu_s=4.0,
    load_cpu_s=1.0,
)
# 2,000 streams of a second each, over ten seconds.
STREAMS = Trial(
    cell="a",
    round=0,
    block=0,
    started_at="",
    outcome="ok",
    slices=(SLICE,),
    requests=20_000,
    server_cpu_s=4.0,
    server_pss_bytes=40_000_000,
    server_pss_idle_bytes=30_000_000,
    connections_by_process={"1": 1500, "2": 500},
    messages_per_request=20,
    open_streams=OpenStreams(2000, 130_000_000),
)


def test_the_memory_of_a_stream_is_that_while_it_is_open() -> None:
    """Of streams it is over those that were open then; of others over what stays connected."""
    assert connection_bytes(STREAMS) == 50_000
    assert connection_bytes(replace(STREAMS, open_streams=None)) == 5_000
    few = replace(STREAMS, open_streams=OpenStreams(999, 130_000_000))
    assert connection_bytes(few) is None


def test_the_cpu_time_of_a_stream_is_of_held_streams_alone() -> None:
    """4 s for 20,000 streams; of what isn't held there is none."""
    assert stream_cpu_s(STREAMS) == pytest.approx(4.0 / 20_000)
    assert stream_cpu_s(replace(STREAMS, open_streams=None)) is None


@pytest.mark.parametrize(("held", "told"), [(20, 40_000), (2.5, 5000), (1, None), (None, None)])
def test_messages_are_told_where_they_are_not_requests(
    held: float | None, told: float | None
) -> None:
    """An answer of one message is a request, and no figure of its own; nor is an older run's."""
    assert messages_per_s(replace(STREAMS, messages_per_request=held)) == told


def test_without_an_answer_there_are_no_messages() -> None:
    """A trial that measured nothing has no rate of them."""
    assert messages_per_s(replace(STREAMS, slices=(), requests=0)) is None
