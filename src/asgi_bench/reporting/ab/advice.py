"""What to do next, for each verdict: words for whoever sees no more than the summary."""

import math

from asgi_bench.analysis.ab.wording import deciding
from asgi_bench.model import AbReport, MetricVerdict, Verdict
from asgi_bench.reporting import numbers

# A longer run than this many times is no advice: the machine is the limit.
MOST_TIMES_LONGER = 10

_STALLS = (
    "Look for what holds the candidate up now and then: garbage collection, a task that blocks, a "
    "slow start. `-r 50%` shows p99 at a fixed rate, where stalls can't hide."
)
_ADVICE: dict[Verdict, str] = {
    "regression": "Look for the cause in what differs between the sides. The same command with "
    "twice the budget narrows the interval. If the cost is meant, say so and merge: the gate "
    "remembers no run.",
    "failed": "Nothing is said about speed: a side did not start, did not answer rightly, or broke "
    "under load, and measuring again won't mend that. Its log lies in the run's folder; "
    "`asgi-bench check` starts it alone, `asgi-bench run` loads it alone.",
    "invalid": "Nothing is said about the candidate, neither good nor bad: the machine was too "
    "restless. Measure again with nothing else running; a larger budget alone won't help.",
    "improvement": "Nothing has to be done.",
    "pass": "Nothing has to be done: a slowdown that matters is ruled out. Rare stalls are not: "
    "they show in p99 at a fixed rate (`-r 50%`).",
}
# By the code of what left it open, whatever the intervals are.
_OPEN_ADVICE: dict[str, str] = {
    "perhaps-stalls": f"Give a larger budget to be sure. {_STALLS}",
    "control-moved": "Two starts of the baseline differ in memory: see what makes them.",
    "few-measured": "Give more --duration, or a higher rate.",
    "baseline-overloaded": "Give a lower rate, as `-r 50%`: half of what the baseline reaches.",
    "perhaps-overloaded": "Give a larger budget to be sure, or a lower rate, as `-r 50%`.",
}
_AA_ADVICE: dict[Verdict, str] = {
    "regression": "Both sides are the same: this is a false alarm, or the machine tells apart "
    "what is the same. Don't gate on it before `--aa` passes.",
    "pass": "Both sides are the same, and the gate says so: it can be used on this machine.",
}


def advice(report: AbReport) -> str:
    """What to do next, in one or two sentences."""
    if report.is_aa:
        verdict = "regression" if report.verdict == "improvement" else report.verdict
        if verdict in _AA_ADVICE:
            return _AA_ADVICE[verdict]
    if report.verdict == "undecided":
        return _of_undecided(report)
    if report.verdict == "regression" and _stalls(report):
        return f"{_STALLS} If the cost is meant, say so and merge: the gate remembers no run."
    return _ADVICE[report.verdict]


def _stalls(report: AbReport) -> bool:
    """Whether it is stalls alone that make the verdict."""
    found = [deciding(cell) for cell in report.cells if cell.verdict == "regression"]
    return bool(found) and all(one is not None and one.code == "stalls" for one in found)


def _of_undecided(report: AbReport) -> str:
    """What would decide: a rate or a time, or from the intervals how much longer to measure."""
    for cell in report.cells:
        reason = deciding(cell) if cell.verdict == "undecided" else None
        if reason is not None:
            return f"This is not a pass. {_OPEN_ADVICE[reason.code]}"
    least = numbers.tick(report.min_change * 100)
    text = (
        f"Neither a slowdown of {least}% nor its absence is shown: this is not a pass. "
        f"A larger --min-change asks for less"
    )
    times = [
        _times_longer(metric, metric.min_change or report.min_change)
        for cell in report.cells
        for metric in cell.metrics
        if metric.verdict == "undecided"
    ]
    longest = max(times, default=math.inf)
    if longest > MOST_TIMES_LONGER:
        return f"{text}; so does a quieter machine: time alone would take too long."
    budget_s = math.ceil(report.budget_s * longest / 10) * 10
    return f"{text}; about --budget {budget_s}s would decide, if the effect is what it seems."


def _times_longer(metric: MetricVerdict, min_change: float) -> float:
    """The factor of time after which the interval would leave out what keeps it undecided.

    An interval shrinks with the square root of the blocks. It decides once it leaves out 0, for
    an effect that matters, or the smallest change that matters, for one that doesn't.
    """
    effect = metric.effect
    if effect.lo is None or effect.hi is None:
        return math.inf
    half_width = (effect.hi - effect.lo) / 2
    is_relevant = abs(effect.d) >= min_change
    distance = abs(effect.d) if is_relevant else min_change - effect.d
    # What sits on the border stays there.
    return (half_width / distance) ** 2 if distance > 0 else math.inf
