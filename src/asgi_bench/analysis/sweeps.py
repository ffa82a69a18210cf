"""What an open loop can hold: overload, the rate kept, and the search for the highest rate."""

from collections.abc import Sequence

import msgspec

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.model import Objective, OpenFigures, Slice

# A schedule that isn't kept to this share within its time was more than the server could take.
LEAST_KEPT_SHARE = 0.98
# Of a backlog that a stall leaves behind this much is forgiven: it is worked off, not growing.
FORGIVEN_OUTSTANDING_SHARE = 0.02
# More than this is no stall's doing: it would have lasted a tenth of the schedule.
BACKLOG_SHARE = 0.1
MOST_ERRORS_SHARE = 0.001


def is_overloaded(figures: OpenFigures) -> bool:
    """Whether what was due and unanswered kept growing over the schedule.

    Compared are its quarters: the last above all before, above twice the second, and above what
    a passing stall leaves; or a tenth of the whole at the end. The cell then has no percentiles:
    they would only tell how long the schedule was.
    """
    if figures.unsent:
        return True
    if not figures.outstanding:
        return False
    *earlier, last = figures.outstanding
    forgiven = max(4.0, FORGIVEN_OUTSTANDING_SHARE * figures.due)
    if last > BACKLOG_SHARE * figures.due:
        return last > forgiven
    return last > forgiven and last >= max(earlier, default=0) and last > 2 * earlier[1]


def rate_ratio(figures: Sequence[OpenFigures]) -> float | None:
    """Return the share of what was due that went out before its schedule's end."""
    due = sum(each.due for each in figures)
    return sum(each.sent_in_time for each in figures) / due if due else None


def keeps(step: Slice, objective: Objective) -> bool:
    """Whether a step of a sweep kept the objective: no growing backlog, no errors, in time."""
    figures = step.open_loop
    if figures is None or step.response_time_hdr is None or is_overloaded(figures):
        return False
    if step.errors > MOST_ERRORS_SHARE * max(step.sent, 1):
        return False
    if (rate_ratio([figures]) or 0.0) < LEAST_KEPT_SHARE:
        return False
    histogram = merge_histograms([step.response_time_hdr])
    if histogram is None:
        return False
    late = histogram.counts[histogram.values_ns > objective.limit_s * 1e9].sum()
    return bool(late <= (1 - objective.quantile) * histogram.total)


class Bracket(msgspec.Struct, frozen=True):
    """What a search knows: the highest rate that kept the objective, the lowest that did not."""

    kept_rps: float | None
    broken_rps: float | None


def bracket(steps: Sequence[Slice], objective: Objective) -> Bracket:
    """Return where the objective breaks, from steps in any order.

    A rate is only as good as all below it: where a lower one broke, a higher one that kept was
    luck, and the search goes on below.
    """
    judged = sorted(
        (step.offered_rps, keeps(step, objective)) for step in steps if step.offered_rps
    )
    kept_rps: float | None = None
    for rate_rps, is_kept in judged:
        if not is_kept:
            return Bracket(kept_rps, rate_rps)
        kept_rps = rate_rps
    return Bracket(kept_rps, None)


def next_rate_rps(known: Bracket) -> float | None:
    """Return the rate to try next, the geometric middle; None where there is nothing between."""
    match known:
        case Bracket(kept_rps=float(kept), broken_rps=float(broken)):
            return float((kept * broken) ** 0.5)
        case Bracket(kept_rps=None, broken_rps=float(broken)):
            return broken / 2
        case Bracket(kept_rps=float(kept), broken_rps=None):
            return kept * 1.2
    return None
