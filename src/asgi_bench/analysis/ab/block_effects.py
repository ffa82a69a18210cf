"""What each block of an A/B says about each metric: its sides compared with each other.

Effects are natural logarithms of slowdowns: positive is worse, 0.03 is about 3 %. For a linear
metric they are differences in its unit.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.metrics import stored_figure
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.analysis.validity.cell import is_usable
from asgi_bench.model import Cell, Role, Trial
from asgi_bench.model.metric import Metric

Floats = npt.NDArray[np.float64]

# A stall of the machine within a slice of 20 ms is a tenth of it or more: on a shared virtual
# machine the mean of a block's slices scattered twice as far as their interquartile mean.
TRIMMED = 0.25


class BlockEffect(msgspec.Struct, frozen=True):
    """One block on one metric: the logarithms of effects, and of both sides' own figures.

    For a linear metric, the differences and the figures themselves.

    `pairs` are the candidate against the baseline and against the control; `control` is the
    control against the baseline.
    """

    round: int
    pairs: tuple[float, float]
    control: float
    baseline: float
    candidate: float


def usable_blocks(trials: Sequence[Trial], cell: Cell) -> tuple[dict[int, dict[Role, Trial]], int]:
    """A cell's blocks by round in which each side was measured and none is invalid; and the rest.

    A block that lost one side is excluded whole, because the rest has nothing to compare with.
    """
    roles: tuple[Role, ...] = ("baseline", "control", "candidate")
    keys = {msgspec.structs.replace(cell, setup=role).key: role for role in roles}
    rounds: dict[int, dict[Role, Trial]] = {}
    for trial in trials:
        if trial.cell in keys:
            rounds.setdefault(trial.round, {})[keys[trial.cell]] = trial
    usable = {
        number: sides
        for number, sides in sorted(rounds.items())
        if len(sides) == len(keys) and all(map(is_usable, sides.values()))
    }
    return usable, len(rounds) - len(usable)


def block_effects(
    blocks: Mapping[int, Mapping[Role, Trial]], metric: Metric
) -> tuple[BlockEffect, ...]:
    """The effects in each block; blocks that don't have this metric are excluded."""
    found = (_block_effect(number, sides, metric) for number, sides in blocks.items())
    return tuple(effect for effect in found if effect is not None)


def _block_effect(number: int, sides: Mapping[Role, Trial], metric: Metric) -> BlockEffect | None:
    if metric.times is not None and is_baseline_overloaded(sides):
        return None
    logs = [_of_slices(sides[role], metric) for role in ("baseline", "control", "candidate")]
    return effect_of_slices(number, logs, metric)


def effect_of_slices(number: int, logs: Sequence[Floats], metric: Metric) -> BlockEffect | None:
    """The effect in a block from a metric in the slices of its three sides, as logarithms.

    The k-th slices of all sides are close to each other in time, so anything that slows the machine
    for longer cancels out. A lost slice (NaN) breaks its triple. None if no triple is whole.
    """
    count = min(map(len, logs))
    table: Floats = np.stack([log[:count] for log in logs])
    table = table[:, np.isfinite(table).all(axis=0)]
    if not table.shape[1]:
        return None
    # Trimmed for each pair of sides: the difference of two that are alike is symmetric, so that
    # trimming can't shift it. That of one and the mean of two is not where slices have outliers.
    baseline, control, candidate = range(3)
    differences = table[[candidate, candidate, control]] - table[[baseline, control, baseline]]
    sign = -1.0 if metric.more_is_better else 1.0
    to_baseline, to_control, moved = (sign * trimmed_means(differences)).tolist()
    own = trimmed_means(table).tolist()
    return BlockEffect(
        round=number,
        pairs=(to_baseline, to_control),
        control=moved,
        baseline=(own[baseline] + own[control]) / 2,
        candidate=own[candidate],
    )


def trimmed_means(rows: Floats, share: float = TRIMMED) -> Floats:
    """The mean of each row without that share of its values at either end; of few values, all."""
    count = rows.shape[1]
    cut = int(count * share)
    means: Floats = np.sort(rows, axis=1)[:, cut : count - cut].mean(axis=1)
    return means


def _of_slices(trial: Trial, metric: Metric) -> Floats:
    """The metric in each slice, or in the whole trial, as logarithms; NaN where it has none."""
    if metric.gating is not None and metric.gating.of_side is not None:
        found = [metric.gating.of_side(trial)]
    elif metric.of_slice is not None:
        found = [metric.of_slice(piece) for piece in trial.slices]
    else:
        found = [stored_figure(metric, trial)]
    figures: Floats = np.array(found, dtype=float)
    if metric.is_linear:
        return figures
    figures[figures <= 0] = np.nan
    logs: Floats = np.log(figures)
    return logs


def is_baseline_overloaded(sides: Mapping[Role, Trial]) -> bool:
    """Whether an open loop offered more in a block than a process of the baseline could handle.

    Response times then only reflect how long the schedule was. If only the candidate falls behind,
    its times are kept: they are too short, and excluding them would favour it.
    """
    return any(is_trial_overloaded(sides[role]) for role in ("baseline", "control"))
