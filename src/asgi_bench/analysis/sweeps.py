"""What an open loop can sustain: overload, the rate kept, and the search for the highest rate."""

from collections.abc import Iterable, Sequence

import msgspec

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.model import RESPONSE_TIME, Objective, OpenFigures, Slice, Trial

# A schedule that isn't kept to this share within its time was more than the server could take.
LEAST_KEPT_SHARE = 0.98
# What a stall leaves behind is forgiven up to this share of the due: it is worked off.
FORGIVEN_OUTSTANDING_SHARE = 0.02
FORGIVEN_OUTSTANDING = 4
MOST_ERRORS_SHARE = 0.001
# `OpenFigures.outstanding` has as many counts.
QUARTERS = 4


def is_overloaded(figures: OpenFigures) -> bool:
    """Whether requests that were due and unanswered kept growing over the schedule.

    A server that is offered more than it can handle falls behind evenly: by the end of the schedule
    twice as far as by its middle. So the end and the middle are compared, and the growth has to be
    above what a stall leaves and above chance (two standard deviations, if both counts were
    Poisson). A quarter of it must have come by the third quarter: what comes later is a stall at
    the end, and what has gone again was a stall before. An overloaded cell has no percentiles:
    they would only reflect how long the schedule was.
    """
    if figures.unsent:
        return True
    if len(figures.outstanding) < QUARTERS:
        return False
    _, middle, third, last = figures.outstanding
    growth = last - middle
    forgiven = max(
        FORGIVEN_OUTSTANDING,
        FORGIVEN_OUTSTANDING_SHARE * figures.due,
        2 * (middle + last) ** 0.5,
    )
    return growth > forgiven and middle + growth / 4 <= third <= last


def open_figures(slices: Iterable[Slice]) -> list[OpenFigures]:
    """Return the figures of an open loop's slices; nothing for a closed one."""
    return [piece.open_loop for piece in slices if piece.open_loop is not None]


def overloaded_slices(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Return the open loops whose queue grew until their end."""
    return tuple(s for s in slices if s.open_loop is not None and is_overloaded(s.open_loop))


def taken_slices(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Return the open loops that the server could handle."""
    return tuple(s for s in slices if s.open_loop is not None and not is_overloaded(s.open_loop))


def is_trial_overloaded(trial: Trial) -> bool:
    """Whether an open loop's queue grew until the end in any of the trial's slices."""
    return bool(overloaded_slices(trial.slices))


def rate_ratio(figures: Sequence[OpenFigures]) -> float | None:
    """Return the share of due requests that were sent before the schedule's end."""
    due = sum(each.due for each in figures)
    return sum(each.sent_in_time for each in figures) / due if due else None


def keeps(step: Slice, objective: Objective) -> bool:
    """Whether a step of a sweep met the objective: no growing backlog, no errors, in time."""
    figures = step.open_loop
    if figures is None or step.times_hdr.get(RESPONSE_TIME) is None or is_overloaded(figures):
        return False
    if step.errors > MOST_ERRORS_SHARE * max(step.sent, 1):
        return False
    if (rate_ratio([figures]) or 0.0) < LEAST_KEPT_SHARE:
        return False
    histogram = merge_histograms([step.times_hdr.get(RESPONSE_TIME)])
    if histogram is None:
        return False
    late = histogram.counts[histogram.values_ns > objective.limit_s * 1e9].sum()
    # 1 - 0.9 is a little less than 0.1.
    return bool(late <= (1 - objective.quantile) * histogram.total + 1e-6)


class Bracket(msgspec.Struct, frozen=True):
    """What a search knows: the highest rate that met the objective, the lowest that did not."""

    kept_rps: float | None
    broken_rps: float | None


def bracket(steps: Sequence[Slice], objective: Objective) -> Bracket:
    """Return where the objective breaks, from steps in any order.

    A server that sustains a rate sustains every lower one, yet on a shared machine one stall spoils
    a step that was no trouble, and luck lets one pass. So the limit is put where the fewest steps
    contradict it, broken ones below and kept ones above (isotonic regression of yes and no);
    among several such places, at the lowest.
    """
    judged = sorted(
        (step.offered_rps, keeps(step, objective)) for step in steps if step.offered_rps
    )
    contradictions = [
        sum(not is_kept for _, is_kept in judged[:place])
        + sum(is_kept for _, is_kept in judged[place:])
        for place in range(len(judged) + 1)
    ]
    limit = contradictions.index(min(contradictions))
    below = [rate_rps for rate_rps, is_kept in judged[:limit] if is_kept]
    above = [rate_rps for rate_rps, is_kept in judged[limit:] if not is_kept]
    return Bracket(max(below, default=None), min(above, default=None))


def next_rate_rps(known: Bracket) -> float | None:
    """Return the rate to try next, the geometric middle; None if there is nothing between."""
    match known:
        case Bracket(kept_rps=float(kept), broken_rps=float(broken)):
            return float((kept * broken) ** 0.5)
        case Bracket(kept_rps=None, broken_rps=float(broken)):
            return broken / 2
        case Bracket(kept_rps=float(kept), broken_rps=None):
            return kept * 1.2
    return None
