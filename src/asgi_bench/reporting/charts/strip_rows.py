"""The rows of the strip chart: every slice of a cell, as levels of the cell's own mean."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.cell_report import CellReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.model import Trial
from asgi_bench.reporting.groups import Group, Section

# Each is some 25 bytes of SVG.
MOST_DASHES = 2500

Floats = npt.NDArray[np.float64]


class Strip(NamedTuple):
    """A cell's trials: their rounds, and each one's slices as rows of middle in seconds and level.

    A level is throughput over the cell's mean, less 1; `levels` are those of whole trials.
    `scatter` is the slices' standard deviation.
    """

    cell: CellReport
    rounds: Sequence[int]
    slices: Sequence[Floats]
    levels: Sequence[float]
    is_usable: Sequence[bool]
    scatter: float


def slices_of(group: Group[CellReport], samples: Mapping[str, Sample]) -> int:
    """How many slices a group's closed loops were loaded in."""
    return sum(len(trial.slices) for cell in group.cells for trial in _measured(samples, cell.cell))


def is_spoilt(group: Group[CellReport], samples: Mapping[str, Sample]) -> bool:
    """Whether any of a group's trials can't be believed."""
    return any(
        not _is_usable(cell, trial)
        for cell in group.cells
        for trial in _measured(samples, cell.cell)
    )


def pooled(slices: int) -> int:
    """How many neighbouring slices share a dash, so that a chart holds no more than it can show."""
    return -(-slices // MOST_DASHES) or 1


def strips_of(
    section: Section[CellReport], samples: Mapping[str, Sample], together: int
) -> list[Strip]:
    """The rows of one worker count, in the order of the tables."""
    found = []
    for cell in section.cells:
        trials = _measured(samples, cell.cell)
        if not trials:
            continue
        pieces = [_pieces(trial, together) for trial in trials]
        rates_rps = [trial.throughput_rps or 0.0 for trial in trials]
        mean_rps = float(np.exp(np.mean(np.log(rates_rps))))
        for piece in pieces:
            piece[:, 1] = piece[:, 1] / mean_rps - 1
        levels = np.concatenate([piece[:, 1] for piece in pieces])
        found.append(
            Strip(
                cell=cell,
                rounds=[trial.round for trial in trials],
                slices=pieces,
                levels=[rate_rps / mean_rps - 1 for rate_rps in rates_rps],
                is_usable=[_is_usable(cell, trial) for trial in trials],
                scatter=float(levels.std()),
            )
        )
    return found


def _measured(samples: Mapping[str, Sample], key: str) -> Sequence[Trial]:
    """A cell's trials with a throughput, invalid ones too."""
    sample = samples.get(key)
    return [] if sample is None else [t for t in sample.measured if t.throughput_rps]


def _is_usable(cell: CellReport, trial: Trial) -> bool:
    return "invalid" not in (cell.validity, trial.validity)


def _pieces(trial: Trial, together: int) -> Floats:
    """Rows of middle and throughput, of so many neighbouring slices each.

    A slice without an answer has no duration either: its rate is 0.
    """
    slices = np.array([(s.start_s, s.end_s, s.requests, s.duration_s) for s in trial.slices])
    first = np.arange(0, len(slices), together)
    last = np.minimum(first + together, len(slices)) - 1
    requests, durations_s = np.add.reduceat(slices[:, 2:], first).T
    middles_s = (slices[first, 0] + slices[last, 1]) / 2
    rates_rps = np.divide(requests, durations_s, out=np.zeros(len(first)), where=durations_s > 0)
    return np.column_stack((middles_s, rates_rps))
