"""Was the load as it should be? Rules on the generator's timing and the connections."""

from asgi_bench.analysis.percentiles import quantile_s
from asgi_bench.analysis.sweeps import open_figures, rate_ratio
from asgi_bench.analysis.utilization import is_throttled, more_load
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, Reason, Slice, Trial
from asgi_bench.model.figures import is_cpu_known

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
# To open a connection costs about as much as a small request: of so few it can't be seen.
HARMLESS_RECONNECT_SHARE = 0.01


def few_streams(seen: Evidence) -> Reason | None:
    """A server that allows fewer requests at once on a connection than the load states."""
    allowed, asked = seen.trial.streams, seen.cell.load.streams
    if allowed is None or allowed >= asked:
        return None
    return Reason(
        code="few-streams",
        level="suspect",
        value=float(allowed),
        limit=float(asked),
        text=f"the server allows {allowed} streams per connection "
        f"(SETTINGS_MAX_CONCURRENT_STREAMS) instead of the {asked} requested, so no more "
        f"were in flight; compare servers at --streams {allowed}",
    )


def accounted(seen: Evidence) -> Reason | None:
    """Do the response times explain how the connections spent their time?"""
    slices, cell = seen.trial.slices, seen.cell
    weights = [(piece.accounted_share, piece.duration_s) for piece in slices if _is_whole(piece)]
    known = [(share, duration_s) for share, duration_s in weights if share is not None]
    if not known:
        return None
    share = sum(share * duration_s for share, duration_s in known) / sum(s for _, s in known)
    if cell.load.is_closed:
        if share >= LEAST_ACCOUNTED_SHARE:
            return None
        return Reason(
            code="unaccounted-time",
            level="suspect",
            value=share,
            limit=LEAST_ACCOUNTED_SHARE,
            text=f"response times explain only {share:.1%} of the connections' time: for the "
            "rest they waited for the load generator, so the server can do more than shown",
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


def nagle(seen: Evidence) -> Reason | None:
    """The 40 ms plateau: a finding about the server, and a true one."""
    trial, response = seen.trial, seen.response
    if response is None or not response.total:
        return None
    low_ns, high_ns = (edge_s * 1e9 for edge_s in NAGLE_BAND_S)
    inside = (response.values_ns >= low_ns) & (response.values_ns <= high_ns)
    share = float(response.counts[inside].sum()) / response.total
    # What waits for a CPU doesn't idle either.
    busy_s = trial.server_cpu_s + sum(
        piece.meters.get("server_wait_s", 0.0) for piece in trial.slices
    )
    is_idle = is_cpu_known(trial) and not is_throttled(trial) and busy_s < 0.5 * trial.duration_s
    if share < NAGLE_SHARE or not is_idle:
        return None
    return Reason(
        code="nagle",
        level="valid",
        value=share,
        limit=NAGLE_SHARE,
        text=f"{share:.0%} of the responses took 38 to 48 ms while the server's CPU was idle: "
        "Nagle's algorithm against delayed acknowledgements, probably because the server's "
        "connections lack TCP_NODELAY",
    )


def reconnects(seen: Evidence) -> Reason | None:
    """Whether requests needed connections of their own, because of the server or the app.

    Failed connections are errors, and connections that were closed between slices cost the slices
    nothing.
    """
    trial, cell = seen.trial, seen.cell
    told = [piece for piece in trial.slices if piece.reconnects is not None]
    sent = sum(piece.sent for piece in told)
    opened = sum(piece.reconnects or 0 for piece in told)
    ended = opened - trial.errors.reset - trial.errors.timeout
    if not sent or ended / sent <= HARMLESS_RECONNECT_SHARE:
        return None
    connect_s = sum(piece.connect_s or 0.0 for piece in told)
    each = f"opening a new one took {connect_s / opened * 1e3:.3g} ms on average"
    return Reason(
        code="reconnects",
        level="valid",
        value=ended / sent,
        limit=HARMLESS_RECONNECT_SHARE,
        text=f"{min(ended / sent, 1.0):.0%} of the responses ended their connection; "
        f"{each}{_share_of_time(trial, cell, connect_s)}",
    )


def _share_of_time(trial: Trial, cell: Cell, connect_s: float) -> str:
    """Where that time is counted."""
    if not cell.load.is_closed:
        return ", and a request that found no open connection waited for one"
    share = connect_s / (trial.duration_s * cell.load.connections)
    return f", {share:.0%} of the connections' time: throughput includes that, response times don't"


def generator_lag(seen: Evidence) -> Reason | None:
    """The generator's own lateness, compared with what it reports.

    Late requests are counted: a percentile of few requests is an accident, and a schedule of a
    second has too few for a p99.
    """
    if seen.cell.load.is_closed or seen.lag is None or seen.response is None:
        return None
    lag, response_s = seen.lag, quantile_s(seen.response, 0.5)
    if response_s is None:
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
        f"{time_words(limit_s)} late, with a median response time of {time_words(response_s)}, so "
        f"{what} its own; measure on an idle machine, or at a lower rate",
    )


def rate_kept(seen: Evidence) -> Reason | None:
    """A schedule that was not kept, because of the server or of the generator."""
    kept = rate_ratio(open_figures(seen.trial.slices))
    if kept is None or not seen.cell.load.has_one_rate:
        return None
    late_s = (quantile_s(seen.lag, 0.5) if seen.lag else None) or 0.0
    response_s = (quantile_s(seen.response, 0.5) if seen.response else None) or 0.0
    # Waiting for a connection is the server's doing and no lag. Where requests pile up anyway,
    # the generator has to explain a good part of the wait.
    explained_s = max(HARMLESS_LAG_S, MOST_LAG_SHARE * response_s if seen.is_overloaded else 0.0)
    if late_s > explained_s and kept < LEAST_RATE_RATIO:
        return Reason(
            code="rate-not-kept",
            level="invalid",
            value=kept,
            limit=LEAST_RATE_RATIO,
            text=f"the load generator sent only {kept:.1%} of the requests in time, with a "
            f"median lateness of {time_words(late_s)}: the rate is more than it can send here; "
            f"use more {more_load(seen.plan)}, or a lower rate",
        )
    if not seen.is_overloaded:
        return None
    return Reason(
        code="overloaded",
        level="valid",
        value=kept,
        limit=LEAST_RATE_RATIO,
        text="the rate is more than the server can handle: requests piled up until the end, and "
        f"{kept:.0%} of them were sent in time; a growing queue has no percentiles",
    )


def time_words(seconds: float) -> str:
    """A short time in words: `150 µs`, `21.6 ms`."""
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"
