"""The flags of `asgi-bench ab` beside its sides: the rule they are judged by."""

from pathlib import Path
from typing import Annotated

import typer

from asgi_bench.errors import ExitCode
from asgi_bench.model import Gate, Verdict
from asgi_bench.quantities import parse_duration, parse_share

MinChange = Annotated[
    str, typer.Option("--min-change", metavar="SHARE", help="The smallest change that matters.")
]
Budget = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="The longest it takes; it ends sooner where nothing is open.",
    ),
]
AA = Annotated[bool, typer.Option("--aa", help="Compare the baseline with itself: it should pass.")]
FailOnUndecided = Annotated[
    bool, typer.Option("--fail-on-undecided", help="Exit with 4 where nothing was decided.")
]
Summary = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        metavar="FILE",
        dir_okay=False,
        help="Write the verdict as Markdown on one screen, as for $GITHUB_STEP_SUMMARY.",
    ),
]


def gate_of(min_change: str, budget: str, *, is_aa: bool) -> Gate:
    """The rule that the flags ask for; raises UsageError."""
    return Gate(
        min_change=parse_share(min_change, "--min-change"),
        budget_s=parse_duration(budget, "--budget"),
        is_aa=is_aa,
    )


_EXIT_CODES: dict[Verdict, ExitCode] = {
    "regression": ExitCode.REGRESSION,
    "failed": ExitCode.FAILED,
    "invalid": ExitCode.INVALID,
    "undecided": ExitCode.OK,
    "improvement": ExitCode.OK,
    "pass": ExitCode.OK,
}


def exit_code_of(verdict: Verdict, *, fail_on_undecided: bool) -> ExitCode:
    """What a verdict exits with."""
    if verdict == "undecided" and fail_on_undecided:
        return ExitCode.UNDECIDED
    return _EXIT_CODES[verdict]
