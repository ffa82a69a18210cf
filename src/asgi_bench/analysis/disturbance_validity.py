"""Was the machine a trial's own? Rules on what else used its CPUs meanwhile.

They rest on what each slice tells beside its counts; a trial stored without it passes them.
"""

from collections.abc import Sequence

from asgi_bench.model import Cell, Reason, Slice, Trial

MOST_STEAL_SHARE = 0.05
MOST_WAIT_SHARE = 0.2
MOST_NEIGHBOUR_SHARE = 0.05
# Threads of one server wait for one another where they have one CPU: granian's for 58 % of the time
# that they are ready, undisturbed. It is a disturbance where others use so much of that CPU.
HARMLESS_OTHERS_SHARE = 0.05
# A period in which everything was stopped is 100 ms that no answer could come in.
MOST_THROTTLED_SHARE = 0.05


def disturbance_findings(trial: Trial, cell: Cell) -> tuple[Reason | None, ...]:
    """Every finding on who else used the CPUs; None for a rule that found nothing."""
    return (
        _stolen(trial),
        # Who is stopped by a quota is ready to run and does not.
        _throttled(trial) or _waited(trial, cell),
        _neighbours(trial.slices),
    )


def others_share(slices: Sequence[Slice]) -> float | None:
    """What anything but the server used of its CPUs, in CPUs; None where that isn't known."""
    return _share_of_wall(slices, [piece.other_cpu_s for piece in slices])


def _stolen(trial: Trial) -> Reason | None:
    of_wall = _share_of_wall(trial.slices, [piece.steal_s for piece in trial.slices])
    share = (of_wall or 0.0) / max(len({*trial.server_cpus, *trial.load_cpus}), 1)
    if share <= MOST_STEAL_SHARE:
        return None
    return Reason(
        code="steal",
        level="suspect",
        value=share,
        limit=MOST_STEAL_SHARE,
        text=f"the hypervisor gave {share:.0%} of the CPU time in use to others; measure when the "
        "host is quieter, or with more rounds",
    )


def is_throttled(trial: Trial) -> bool:
    """Whether a CPU quota stopped servers and load in more periods than may be."""
    return (_throttled_share(trial) or 0.0) > MOST_THROTTLED_SHARE


def _throttled_share(trial: Trial) -> float | None:
    found = trial.throttling
    return found.throttled_periods / found.periods if found is not None and found.periods else None


def _throttled(trial: Trial) -> Reason | None:
    """A quota that servers and load generator share was the limit."""
    if trial.throttling is None or not is_throttled(trial):
        return None
    found = trial.throttling
    return Reason(
        code="throttled",
        level="suspect",
        value=_throttled_share(trial),
        limit=MOST_THROTTLED_SHARE,
        text=f"throttled by the CPU quota of {found.quota_cpus:g} CPUs in "
        f"{found.throttled_periods} of {found.periods} periods, server and load generator "
        "together: raise the quota of this container or control group, or measure outside it",
    )


def _waited(trial: Trial, cell: Cell) -> Reason | None:
    """Threads that were ready and had no CPU, as others used it: a server may wait for itself."""
    slices = trial.slices
    load = _ratio([s.load_wait_s for s in slices], [s.load_cpu_s for s in slices])
    server = _ratio([s.server_wait_s for s in slices], [s.server_cpu_s for s in slices])
    others = others_share(slices)
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


def _neighbours(slices: Sequence[Slice]) -> Reason | None:
    share = _share_of_wall(slices, [piece.neighbour_cpu_s for piece in slices])
    if share is None or share <= MOST_NEIGHBOUR_SHARE:
        return None
    return Reason(
        code="busy-neighbour",
        level="suspect",
        value=share,
        limit=MOST_NEIGHBOUR_SHARE,
        text=f"the other servers, which should have idled, used {share:.0%} of a CPU; measure this "
        "one alone, or leave the one out that doesn't idle",
    )


def _share_of_wall(slices: Sequence[Slice], spent_s: Sequence[float | None]) -> float | None:
    return _ratio(spent_s, [piece.duration_s for piece in slices], is_added=False)


def _ratio(
    parts: Sequence[float | None], wholes: Sequence[float], *, is_added: bool = True
) -> float | None:
    """Sum over sum; with `is_added` the whole is the part and the other together."""
    known = [(part, whole) for part, whole in zip(parts, wholes, strict=True) if part is not None]
    part_s = sum(part for part, _ in known)
    whole_s = sum(whole for _, whole in known) + (part_s if is_added else 0.0)
    return part_s / whole_s if whole_s > 0 else None
