"""Was the load what it should have been? Rules on the generator's timing and the connections.

They rest on what each slice tells beside its counts; a trial stored without it passes them.
"""

from collections.abc import Sequence

from asgi_bench.analysis.disturbance_validity import disturbance_findings, is_throttled
from asgi_bench.analysis.percentiles import Histogram, merge_histograms, quantile_s
from asgi_bench.analysis.reconnect_validity import reconnect_finding
from asgi_bench.analysis.sweeps import (
    is_trial_overloaded,
    open_figures,
    rate_ratio,
    taken_slices,
)
from asgi_bench.analysis.turnover_validity import is_cpu_known
from asgi_bench.analysis.worker_validity import worker_findings
from asgi_bench.model import (
    GENERATOR_LAG,
    RESPONSE_TIME,
    Cell,
    ClosedLoop,
    OpenLoop,
    RateSweep,
    Reason,
    Slice,
    Trial,
)

# A request sent this late would not be noticed beside what a virtual CPU itself adds.
HARMLESS_LAG_S = 150e-6
# Beyond it the generator's own lateness is a good part of what is reported as response time.
MOST_LAG_SHARE = 0.5
# More late requests than these make a p99 the generator's; fewer than so many are an accident.
MOST_LATE_SHARE = 0.01
FEWEST_LATE = 5
LEAST_RATE_RATIO = 0.99
# Closed loop: what response times must explain of the connections' time (LOAD.md, Little).
LEAST_ACCOUNTED_SHARE = 0.98
# Open loop: how far requests in flight may be from rate x mean response time.
MOST_LITTLE_DEVIATION = 0.05
# Nagle's algorithm holds a second segment back until the first is acknowledged, and a delayed
# acknowledgement comes after 40 ms on Linux (TCP_DELACK_MIN).
NAGLE_BAND_S = (0.038, 0.048)
NAGLE_SHARE = 0.25


def load_findings(trial: Trial, cell: Cell) -> tuple[Reason, ...]:
    """Every finding on how a trial was loaded."""
    response = _response(trial, cell)
    found = [
        _accounted(trial.slices, cell),
        *disturbance_findings(trial, cell),
        _nagle(response, trial),
        *worker_findings(trial, cell),
        reconnect_finding(trial, cell),
    ]
    if not isinstance(cell.load, ClosedLoop):
        found.append(_lag(trial, response))
    if isinstance(cell.load, OpenLoop):
        found.append(_rate(trial, response))
    return tuple(reason for reason in found if reason is not None)


def _response(trial: Trial, cell: Cell) -> Histogram | None:
    """The response times; of a sweep those of the rates that the server could take."""
    if not isinstance(cell.load, RateSweep):
        return merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
    return merge_histograms(
        step.times_hdr.get(RESPONSE_TIME) for step in taken_slices(trial.slices)
    )


def _accounted(slices: Sequence[Slice], cell: Cell) -> Reason | None:
    """Do the response times explain where the connections' time went?"""
    weights = [(piece.accounted_share, piece.duration_s) for piece in slices if _is_whole(piece)]
    known = [(share, duration_s) for share, duration_s in weights if share is not None]
    if not known:
        return None
    share = sum(share * duration_s for share, duration_s in known) / sum(s for _, s in known)
    if isinstance(cell.load, ClosedLoop):
        if share >= LEAST_ACCOUNTED_SHARE:
            return None
        return Reason(
            code="unaccounted-time",
            level="suspect",
            value=share,
            limit=LEAST_ACCOUNTED_SHARE,
            text=f"response times explain only {share:.1%} of the connections' time: in the rest "
            "they waited for the load generator, so the server can do more than is shown",
        )
    if abs(share - 1) <= MOST_LITTLE_DEVIATION:
        return None
    return Reason(
        code="little",
        level="suspect",
        value=share,
        limit=1 + MOST_LITTLE_DEVIATION,
        text=f"requests in flight were {share:.2f} times rate x mean response time (Little's law "
        "says 1): some response times are missing or wrong",
    )


