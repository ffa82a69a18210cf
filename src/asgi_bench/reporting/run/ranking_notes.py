"""What the order in the tables claims, and what it doesn't, in words."""

from collections.abc import Iterator, Sequence

from asgi_bench.analysis.document import Comparison, Report, RunFacts
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS, SIGNIFICANCE
from asgi_bench.reporting import numbers

SHOWN_CLAIMS = 3


def surety_notes(report: Report) -> Iterator[str]:
    """How sure ratios and places are: what was asked for, what was reached."""
    yield from _reached(report.run)
    yield from _places(report)


def _reached(run: RunFacts) -> Iterator[str]:
    """The run's goal, if it had one, and the half-widths of its throughput ratios."""
    reached, goal = run.reached, run.goal
    if reached is None:
        return
    if goal is not None:
        asked = []
        if goal.precision is not None:
            asked.append(f"±{numbers.percent(goal.precision)}%")
        if goal.budget_s is not None:
            asked.append(f"at most {numbers.clock(goal.budget_s)}")
        rounds = f"{reached.rounds} round{'' if reached.rounds == 1 else 's'}"
        yield (
            f"Asked for: {' in '.join(asked)}. Reached: {rounds} in "
            f"{numbers.clock(reached.duration_s)}."
        )
    if reached.half_width_median is not None:
        widened = ""
        if goal is not None and goal.precision is not None:
            widened = " Intervals are wider by what stopping at a planned look costs."
        yield (
            f"Throughput ratios are known to ±{numbers.percent(reached.half_width_median)}% in the "
            f"median, to ±{numbers.percent(reached.half_width_max)}% at worst.{widened}"
        )


def _places(report: Report) -> Iterator[str]:
    """How places came about; nothing where no cells were compared."""
    everything = (*report.comparisons, *report.latency_comparisons)
    if not everything:
        return
    most_rounds = max(len(each.round_ratios) for each in everything)
    if most_rounds < MIN_CLAIM_ROUNDS:
        yield (
            f"#: no order is claimed: that takes {MIN_CLAIM_ROUNDS} rounds, and this run has "
            f"{most_rounds}. Rows stand by their estimates."
        )
        return
    yield (
        f"#: the places it may hold; cells that share one can't be told apart. Each pair is tested "
        f"over rounds (t on log ratios, at least {MIN_CLAIM_ROUNDS}), p < {SIGNIFICANCE:g} after "
        f"Holm's adjustment for all pairs of a table's worker count."
    )
    yield _sensitivity([each for each in everything if each.distinguishable])


def _sensitivity(claims: Sequence[Comparison]) -> str:
    """Whether the claims stand without the most extreme rounds."""
    if not claims:
        return "No two can be told apart."
    fallen = [each for each in claims if not each.holds_trimmed]
    pairs = f"Of {len(claims)} differences on throughput, CPU and latency"
    if not fallen:
        return f"{pairs} all hold without the fifth of the rounds at either end."
    named = "; ".join(f"{each.a} to {each.b}" for each in fallen[:SHOWN_CLAIMS])
    more = "; …" if len(fallen) > SHOWN_CLAIMS else ""
    return (
        f"{pairs} {len(fallen)} rest on single rounds, for they don't hold without the fifth of "
        f"the rounds at either end: {named}{more}."
    )
