"""Which server of a block never idles: who used the CPU during others' turns."""

from collections.abc import Mapping, Sequence
from statistics import median

from asgi_bench.analysis.utilization import share_of_wall
from asgi_bench.model import Cell, Reason, Trial

# In the recorded run of seventeen servers these scatter by 2 %, and the most is 7 %. Whoever polls
# without end takes half a CPU or more.
MOST_IDLE_SHARE = 0.2
# Of two, each one's neighbour is the other, and of one there is nobody.
FEWEST_SERVERS = 2


def idle_cpu_shares(trials: Mapping[Cell, Sequence[Trial]]) -> dict[str, float]:
    """The CPUs that each server used during others' turns in its block, by process key.

    In a server's turn, `neighbour_cpu_s` has what all the others use. Summed over the n servers of
    a block, each counts n - 1 times: what all use is that sum divided by n - 1, and what one uses
    is that minus what its own neighbours do. The median of the blocks is returned.
    """
    blocks: dict[tuple[int, int], dict[str, list[Trial]]] = {}
    for cell, of_cell in trials.items():
        for trial in of_cell:
            if trial.outcome == "ok":
                of_block = blocks.setdefault((trial.round, trial.block), {})
                of_block.setdefault(cell.process_key, []).append(trial)
    found: dict[str, list[float]] = {}
    for of_block in blocks.values():
        for key, share in _of_block(of_block).items():
            found.setdefault(key, []).append(share)
    return {key: median(shares) for key, shares in found.items()}


def _of_block(trials: Mapping[str, Sequence[Trial]]) -> dict[str, float]:
    beside = {
        key: share_of_wall([piece for one in own for piece in one.slices], "neighbour_cpu_s")
        for key, own in trials.items()
    }
    known = {key: share for key, share in beside.items() if share is not None}
    if len(known) < max(FEWEST_SERVERS, len(beside)):
        return {}
    whole = sum(known.values()) / (len(known) - 1)
    return {key: whole - share for key, share in known.items()}


def restless_findings(cell: Cell, shares: Mapping[str, float]) -> tuple[Reason, ...]:
    """The finding on a server that never idles: its figures count, its neighbours' suffer."""
    share = shares.get(cell.process_key, 0.0)
    if share <= MOST_IDLE_SHARE:
        return ()
    return (
        Reason(
            code="never-idle",
            level="valid",
            value=share,
            limit=MOST_IDLE_SHARE,
            text=f"it used {share:.0%} of a CPU without a request of its own, while others were "
            "loaded, and slowed them down; leave it out, or put `idles = false` into its "
            "runner file, so that it is measured in a block of its own",
        ),
    )
