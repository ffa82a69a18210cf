"""The sides of an A/B: what runs as baseline and as candidate, and the rule they are judged by."""

from typing import Literal, TypeAlias

import msgspec

# The control is a second process of the baseline: what it differs by from the first is noise.
Role: TypeAlias = Literal["baseline", "control", "candidate"]
ROLES: tuple[Role, ...] = ("baseline", "control", "candidate")


class Side(msgspec.Struct, frozen=True):
    """One side: `python` runs its servers, `app` is what they serve from `app_dir`.

    While it is planned an app of None is the one that both sides share, as it is in older runs.
    `server_args` and `env` are added to those of every server. `description` is what the user
    gave (`uvicorn==0.50.0`, a git ref, a path), `commit` what a ref came to, `packages` the
    versions that its interpreter has installed, `python_version` its own (`CPython 3.11.7`).
    """

    role: Role
    python: str
    app: str | None = None
    app_dir: str | None = None
    server_args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    description: str = ""
    commit: str | None = None
    packages: dict[str, str] = {}
    python_version: str = ""
    working_dir: str | None = None
    """Where its servers start, if not in `app_dir`."""


class Gate(msgspec.Struct, frozen=True):
    """What an A/B is judged by; with the trials it gives the same verdict again.

    `min_change` is the smallest change that matters, as a share: 0.02. Over all looks and
    metrics an A/A is taken for a change with a probability of `alpha` at most. `looks` are the
    planned looks at the data, as shares of the budget; the last is its end. `budget_s` counts
    from the command's start; `spent_s` of it had gone by when the run began (None: not yet
    known). `is_aa`: both sides are the baseline.
    """

    min_change: float = 0.02
    alpha: float = 0.05
    looks: tuple[float, ...] = (0.5, 1.0)
    budget_s: float = 100.0
    spent_s: float | None = None
    is_aa: bool = False
