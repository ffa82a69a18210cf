"""What the order in the tables claims, and what it doesn't, in words."""

from collections.abc import Iterator, Sequence

from asgi_bench.analysis.document import Comparison, Report
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS, SIGNIFICANCE

SHOWN_CLAIMS = 3


def claim_notes(report: Report) -> Iterator[str]:
    """How places came about, for under the tables; nothing where no cells were compared."""
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
