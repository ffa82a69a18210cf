"""What servers are set up with under a name, and the rule that an A/B of setups is judged by."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from asgi_bench.flags import DURATION, HOW_LONG, SHARE, SIDES, SIZE, SWITCH, VERDICT, Flag

# The setups of an A/B. The control is a second process of the baseline: what it differs by from the
# first is noise.
Role: TypeAlias = Literal["baseline", "control", "candidate"]
ROLES: tuple[Role, ...] = ("baseline", "control", "candidate")


class Setup(msgspec.Struct, frozen=True):
    """What servers run in and what they serve, under a name that goes into the keys of cells."""

    name: str = msgspec.field(name="role")
    """The setup's name, `side` of its cells: in an A/B `baseline`, `control` or `candidate`."""
    python: str
    """The interpreter that runs its servers."""
    app: str | None = None
    """The app that its servers serve; null in older runs, where it was the scenario's own."""
    app_dir: str | None = None
    """The folder of the app; null in older runs, where it was the scenario's own."""
    server_args: tuple[str, ...] = ()
    """Flags added to those of every server."""
    env: dict[str, str] = {}
    """Variables added to those of every server."""
    description: str = ""
    """The setup as it was given: `uvicorn==0.50.0`, a git ref, a path."""
    commit: str | None = None
    """The commit that a git ref came to."""
    packages: dict[str, str] = {}
    """What its interpreter has installed, with versions."""
    python_version: str = ""
    """The version of its interpreter, as in `CPython 3.11.7`."""
    working_dir: str | None = None
    """Where its servers start, if not in `app_dir`; otherwise null."""


class Gate(msgspec.Struct, frozen=True):
    """What an A/B is judged by; with the trials it gives the same verdict again."""

    min_change: Annotated[
        float,
        Flag("--min-change", VERDICT, SHARE, "Smallest change that matters.", is_key=False),
    ] = 0.02
    """The smallest change that matters, as a share: 0.02."""
    alpha: float = 0.05
    """The most probability, over all looks and metrics, of taking an A/A for a change."""
    looks: tuple[float, ...] = (0.5, 1.0)
    """The planned looks at the data, as shares of the budget; the last is its end."""
    budget_s: Annotated[
        float,
        Flag(
            "--budget",
            HOW_LONG,
            DURATION,
            "Run for at most this long; an A/B ends sooner once everything is decided.",
            is_common=True,
            is_key=False,
        ),
    ] = 100.0
    """Time for the whole command, from its start."""
    is_aa: Annotated[
        bool,
        Flag(
            "--aa",
            SIDES,
            SWITCH,
            "Compare the baseline with itself; this should pass.",
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
            "Judge growth of memory too: how much more per 1,000 requests than the baseline's is "
            "still fine.",
            is_key=False,
        ),
    ] = None
    """By how much more than the baseline's the candidate's memory may grow per 1,000 requests; null
    where that isn't judged."""