def _is_whole(piece: Slice) -> bool:
    """Whether every request due in an open loop got its right answer.

    Others were in flight as well, and have no response time: of them Little's law says nothing.
    """
    return piece.open_loop is None or piece.requests == piece.open_loop.due


def _nagle(response: Histogram | None, trial: Trial) -> Reason | None:
    """The 40 ms plateau: a finding about the server, and a true one."""
    if response is None or not response.total:
        return None
    low_ns, high_ns = (edge_s * 1e9 for edge_s in NAGLE_BAND_S)
    inside = (response.values_ns >= low_ns) & (response.values_ns <= high_ns)
    share = float(response.counts[inside].sum()) / response.total
    # What waits for a CPU doesn't idle either.
    busy_s = trial.server_cpu_s + sum(piece.server_wait_s or 0.0 for piece in trial.slices)
    is_idle = is_cpu_known(trial) and not is_throttled(trial) and busy_s < 0.5 * trial.duration_s
    if share < NAGLE_SHARE or not is_idle:
        return None
    return Reason(
        code="nagle",
        level="valid",
        value=share,
        limit=NAGLE_SHARE,
        text=f"{share:.0%} of the answers took 38 to 48 ms while the server's CPU idled: Nagle's "
        "algorithm against delayed acknowledgements, as where TCP_NODELAY is not set on the "
        "server's connections",
    )


def _lag(trial: Trial, response: Histogram | None) -> Reason | None:
    """The generator's own lateness against what it reports.

    Requests that were late are counted: a percentile of few requests is an accident, and a schedule
    of a second has too few for a p99.
    """
    lag = merge_histograms([trial.times_hdr.get(GENERATOR_LAG)])
    response_s = None if response is None else quantile_s(response, 0.5)
    if lag is None or response_s is None:
        return None
    limit_s = max(HARMLESS_LAG_S, MOST_LAG_SHARE * response_s)
    late = int(lag.counts[lag.values_ns > limit_s * 1e9].sum())
    share = late / lag.total
    if late < FEWEST_LATE or share <= MOST_LATE_SHARE:
        return None
    is_general = share > 0.5
    what = "every percentile is" if is_general else "the tail is partly"
    return Reason(
        code="generator-lag",
        level="invalid" if is_general else "suspect",
        value=share,
        limit=MOST_LATE_SHARE,
        text=f"the load generator itself sent {share:.1%} of the requests more than "
        f"{_time(limit_s)} late, beside a median response time of {_time(response_s)}: {what} its "
        "own; measure on an idle machine, or at a lower rate",
    )


def _rate(trial: Trial, response: Histogram | None) -> Reason | None:
    """A schedule that was not kept: by the server's doing, or by the generator's."""
    kept = rate_ratio(open_figures(trial.slices))
    if kept is None:
        return None
    is_overload = is_trial_overloaded(trial)
    lag = merge_histograms([trial.times_hdr.get(GENERATOR_LAG)])
    late_s = (quantile_s(lag, 0.5) if lag else None) or 0.0
    response_s = (quantile_s(response, 0.5) if response else None) or 0.0
    # Waiting for a connection is the server's doing and no lag. Where requests pile up anyway,
    # the generator has to explain a good part of the wait.
    explained_s = max(HARMLESS_LAG_S, MOST_LAG_SHARE * response_s if is_overload else 0.0)
    if late_s > explained_s and kept < LEAST_RATE_RATIO:
        return Reason(
            code="rate-not-kept",
            level="invalid",
            value=kept,
            limit=LEAST_RATE_RATIO,
            text=f"the load generator sent only {kept:.1%} of the requests in time, and late by "
            f"{_time(late_s)} in the median: the rate is more than it can offer here; try "
            "--load-processes, or a lower rate",
        )
    if not is_overload:
        return None
    return Reason(
        code="overloaded",
        level="valid",
        value=kept,
        limit=LEAST_RATE_RATIO,
        text="the rate is more than the server can take: requests piled up until the end, "
        f"{kept:.0%} of them were sent in time; there are no percentiles of a growing queue",
    )


def _time(seconds: float) -> str:
    """A short time in words: `150 µs`, `21.6 ms`."""
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"
