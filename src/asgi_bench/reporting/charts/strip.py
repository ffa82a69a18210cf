"""The strip chart: every slice of every cell in order of time, round by round.

The time between rounds, in which servers stop and start, is left out. All servers of a round are
loaded in turns, so what slows the machine lowers all rows at once, and
what troubles one server its own row alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from asgi_bench.analysis.report import CellReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.model import Trial
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import HATCHED, name_x, put_rows, put_x_ticks, write
from asgi_bench.reporting.charts.sheet import (
    GRID,
    HATCH,
    INVALID,
    MARGIN,
    SMALL_SIZE,
    Margins,
    Panel,
    Words,
    open_sheet,
    text_width,
)
from asgi_bench.reporting.groups import Group, Section
from asgi_bench.reporting.wording import cell_name, shortened, workers_words

ROW_HEIGHT = 36
NAME_LETTERS = 34
GAP = 7
# What a row shows on either side of the cell's own mean. Slices of a quiet machine scatter by
# 3 to 8 %, those of a shared one by 18 %.
SHOWN_DEVIATION = 0.3
ROW_SHARE = 0.45
DOT_WIDTH = 2.0
MEAN_WIDTH = 1.0
# A round's band is 1 wide, its slices fill this much of it.
BAND_SHARE = 0.9
MOST_TICKS = 30
# Of a panel's width: Agg draws nothing of a line without any length.
HALF_DOT = 0.0004

# Each is some 25 bytes of SVG.
MOST_DASHES = 2500

Floats = npt.NDArray[np.float64]
Dash = tuple[tuple[float, float], tuple[float, float]]


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


class Band(NamedTuple):
    """A round in time: where its slices begin and end, in seconds, and its place."""

    start_s: float
    end_s: float
    place: int

    def across(self, moments_s: Floats) -> Floats:
        """Where moments of this round lie."""
        length_s = max(self.end_s - self.start_s, 1e-9)
        return self.place + BAND_SHARE * ((moments_s - self.start_s) / length_s - 0.5)


def draw_strip(
    words: Words, group: Group[CellReport], samples: Mapping[str, Sample], styles: Styles
) -> Figure | None:
    """A panel for each worker count with a row a cell; None with fewer than two slices."""
    count = slices_of(group, samples)
    if count < 2:
        return None
    parts = [(section, strips_of(section, samples, pooled(count))) for section in group.sections]
    parts = [(section, strips) for section, strips in parts if strips]
    every = [strip for _, strips in parts for strip in strips]
    left = MARGIN + GAP + max(text_width(_name(strip)) for strip in every)
    right = MARGIN + GAP + max(text_width(_scatter(strip), SMALL_SIZE) for strip in every)
    panels = [
        Panel(workers_words([section.workers]) if len(parts) > 1 else "", ROW_HEIGHT * len(strips))
        for section, strips in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(left, right))
    for axes, (_, strips) in zip(drawn, parts, strict=True):
        _draw_panel(axes, strips, styles)
    name_x(drawn[-1], "round")
    return figure


def strip_notes(slices: int, *, is_spoilt: bool) -> Iterator[str]:
    """For the strip chart."""
    together = pooled(slices)
    yield "a dot a slice" if together == 1 else f"a dot {together} slices"
    yield "one line per round, high where faster than the cell's own mean"
    yield f"a row spans ±{SHOWN_DEVIATION:.0%}"
    yield "right: standard deviation of the dots"
    yield "a dip in all rows is the machine's; in one row, the server's"
    if is_spoilt:
        yield HATCHED


def _draw_panel(axes: Axes, strips: Sequence[Strip], styles: Styles) -> None:
    """The rows of one worker count, a band for each of their rounds."""
    bands = _bands(strips)
    axes.set_xlim(-0.5, len(bands) - 0.5)
    shown = _ticks(sorted(bands))
    put_x_ticks(axes, [bands[n].place for n in shown], [str(n + 1) for n in shown])
    put_rows(axes, [_name(strip) for strip in strips])
    means = [((-0.5, row), (len(bands) - 0.5, row)) for row in range(len(strips))]
    _draw_lines(axes, means, GRID, 0.8)
    for row, strip in enumerate(strips):
        _draw_strip(
            axes, strip, row, bands, to_hex(styles[strip.cell.server, strip.cell.variant].color)
        )
        text, end = f"  {_scatter(strip)}", len(bands) - 0.5
        write(axes, end, row, text, axes.transData, ha="left", va="center_baseline")


def _draw_strip(axes: Axes, strip: Strip, row: int, bands: Mapping[int, Band], color: str) -> None:
    """One row: a dot a slice, a line for each round's mean; the invalid gray and hatched."""
    half = HALF_DOT * len(bands)
    for is_usable in (True, False):
        dots: list[Dash] = []
        means: list[Dash] = []
        for number, slices, level, usable in zip(
            strip.rounds, strip.slices, strip.levels, strip.is_usable, strict=True
        ):
            if usable != is_usable:
                continue
            band = bands[number]
            heights = _height(slices[:, 1], row)
            places = zip(band.across(slices[:, 0]).tolist(), heights.tolist(), strict=True)
            dots += [((x - half, y), (x + half, y)) for x, y in places]
            left, right = band.place - BAND_SHARE / 2, band.place + BAND_SHARE / 2
            height = float(_height(np.array(level), row))
            means.append(((left, height), (right, height)))
        ink = color if is_usable else INVALID
        _draw_lines(axes, means, ink, MEAN_WIDTH)
        _draw_lines(axes, dots, ink, DOT_WIDTH)
        if not is_usable:
            _hatch(axes, row, [left for (left, _), _ in means])


