"""What servers leave behind of streams whose clients have gone: the most in any round.

It doesn't affect the figures, so it is a finding, and never makes a cell suspect.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from asgi_bench.model import Leftovers, Reason, Trial

FigureT = TypeVar("FigureT", int, float)
# Files and sockets that a server opens with its first requests are a few.
MOST_DESCRIPTORS = 8
# Shipped servers without a client use 0 to 0.4 % of a CPU.
MOST_CPU_SHARE = 0.02


def most_left(trials: Iterable[Trial]) -> Leftovers | None:
    """The most of each that any trial has left; None if nothing was checked."""
    found = [trial.leftovers for trial in trials if trial.leftovers is not None]
    if not found:
        return None
    return Leftovers(
        after_s=min(each.after_s for each in found),
        streams=_most([each.streams for each in found]),
        connections=_most([each.connections for each in found]),
        descriptors=_most([each.descriptors for each in found]),
        pss_kept_bytes=_most([each.pss_kept_bytes for each in found]),
        cpu_share=_most([each.cpu_share for each in found]),
    )


def _most(figures: Sequence[FigureT | None]) -> FigureT | None:
    return max((figure for figure in figures if figure is not None), default=None)


def leftover_findings(left: Leftovers | None) -> tuple[Reason, ...]:
    """The finding on what is left; what an app can't report shows in the CPU time it uses."""
    if left is None:
        return ()
    told = [
        text
        for text, is_left in (
            (f"{_counted(left.streams, 'stream')} still running in the app", left.streams),
            (f"{_counted(left.connections, 'connection')} still open", left.connections),
            (
                f"{_counted(left.descriptors, 'descriptor')} more than before",
                (left.descriptors or 0) > MOST_DESCRIPTORS,
            ),
            (
                f"the server using {left.cpu_share or 0:.1%} of a CPU",
                (left.cpu_share or 0.0) > MOST_CPU_SHARE,
            ),
        )
        if is_left
    ]
    if not told:
        return ()
    value = float(left.streams or left.connections or left.descriptors or 0)
    hint = "; the app isn't told that clients have gone, or doesn't end" if left.streams else ""
    return (
        Reason(
            code="left-over",
            level="valid",
            value=value,
            limit=0.0,
            text=f"{left.after_s:.0f} s after all clients had gone: {', '.join(told)}{hint}",
        ),
    )


def _counted(count: int | None, noun: str) -> str:
    return f"{count or 0:,} {noun}{'' if count == 1 else 's'}"
