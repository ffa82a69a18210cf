"""What a run is to reach where it decides itself how many rounds that takes."""

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """A time, a precision, or both: the run ends by whichever comes first.

    `budget_s` counts from the command's start; `spent_s` of it had gone by when the first round
    began. `precision` is the half-width that the 95 % interval of every throughput ratio is to
    have at most, as a share: 0.02 is ±2 %. It's looked at after as many rounds as `looks` says,
    and never between: who looks often enough sees what they hope for.
    """

    budget_s: float | None = None
    precision: float | None = None
    looks: tuple[int, ...] = (6, 9, 13, 18)
    spent_s: float = 0.0
