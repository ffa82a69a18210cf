"""Edits that make open loops of the trials of an A/B that was never measured."""

import msgspec
import numpy as np

from asgi_bench.model import (
    RESPONSE_TIME,
    ROLES,
    Cell,
    OpenFigures,
    OpenLoop,
    Role,
    Trial,
)
from tests.synthetic_histograms import histogram_blob

RATE_RPS = 1000.0
OPEN_CELL = Cell("uvicorn", "default", 1, "hello", OpenLoop(RATE_RPS))
MEDIAN_S = 0.002


def open_trial(
    trial: Trial,
    role: Role,
    *,
    samples: int = 600,
    overloaded: bool = False,
    slower: float = 0.0,
    stalled: int = 0,
) -> Trial:
    """The trial as one slice of an open loop, with its response times.

    `stalled` of its requests took a hundred times as long.
    """
    chance = np.random.default_rng((3, trial.round, ROLES.index(role)))
    median_s = MEDIAN_S * (1 + slower) * float(np.exp(chance.normal(0, 0.005)))
    figures = OpenFigures(
        due=600,
        sent_in_time=600,
        unsent=0,
        outstanding=(100, 200, 300, 400) if overloaded else (2, 3, 2, 3),
        in_flight_max=400 if overloaded else 5,
        spin_s=0.0,
    )
    piece = msgspec.structs.replace(trial.slices[0], open_loop=figures)
    return msgspec.structs.replace(
        trial,
        slices=(piece,),
        server_cpu_s=piece.server_cpu_s,
        offered_rps=RATE_RPS,
        times_hdr={
            RESPONSE_TIME: histogram_blob(
                median_s * (100 if overloaded else 1), samples, spread=0.4, stalled=stalled
            )
        },
    )
