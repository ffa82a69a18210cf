"""Were there as many workers as requested, did they share the load, survive it, and stop?"""

from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, Reason, Trial
from asgi_bench.model.figures import HARMLESS_OTHERS_SHARE, is_cpu_known, others_share

# The busiest worker may have so many times an equal share of connections, or of CPU time.
MOST_SHARE = 1.5
# With less of an equal share than this a worker had next to nothing to do. In the recorded run the
# least was 0.8; a burst or a slow first request leaves 0.03 to 0.06.
LEAST_SHARE = 0.1
# Below this a worker hardly ran: which of them had more says nothing.
LEAST_CPU_S = 0.05


def worker_died(seen: Evidence) -> Reason | None:
    """A worker that was up before the load was gone after it, and was not replaced."""
    trial = seen.trial
    if not trial.workers_lost or trial.server_ended is not None:
        return None
    return Reason(
        code="worker-died",
        level="invalid",
        value=float(trial.workers_lost),
        limit=0.0,
        text=f"{trial.workers_lost} of the server's worker processes died under load; see its log",
    )


def workers_replaced(seen: Evidence) -> Reason | None:
    """Workers that were recycled, or died and were replaced: what that costs is measured."""
    trial = seen.trial
    count = trial.workers_replaced
    if not count:
        return None
    which = "1 worker was" if count == 1 else f"{count} workers were"
    return Reason(
        code="workers-replaced",
        level="valid",
        value=float(count),
        limit=0.0,
        text=f"{which} replaced under load, perhaps after a maximum number of requests: the "
        "figures include starting the new ones",
    )


def untold_cpu(seen: Evidence) -> Reason | None:
    """CPU time of processes that ended without being counted."""
    trial = seen.trial
    if is_cpu_known(trial) or trial.target is not None:
        return None
    return Reason(
        code="untold-cpu",
        level="suspect",
        value=others_share(trial.slices),
        limit=HARMLESS_OTHERS_SHARE,
        text="the server's CPU time is not known: processes it started have ended, and none of "
        "its own waited for them (it ignores SIGCHLD, or they were detached); have the app "
        "wait for the processes it starts",
    )


def miscounted(asked: int, serving: int) -> str | None:
    """Return a sentence if more processes serve than were requested; None for fewer.

    A server with fewer doesn't get ready, and one that loses some is a finding of its own.
    """
    if serving <= asked:
        return None
    return (
        f"asked for {asked} worker{'s' if asked > 1 else ''}, but {serving} serve: something "
        "else sets the worker count too; set it only with --workers"
    )


def worker_count(seen: Evidence) -> Reason | None:
    """Figures of four workers under the name of one are wrong."""
    trial, cell = seen.trial, seen.cell
    text = miscounted(cell.workers, trial.workers_serving)
    if text is None:
        return None
    return Reason(
        code="worker-count",
        level="invalid",
        value=float(trial.workers_serving),
        limit=float(cell.workers),
        text=text,
    )


def uneven_workers(seen: Evidence) -> Reason | None:
    """How evenly workers shared the load: by their connections or, failing that, by CPU."""
    return _uneven_connections(seen.trial, seen.cell) or _uneven_cpu(seen.trial, seen.cell)


def _uneven_connections(trial: Trial, cell: Cell) -> Reason | None:
    """How the connections fell to the workers: it stays so for as long as they live."""
    counts = list(trial.connections_by_process.values())
    if cell.workers < 2 or sum(counts) < cell.workers:
        return None
    share = max(counts) * cell.workers / sum(counts)
    if share <= MOST_SHARE:
        return None
    least = min(counts) if len(counts) >= cell.workers else 0
    return Reason(
        code="uneven-connections",
        # Such a cell measures fewer workers than its name says.
        level="suspect" if least * cell.workers < LEAST_SHARE * sum(counts) else "valid",
        value=share,
        limit=MOST_SHARE,
        text=f"one worker held {max(counts)} of {sum(counts)} connections, {share:.1f} times an "
        f"equal share among {cell.workers}: the others had less to do",
    )


def _uneven_cpu(trial: Trial, cell: Cell) -> Reason | None:
    """How the work fell to the workers, where the connections don't tell already."""
    times_s = list(trial.cpu_s_by_process.values())
    if cell.workers < 2 or sum(times_s) < LEAST_CPU_S * cell.workers:
        return None
    share = max(times_s) * cell.workers / sum(times_s)
    if share <= MOST_SHARE:
        return None
    return Reason(
        code="uneven-cpu",
        level="valid",
        value=share,
        limit=MOST_SHARE,
        text=f"one process did {max(times_s) / sum(times_s):.0%} of the server's work, "
        f"{share:.1f} times an equal share among {cell.workers}: the others had less to do, "
        "or it does work that can't be shared",
    )


def stop_forced(seen: Evidence) -> Reason | None:
    """A server that goes on after SIGTERM, with every connection closed."""
    trial = seen.trial
    if not trial.stop_forced:
        return None
    return Reason(
        code="stop-forced",
        level="valid",
        value=None,
        limit=None,
        text="the server did not stop in time after SIGTERM and was killed",
    )
