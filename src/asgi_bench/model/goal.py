"""What a run is to reach where it decides itself how many rounds that takes."""

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """A time, a precision, or both: the run ends by whichever comes first."""

    budget_s: float | None = None
    """The time that the run may take, from the command's start. Waiting for another run's end is
    left out."""
    precision: float | None = None
    """The half-width that the 95 % interval of every throughput ratio is to have at most, as a
    share: 0.02 is ±2 %."""
    looks: tuple[int, ...] = (6, 9, 13, 18)
    """After how many rounds the precision is looked at, and never between: who looks often enough
    sees what they hope for. Further rounds are added after the last."""
    spent_s: float = 0.0
    """What was gone of the time when the first round began."""
