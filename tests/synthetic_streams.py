"""A run of streams that clients hold open and leave: hypercorn's app is never told of it."""

import msgspec

from asgi_bench.model import (
    FIRST_BYTE_TIME,
    GAP_TIME,
    HANDSHAKE_TIME,
    Leftovers,
    OpenStreams,
    Run,
    Trial,
)
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import planned_cells, synthetic_run

STREAMS = 1000
EVENTS = 20
# What each open stream takes of memory.
STREAM_BYTES = 24 * 1024
LEFT = Leftovers(5.0, 0, 0, 0, 1_000_000, 0.001)
LEAK = Leftovers(5.0, 1999, 64, 64, 40_000_000, 0.31)


def streams_run(rounds: int = 3) -> Run:
    """Each server's variants with one worker, and a thousand streams each."""
    return synthetic_run(planned_cells(worker_counts=(1,)), rounds=rounds, edit=as_streams)


def as_streams(trial: Trial) -> Trial:
    """The trial as if its requests were streams."""
    idle_bytes = trial.server_pss_idle_bytes or 0
    times = {
        FIRST_BYTE_TIME: histogram_blob(0.002, 4000, spread=0.3),
        GAP_TIME: histogram_blob(0.05, 4000 * (EVENTS - 1), spread=0.1),
        HANDSHAKE_TIME: histogram_blob(0.0008, 4000, spread=0.4),
    }
    return msgspec.structs.replace(
        trial,
        connections_by_process={"4711": STREAMS},
        messages_per_request=EVENTS,
        open_streams=OpenStreams(STREAMS, idle_bytes + STREAMS * STREAM_BYTES),
        leftovers=LEAK if trial.cell.startswith("hypercorn/") else LEFT,
        times_hdr={**trial.times_hdr, **times},
    )