def _hatch(axes: Axes, row: int, lefts: Sequence[float]) -> None:
    """Hatch a row's bands that begin at these places."""
    if lefts:
        axes.bar(
            lefts,
            2 * ROW_SHARE,
            BAND_SHARE,
            row - ROW_SHARE,
            align="edge",
            facecolor="none",
            edgecolor=GRID,
            linewidth=0,
            hatch=HATCH,
            zorder=0.5,
        )


def _bands(strips: Sequence[Strip]) -> dict[int, Band]:
    """Each round's band, by its number."""
    moments_s: dict[int, list[float]] = {}
    for strip in strips:
        for number, slices in zip(strip.rounds, strip.slices, strict=True):
            moments_s.setdefault(number, []).extend((slices[0, 0], slices[-1, 0]))
    return {
        number: Band(min(moments_s[number]), max(moments_s[number]), place)
        for place, number in enumerate(sorted(moments_s))
    }


def _ticks(rounds: Sequence[int]) -> Sequence[int]:
    """The rounds that the axis names: all, or every so many."""
    return rounds[:: -(-len(rounds) // MOST_TICKS) or 1]


def _height(levels: Floats, row: int) -> Floats:
    """How high a level stands in a row: above its middle where faster, cut at what a row shows."""
    shown = np.clip(levels, -SHOWN_DEVIATION, SHOWN_DEVIATION) / SHOWN_DEVIATION
    return np.asarray(row - ROW_SHARE * shown)


def _draw_lines(axes: Axes, lines: Sequence[Dash], color: str, width: float) -> None:
    """Separate lines as one path: an element for each would be six times as long."""
    if not lines:
        return
    vertices = np.array(lines).reshape(-1, 2)
    path = Path(vertices, [Path.MOVETO, Path.LINETO] * len(lines))
    path.should_simplify = False
    axes.add_patch(PathPatch(path, fill=False, edgecolor=color, linewidth=width, capstyle="round"))


def _name(strip: Strip) -> str:
    """The text left of a row."""
    return shortened(cell_name(strip.cell), NAME_LETTERS)


def _scatter(strip: Strip) -> str:
    """The text right of a row."""
    return f"±{numbers.percent(strip.scatter)}%"


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
