"""The flags that tell the two sides of an A/B apart; what they leave out is the same on both."""

import inspect
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from asgi_bench.cli.flag_groups import with_group
from asgi_bench.errors import UsageError
from asgi_bench.sides.given import Asked, AskedRole

_WHAT = (
    "`installed`, requirements ('uvicorn==0.50.0', a wheel, a source folder), or a Python "
    "interpreter; repeatable."
)
Baseline = Annotated[
    list[str] | None,
    typer.Option("--baseline", metavar="WHAT", help=f"What the baseline runs in: {_WHAT}"),
]
Candidate = Annotated[
    list[str] | None,
    typer.Option("--candidate", metavar="WHAT", help="The same of the candidate."),
]
BaselineApp = Annotated[
    str | None,
    typer.Option("--baseline-app", metavar="APP", help="The baseline's app. Else APP."),
]
CandidateApp = Annotated[
    str | None,
    typer.Option("--candidate-app", metavar="APP", help="The candidate's app. Else APP."),
]
BaselineAppDir = Annotated[
    Path | None,
    typer.Option("--baseline-app-dir", metavar="DIR", help="Its folder. Else --app-dir."),
]
CandidateAppDir = Annotated[
    Path | None,
    typer.Option("--candidate-app-dir", metavar="DIR", help="Its folder. Else --app-dir."),
]
BaselineArgs = Annotated[
    str,
    typer.Option("--baseline-args", metavar="ARGS", help="More server flags of the baseline."),
]
CandidateArgs = Annotated[
    str,
    typer.Option("--candidate-args", metavar="ARGS", help="More server flags of the candidate."),
]
BaselineRef = Annotated[
    str | None,
    typer.Option(
        "--baseline-ref", metavar="REF", help="A git ref: the app and its project at that commit."
    ),
]
CandidateRef = Annotated[
    str | None, typer.Option("--candidate-ref", metavar="REF", help="The same of the candidate.")
]


class AskedSides(msgspec.Struct, frozen=True):
    """What is asked of each side."""

    baseline: Asked
    candidate: Asked


def asked_sides(
    baseline: Baseline = None,
    candidate: Candidate = None,
    baseline_app: BaselineApp = None,
    candidate_app: CandidateApp = None,
    baseline_app_dir: BaselineAppDir = None,
    candidate_app_dir: CandidateAppDir = None,
    baseline_args: BaselineArgs = "",
    candidate_args: CandidateArgs = "",
    baseline_ref: BaselineRef = None,
    candidate_ref: CandidateRef = None,
) -> AskedSides:
    """Return what the flags ask of each side.

    Raises:
        UsageError: a flag's text can't be read; the text names the flag.
    """
    return AskedSides(
        _asked("baseline", baseline, baseline_app, baseline_app_dir, baseline_args, baseline_ref),
        _asked(
            "candidate", candidate, candidate_app, candidate_app_dir, candidate_args, candidate_ref
        ),
    )


def with_sides(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the flags of the sides; it takes what they ask as its argument `sides`."""
    flags = inspect.signature(asked_sides).parameters.values()
    return with_group(verb, "sides", asked_sides, flags)


def _asked(
    role: AskedRole,
    texts: list[str] | None,
    app: str | None,
    app_dir: Path | None,
    args: str,
    ref: str | None,
) -> Asked:
    try:
        server_args = tuple(shlex.split(args))
    except ValueError as fault:
        raise UsageError(f"--{role}-args: {args!r} can't be split: {fault}") from None
    return Asked(role, tuple(texts or ()), app, app_dir, server_args, ref)
