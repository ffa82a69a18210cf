"""Processes that came and went under load: workers that died, or were replaced; CPU time lost."""

from asgi_bench.analysis.disturbance_validity import HARMLESS_OTHERS_SHARE, others_share
from asgi_bench.model import Reason, Trial


def is_cpu_known(trial: Trial) -> bool:
    """Whether all CPU time of the server was counted.

    Where processes may have ended that nobody waited for, it was unless something that isn't known
    to be the server's used its CPUs.
    """
    if not trial.has_untold_cpu:
        return True
    others = others_share(trial.slices)
    return others is not None and others <= HARMLESS_OTHERS_SHARE


def turnover_findings(trial: Trial) -> tuple[Reason | None, ...]:
    """Every finding on processes that ended under load; None for a rule that found nothing."""
    return (_worker_died(trial), _replaced(trial), _untold(trial))


def _worker_died(trial: Trial) -> Reason | None:
    """A worker that was up before the load was gone after it, and none in its place."""
    if not trial.workers_lost or trial.server_ended is not None:
        return None
    return Reason(
        code="worker-died",
        level="invalid",
        value=float(trial.workers_lost),
        limit=0.0,
        text=f"{trial.workers_lost} of the server's worker processes died under load; look into "
        f"its log",
    )


def _replaced(trial: Trial) -> Reason | None:
    """Workers that were recycled, or died and were started anew: what that costs is measured."""
    count = trial.workers_replaced
    if not count:
        return None
    which = "1 worker was" if count == 1 else f"{count} workers were"
    return Reason(
        code="workers-replaced",
        level="valid",
        value=float(count),
        limit=0.0,
        text=f"{which} replaced under load, as after a highest number of requests: starting the "
        "new ones is in the figures",
    )


def _untold(trial: Trial) -> Reason | None:
    """CPU time that nobody has inherited."""
    if is_cpu_known(trial):
        return None
    return Reason(
        code="untold-cpu",
        level="suspect",
        value=others_share(trial.slices),
        limit=HARMLESS_OTHERS_SHARE,
        text="the server's CPU time is not known: processes that it started ended, and none of "
        "its own waited for them (it ignores SIGCHLD, or they had left it); have the app wait for "
        "what it starts",
    )
