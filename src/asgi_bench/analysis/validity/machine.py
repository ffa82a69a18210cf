"""Did the trial have the machine to itself? Rules on what else used its CPUs meanwhile."""

from asgi_bench.analysis.utilization import (
    MOST_THROTTLED_SHARE,
    is_throttled,
    ratio,
    share_of_wall,
    throttled_share,
)
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, Plan, Reason, Trial
from asgi_bench.model.figures import HARMLESS_OTHERS_SHARE, least_others_share

MOST_STEAL_SHARE = 0.05
MOST_WAIT_SHARE = 0.2
MOST_NEIGHBOUR_SHARE = 0.05


def steal(seen: Evidence) -> Reason | None:
    """The hypervisor's other guests took CPU time."""
    trial = seen.trial
    of_wall = share_of_wall(trial.slices, "steal_s")
    share = (of_wall or 0.0) / max(len({*trial.server_cpus, *trial.load_cpus}), 1)
    if share <= MOST_STEAL_SHARE:
        return None
    return Reason(
        code="steal",
        level="suspect",
        value=share,
        limit=MOST_STEAL_SHARE,
        text=f"the hypervisor gave {share:.0%} of the CPU time in use to other guests; measure "
        "when the host is quieter, or with more rounds",
    )


def cpu_denied(seen: Evidence) -> Reason | None:
    """A CPU that was not available: what a quota stops is ready to run, too, and does not run."""
    return _throttled(seen.trial, seen.plan) or _waited(seen.trial, seen.cell)


def _throttled(trial: Trial, plan: Plan) -> Reason | None:
    """A quota that servers and load generator share, unless load hosts send, was the limit."""
    if trial.throttling is None or not is_throttled(trial):
        return None
    found = trial.throttling
    whose = "of the server" if plan.load_hosts else "server and load generator together"
    return Reason(
        code="throttled",
        level="suspect",
        value=throttled_share(trial),
        limit=MOST_THROTTLED_SHARE,
        text=f"throttled by the quota of {found.quota_cpus:g} CPUs in {found.throttled_periods} "
        f"of {found.periods} periods, {whose}: raise the quota "
        "of this container or control group, or measure outside it",
    )


def _waited(trial: Trial, cell: Cell) -> Reason | None:
    """Threads that were ready and had no CPU, as others used it: a server may wait for itself."""
    slices = trial.slices
    load = ratio([s.load_wait_s for s in slices], [s.load_cpu_s for s in slices])
    server = ratio(
        [s.meters.get("server_wait_s") for s in slices], [s.server_cpu_s for s in slices]
    )
    others = least_others_share(slices, max(len(trial.server_cpus), 1))
    is_alone = others is not None and others <= HARMLESS_OTHERS_SHARE
    if is_alone or (trial.server_cpus and cell.workers > len(trial.server_cpus)):
        server = None
    for side, share in (("load generator", load), ("server", server)):
        if share is not None and share > MOST_WAIT_SHARE:
            return Reason(
                code="cpu-contention",
                level="suspect",
                value=share,
                limit=MOST_WAIT_SHARE,
                text=f"the {side} waited for a CPU {share:.0%} of the time it was ready to run: "
                "something else uses its CPUs; stop it and measure again",
            )
    return None


def busy_neighbours(seen: Evidence) -> Reason | None:
    """Other servers of the block used CPU time while they waited for their turn."""
    share = share_of_wall(seen.trial.slices, "neighbour_cpu_s")
    if share is None or share <= MOST_NEIGHBOUR_SHARE:
        return None
    return Reason(
        code="busy-neighbour",
        level="suspect",
        value=share,
        limit=MOST_NEIGHBOUR_SHARE,
        text=f"the other servers, which should have been idle, used {share:.0%} of a CPU; "
        "measure this one alone, or leave out the busy one (a finding names it)",
    )
