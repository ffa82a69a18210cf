"""What a run is to reach where it decides itself how many rounds that takes."""

from typing import Annotated

import msgspec

from asgi_bench.flags import DURATION, HOW_LONG, SHARE, Flag


class Goal(msgspec.Struct, frozen=True):
    """A time, a precision, or both: the run ends by whichever comes first."""

    budget_s: Annotated[
        float | None,
        Flag(
            "--budget",
            HOW_LONG,
            DURATION,
            "Run for at most this long. Results are checked after 6, 9, 13 and 18 rounds; --rounds "
            "caps them.",
            is_common=True,
        ),
    ] = None
    """The time that the run may take, from the command's start. Waiting for another run's end is
    left out."""
    precision: Annotated[
        float | None,
        Flag(
            "--precision",
            HOW_LONG,
            SHARE,
            "Stop once every throughput ratio is known to within this, as in 2%; checked after 6, "
            "9, 13 and 18 rounds.",
        ),
    ] = None
    """The half-width that the 95 % interval of every throughput ratio is to have at most, as a
    share: 0.02 is ±2 %."""
    looks: tuple[int, ...] = (6, 9, 13, 18)
    """After how many rounds the precision is looked at, and never between: who looks often enough
    sees what they hope for. Further rounds are added after the last."""
