"""Flags that change nothing without another one: said, where the command line gives them."""

import typer

from asgi_bench.errors import UsageError

_OPEN_LOOPS = ("rate", "common_rate", "sweep")
# What a flag needs one of, by the names of the arguments, and what is said without.
_NEEDS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("slo", ("sweep",), "--slo is searched for along a load curve: add --sweep"),
    (
        "idle_watch",
        ("behaviour",),
        "--idle-watch is how long --behaviour watches idle connections: add --behaviour",
    ),
    (
        "arrivals",
        _OPEN_LOOPS,
        "--arrivals is about open loops, and there is none: add --rate, --common-rate or --sweep",
    ),
    (
        "closed",
        _OPEN_LOOPS,
        "--closed adds closed loops to open ones, and there is none: add --rate or --sweep, or "
        "leave it out",
    ),
)


def is_told(context: typer.Context, flag: str) -> bool:
    """Whether the command line itself gives a flag or argument, by its parameter's name."""
    source = context.get_parameter_source(flag)
    return source is not None and source.name == "COMMANDLINE"


def check_moot_flags(context: typer.Context) -> None:
    """Raise UsageError for a flag of the command line that would change nothing.

    A project's default may stand there for the runs that have use for it.
    """
    for flag, needed, words in _NEEDS:
        if is_told(context, flag) and not any(context.params.get(name) for name in needed):
            raise UsageError(words)
