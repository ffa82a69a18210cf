"""What each block of an A/B says of each metric: the sides of one block against one another.

Effects are natural logarithms of slowdowns: positive is worse, 0.03 is about 3 %.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.metrics import FIGURES
from asgi_bench.analysis.percentiles import mean_s, merge_histograms, quantile_s
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.analysis.validity.cell import is_usable
from asgi_bench.model import (
    RESPONSE_TIME,
    Cell,
    GateMetric,
    Role,
    Slice,
    Trial,
)

Floats = npt.NDArray[np.float64]

# A stall of the machine within a slice of 20 ms is a tenth of it or more: on a shared virtual
# machine the mean of a block's slices scattered twice as far as their interquartile mean.
TRIMMED = 0.25
# Of what is gated without its outliers: the same over all slices together.
TOTALS: Mapping[GateMetric, GateMetric] = {
    "throughput_rps": "total_throughput_rps",
    "server_cpu_s_per_request": "total_server_cpu_s_per_request",
    "response_time_p50_s": "total_response_time_s",
}
MORE_IS_BETTER: frozenset[GateMetric] = frozenset(("throughput_rps", "total_throughput_rps"))


class BlockEffect(msgspec.Struct, frozen=True):
    """One block on one metric: the logarithms of effects, and of both sides' own figures.

    `pairs` are the candidate against the baseline and against the control; `control` is the
    control against the baseline.
    """

    round: int
    pairs: tuple[float, float]
    control: float
    baseline: float
    candidate: float


def gated_metrics(cell: Cell) -> tuple[GateMetric, ...]:
    """What a verdict rests on: a closed loop's throughput, an open loop's median, and the CPU."""
    speed: GateMetric = "throughput_rps" if cell.load.is_closed else "response_time_p50_s"
    return (speed, "server_cpu_s_per_request")


def usable_blocks(trials: Sequence[Trial], cell: Cell) -> tuple[dict[int, dict[Role, Trial]], int]:
    """A cell's blocks by round in which each side was measured and none is invalid; and the rest.

    A block that lost one side is left out whole: what is left of it has nothing to compare with.
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
    blocks: Mapping[int, Mapping[Role, Trial]], metric: GateMetric
) -> tuple[BlockEffect, ...]:
    """The effects in each block; blocks that can't tell this metric are left out."""
    found = (_block_effect(number, sides, metric) for number, sides in blocks.items())
    return tuple(effect for effect in found if effect is not None)


def _block_effect(
    number: int, sides: Mapping[Role, Trial], metric: GateMetric
) -> BlockEffect | None:
    if metric in TIMES and is_baseline_overloaded(sides):
        return None
    logs = [_slice_logs(sides[role], metric) for role in ("baseline", "control", "candidate")]
    return effect_of_slices(number, logs, metric)


def effect_of_slices(number: int, logs: Sequence[Floats], metric: GateMetric) -> BlockEffect | None:
    """The effect in a block from the logarithms of a metric in the slices of its three sides.

    The k-th slices of all sides stand near one another in time: what slows down the machine for
    longer than that drops out of their differences. One that was lost (NaN) breaks its triple.
    None where no triple is whole.
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
    sign = -1.0 if metric in MORE_IS_BETTER else 1.0
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
    """The mean of each row without that share of its values at either end; of few values all."""
    count = rows.shape[1]
    cut = int(count * share)
    means: Floats = np.sort(rows, axis=1)[:, cut : count - cut].mean(axis=1)
    return means


def _slice_logs(trial: Trial, metric: GateMetric) -> Floats:
    """The logarithm of the metric in each slice, NaN where it has none."""
    if metric in BLOCK_FIGURES:
        figures = [BLOCK_FIGURES[metric](trial) or np.nan]
    else:
        figure = _throughput_rps if metric == "throughput_rps" else _server_cpu_s_per_request
        figures = [figure(piece) for piece in trial.slices]
    logs: Floats = np.log(np.array(figures, dtype=float))
    return logs


def is_baseline_overloaded(sides: Mapping[Role, Trial]) -> bool:
    """Whether an open loop was more in a block than one of the baseline's processes could take.

    Its times then only tell how long the schedule was. Those of a candidate that falls behind
    alone are kept: they are too short, and left out they would favour it.
    """
    return any(is_trial_overloaded(sides[role]) for role in ("baseline", "control"))


def _quantile_s(quantile: float, trial: Trial) -> float | None:
    histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
    return quantile_s(histogram, quantile) if histogram else None


def _mean_s(trial: Trial) -> float | None:
    histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
    return mean_s(histogram) if histogram else None


# What is read off a whole trial, not off each of its slices.
TIMES: Mapping[GateMetric, Callable[[Trial], float | None]] = {
    "response_time_p50_s": partial(_quantile_s, 0.5),
    "response_time_p99_s": partial(_quantile_s, 0.99),
    "total_response_time_s": _mean_s,
}
BLOCK_FIGURES: Mapping[GateMetric, Callable[[Trial], float | None]] = {
    **TIMES,
    "server_pss_bytes": lambda trial: trial.server_pss_bytes,
    "total_throughput_rps": FIGURES["throughput_rps"],
    "total_server_cpu_s_per_request": FIGURES["server_cpu_s_per_request"],
}


def _throughput_rps(piece: Slice) -> float:
    is_measured = piece.requests > 0 and piece.duration_s > 0
    return piece.requests / piece.duration_s if is_measured else np.nan


def _server_cpu_s_per_request(piece: Slice) -> float:
    is_measured = piece.sent > 0 and piece.server_cpu_s > 0
    return piece.server_cpu_s / piece.sent if is_measured else np.nan
