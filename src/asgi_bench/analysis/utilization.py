"""Who used the CPUs: server, load generator, the other servers, everybody else, and a quota.

This rests on what each slice records beside its counts. A trial stored without it has None.
"""

from collections.abc import Sequence
from math import inf
from statistics import fmean

from asgi_bench.model import Plan, Slice, Trial
from asgi_bench.model.figures import is_cpu_known

# A period in which everything was stopped is 100 ms that no answer could come in.
MOST_THROTTLED_SHARE = 0.05


def server_busy_share(trial: Trial, workers: int, server_cpus: int) -> float | None:
    """Server CPU time over what it may use: wall time of the load x min(workers, CPUs, quota)."""
    capacity_cpus: float = min(workers, server_cpus) if server_cpus else workers
    if trial.throttling is not None:
        capacity_cpus = min(capacity_cpus, trial.throttling.quota_cpus)
    wall_s = trial.duration_s
    if wall_s <= 0 or not is_cpu_known(trial):
        return None
    return trial.server_cpu_s / (wall_s * capacity_cpus)


def load_cpu_share(trial: Trial, plan: Plan) -> float | None:
    """Generator CPU time over what it may use: wall time x min(its processes, CPUs, quota)."""
    wall_s = trial.duration_s
    return load_busy_s(trial) / (wall_s * load_capacity_cpus(trial, plan)) if wall_s > 0 else None


def load_busy_s(trial: Trial) -> float:
    """Generator CPU time without what an open loop spent spinning until a request was due."""
    spun_s = sum(piece.open_loop.spin_s for piece in trial.slices if piece.open_loop is not None)
    return max(trial.load_cpu_s - spun_s, 0.0)


def load_occupied_share(trial: Trial, plan: Plan) -> float | None:
    """As `load_cpu_share`, including the time it was ready to run and waited for a CPU.

    On a machine that is busy elsewhere, a generator at its limit uses less than a CPU.
    """
    waited_s = sum(piece.load_wait_s or 0.0 for piece in trial.slices)
    share, wall_s = load_cpu_share(trial, plan), trial.duration_s
    if share is None:
        return None
    share += waited_s / (wall_s * load_capacity_cpus(trial, plan))
    return max(share, _busiest_host_share(trial.slices))


def _busiest_host_share(slices: Sequence[Slice]) -> float:
    """The same of the busiest load host in closed loops: one slow host limits its part alone."""
    told = [piece for piece in slices if piece.by_host and piece.open_loop is None]
    by_host = zip(*(piece.by_host for piece in told), strict=True)
    shares = [fmean(host.cpu_share + host.wait_share for host in parts) for parts in by_host]
    return max(shares, default=0.0)


def more_load(plan: Plan) -> str:
    """The flag that brings more load processes."""
    return "--load-hosts" if plan.load_hosts else "--load-processes"


def load_capacity_cpus(trial: Trial, plan: Plan) -> float:
    """What the load generator may use: one CPU for each process that has one, within a quota."""
    is_here = trial.throttling is not None and not plan.load_hosts
    quota_cpus = trial.throttling.quota_cpus if is_here and trial.throttling else inf
    return min(sending_processes(trial, plan), quota_cpus)


def sending_processes(trial: Trial, plan: Plan) -> int:
    """The processes that send: each sends from one thread, so it can use one CPU."""
    if plan.load_hosts:
        return plan.load_hosts
    load_cpus = len(trial.load_cpus or plan.load_cpus)
    return min(plan.load_processes, load_cpus) if load_cpus else plan.load_processes


def is_throttled(trial: Trial) -> bool:
    """Whether a CPU quota stopped servers and load in more periods than acceptable."""
    return (throttled_share(trial) or 0.0) > MOST_THROTTLED_SHARE


def throttled_share(trial: Trial) -> float | None:
    """Return the share of the quota's periods in which everything was stopped."""
    found = trial.throttling
    return found.throttled_periods / found.periods if found is not None and found.periods else None


def share_of_wall(slices: Sequence[Slice], meter: str) -> float | None:
    """Return the sum of a time meter over wall time, of the slices that have it."""
    told = [piece.meters.get(meter) for piece in slices]
    return ratio(told, [piece.duration_s for piece in slices], is_added=False)


def ratio(
    parts: Sequence[float | None], wholes: Sequence[float], *, is_added: bool = True
) -> float | None:
    """Sum over sum; with `is_added` the whole is both together."""
    known = [(part, whole) for part, whole in zip(parts, wholes, strict=True) if part is not None]
    part_s = sum(part for part, _ in known)
    whole_s = sum(whole for _, whole in known) + (part_s if is_added else 0.0)
    return part_s / whole_s if whole_s > 0 else None
