"""What ends a run before its last round: a goal to reach, or the gate of an A/B."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from asgi_bench.flags import CALLS, DURATION, HOW_LONG, SHARE, SIDES, SIZE, SWITCH, VERDICT, Flag

# The setups of an A/B. The control is a second process of the baseline: what it differs by from the
# first is noise.
Role: TypeAlias = Literal["baseline", "control", "candidate"]
ROLES: tuple[Role, ...] = ("baseline", "control", "candidate")
# Calls per request. They are whole, so a change of code is one in so many requests or more.
LEAST_SYSCALLS_CHANGE = 0.5


# A budget ends a run long before; what is planned has to end somewhere.
MOST_ROUNDS_OF_A_BUDGET = 100


class Goal(msgspec.Struct, frozen=True):
    """A time, a precision, or both: the run ends by whichever comes first."""

    budget_s: Annotated[
        float | None,
        Flag(
            "--budget",
            HOW_LONG,
            DURATION,
            "Run for at most TIME; --rounds still caps the rounds.",
            is_common=True,
        ),
    ] = None
    """The time that the run may take, from the start of the command. Waiting for another run is not
    included."""
    precision: Annotated[
        float | None,
        Flag(
            "--precision",
            HOW_LONG,
            SHARE,
            "Stop once the 95% interval of every throughput ratio is within ±SHARE, such as 2%. "
            "Checked after 6, 9, 13 and 18 rounds.",
        ),
    ] = None
    """The largest half-width that the 95 % interval of every throughput ratio may have, as a share:
    0.02 is ±2 %."""
    looks: tuple[int, ...] = (6, 9, 13, 18)
    """After how many rounds the precision is checked, and never in between: anyone who looks often
    enough finds what they hope for. Further rounds follow the last."""


class Gate(msgspec.Struct, frozen=True):
    """What an A/B is judged by; with the trials it gives the same verdict again."""

    min_change: float = 0.015
    """The smallest change that matters, as a share: 0.015; for an A/B by counts, 0.003."""
    min_changes: dict[str, float] = {}
    """The smallest changes of metrics that have one of their own, by name, as shares; of system
    calls a share of the baseline's."""
    alpha: float = 0.05
    """The highest probability, over all looks and metrics, of mistaking an A/A for a change."""
    looks: tuple[float, ...] = (0.5, 1.0)
    """The planned looks at the data, as shares of the budget; the last is its end."""
    budget_s: float = 100.0
    """Time for the whole command, from its start; for an A/B by counts, 60 s."""
    is_aa: Annotated[
        bool,
        Flag(
            "--aa",
            SIDES,
            SWITCH,
            "Compare the baseline with itself; the verdict should be pass.",
            is_key=False,
        ),
    ] = False
    """Whether the baseline is compared with itself."""
    max_growth_bytes: Annotated[
        float | None,
        Flag(
            "--max-growth",
            VERDICT,
            SIZE,
            "Also judge memory growth: the candidate may grow by at most SIZE more per 1,000 "
            "requests than the baseline.",
            is_key=False,
        ),
    ] = None
    """By how much more than the baseline's the candidate's memory may grow per 1,000 requests; null
    if that isn't judged."""
    min_syscalls: Annotated[
        float,
        Flag(
            "--min-syscalls",
            VERDICT,
            CALLS,
            "With --count: smallest change in system calls per request that matters.",
            is_key=False,
        ),
    ] = LEAST_SYSCALLS_CHANGE
    """The smallest change in system calls per request that matters to an A/B by counts."""
