"""The flags that let a run decide how many rounds it takes, and what it compares with."""

from typing import Annotated

import typer

from asgi_bench.errors import UsageError
from asgi_bench.model import Goal, Plan
from asgi_bench.quantities import parse_duration, parse_share

Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="As many rounds as fit, looked at after 6, 9, 13 and 18; --rounds is then the most.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="SHARE",
        help="Rounds until every throughput ratio is known to this, as in 2%: 6, 9, 13 or 18.",
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="SERVER/VARIANT",
        help="What ratios refer to. Else uvicorn/default, where that is measured.",
    ),
]

# Of verbs that read; the argument has another name, so that a project's default, which may not be
# in the run at hand, does not reach it.
OtherReference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="SERVER/VARIANT",
        help="What ratios refer to. Else what they referred to when it was measured.",
    ),
]


def goal_of(budget: str | None, precision: str | None) -> Goal | None:
    """Return the goal that the flags set, or None; raises UsageError."""
    if budget is None and precision is None:
        return None
    return Goal(
        budget_s=None if budget is None else parse_duration(budget, "--budget"),
        precision=None if precision is None else parse_share(precision, "--precision"),
    )


def check_goal(plan: Plan) -> None:
    """Raise UsageError where a plan has no ratio whose precision could be reached."""
    if plan.goal is None or plan.goal.precision is None:
        return
    for planned in plan.cells:
        is_closed = planned.cell.load.is_closed
        if is_closed and planned.skip_reason is None and planned.cell.setting != plan.reference:
            return
    raise UsageError(
        "--precision is that of throughput ratios to the reference, in closed loop: measure "
        "another server beside it"
    )
