"""Answers that end their connection: what opening the next one costs, told apart."""

from asgi_bench.model import Cell, ClosedLoop, Reason, Trial

# To open a connection costs about as much as a small request: of so few it can't be seen.
HARMLESS_RECONNECT_SHARE = 0.01


def reconnect_finding(trial: Trial, cell: Cell) -> Reason | None:
    """Whether requests needed connections of their own, by the server's or the app's doing.

    Connections that failed are the errors' business, and those that were closed between slices
    cost the slices nothing.
    """
    told = [piece for piece in trial.slices if piece.reconnects is not None]
    sent = sum(piece.sent for piece in told)
    opened = sum(piece.reconnects or 0 for piece in told)
    ended = opened - trial.errors.reset - trial.errors.timeout
    if not sent or ended / sent <= HARMLESS_RECONNECT_SHARE:
        return None
    connect_s = sum(piece.connect_s or 0.0 for piece in told)
    each = f"opening another took {connect_s / opened * 1e3:.3g} ms in the mean"
    return Reason(
        code="reconnects",
        level="valid",
        value=ended / sent,
        limit=HARMLESS_RECONNECT_SHARE,
        text=f"{min(ended / sent, 1.0):.0%} of the answers ended their connection; {each}"
        f"{_share(trial, cell, connect_s)}",
    )


def _share(trial: Trial, cell: Cell, connect_s: float) -> str:
    """Where that time is counted."""
    if not isinstance(cell.load, ClosedLoop):
        return ", and a request that found none open waited for it"
    share = connect_s / (trial.duration_s * cell.load.connections)
    return f", {share:.0%} of the connections' time: throughput bears that, response times don't"
