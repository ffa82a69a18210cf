"""The sheet every chart is drawn on: its size, type, title, footer and files.

Sizes are in CSS pixels of the SVG, which is as wide as a README shows images.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from asgi_bench.reporting.wording import shortened
from asgi_bench.store.files import write_whole

# What GitHub and PyPI leave a README on a desktop screen.
WIDTH = 830
PIXELS_PER_INCH = 96
POINTS_PER_PIXEL = 72 / PIXELS_PER_INCH
PNG_SCALE = 2
WHITE = 0xFFFFFFFF
# Of a palette: the paper.
LAST_COLOR = 255

TITLE_SIZE = 17
TEXT_SIZE = 12.5
SMALL_SIZE = 11
LINE_HEIGHT = 1.45
# Bold letters are about so much wider than those that `text_width` measures.
BOLD_WIDTH = 1.12

INK = "#1b1f24"
FAINT_INK = "#59636e"
GRID = "#dfe3e8"
# What can't be ranked is gray and hatched, in every chart.
INVALID = "#8c959f"
HATCH = "////"

HEADER_HEIGHT = 54
FOOTER_HEIGHT = 16
HEADING_HEIGHT = 24
AXIS_HEIGHT = 48
MARGIN = 14

SEPARATOR = " · "
# How the ids of title, sentence, facts, notes and footer begin in the SVG.
WORDS_ID = "words-"

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, and read aloud
    "svg.hashsalt": "asgi-bench",  # the same run gives the same file
    "text.parse_math": False,  # a dollar in a label is a dollar
    "text.hinting": "none",  # at twice the size nobody sees it, and it takes a third of the time
    "font.family": "sans-serif",
    # The first is what matplotlib measures with and ships; the others are about as wide.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Geneva", "Arial", "Helvetica", "sans-serif"],
    "font.size": TEXT_SIZE * POINTS_PER_PIXEL,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT_INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": FAINT_INK,
    "ytick.color": FAINT_INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.9,
    "figure.facecolor": "white",
}


class Panel(NamedTuple):
    """One part of a chart: its heading (may be empty), its height and the room above, in pixels.

    The heading stands in that room, right above the panel, or above `labels` of its own.
    """

    heading: str
    height: float
    above: float = 0.0
    labels: float = 0.0


class Margins(NamedTuple):
    """The room beside a chart's panels, in pixels."""

    left: float
    right: float


class Words(NamedTuple):
    """What a chart says about itself: title, what it shows here in a sentence, what was loaded how,
    how to read it, where and when.

    The last three are given in parts, which are joined into as many lines as they take.
    """

    title: str
    says: str
    facts: Sequence[str]
    notes: Sequence[str]
    footer: Sequence[str]


@contextmanager
def sheet_settings() -> Iterator[None]:
    """Draw inside: matplotlib's settings are ours here, whatever the user's own file says."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Names in scripts that no font here has: the SVG has them as text all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def points(pixels: float) -> float:
    """Pixels of the SVG as the points that matplotlib counts in."""
    return pixels * POINTS_PER_PIXEL


def open_sheet(
    words: Words, panels: Sequence[Panel], margins: Margins
) -> tuple[Figure, list[Axes]]:
    """A figure with one panel under another."""
    says, above = _said(words), _above(words)
    below = _joined(words.footer, SMALL_SIZE)
    header, footer = words_heights(words)
    height = header + sum(map(_panel_height, panels)) + footer
    figure = Figure(figsize=(WIDTH / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
    FigureCanvasAgg(figure)
    _write_title(figure, words.title, height)
    top = height - MARGIN - TITLE_SIZE * LINE_HEIGHT
    _write_lines(figure, says, TEXT_SIZE, top, height, "says", INK)
    top -= len(says) * TEXT_SIZE * LINE_HEIGHT
    _write_lines(figure, above, TEXT_SIZE, top, height, "above")
    _write_lines(figure, below, SMALL_SIZE, footer - FOOTER_HEIGHT / 2, height, "below")
    axes = []
    top = height - header
    width = WIDTH - margins.left - margins.right
    for panel in panels:
        lowered = max(panel.above - HEADING_HEIGHT - panel.labels, 0.0)
        _write_heading(figure, panel.heading, (top - lowered) / height)
        top -= _panel_height(panel) - AXIS_HEIGHT
        box = (margins.left / WIDTH, top / height, width / WIDTH, panel.height / height)
        axes.append(figure.add_axes(box))
        top -= AXIS_HEIGHT
    return figure, axes


def words_heights(words: Words) -> tuple[float, float]:
    """What the words take above and below the panels, in pixels; to be asked within
    `sheet_settings`.
    """
    lines = len(_said(words)) + len(_above(words))
    header = HEADER_HEIGHT + lines * TEXT_SIZE * LINE_HEIGHT
    footer = FOOTER_HEIGHT + len(_joined(words.footer, SMALL_SIZE)) * SMALL_SIZE * LINE_HEIGHT
    return header, footer


def _said(words: Words) -> list[str]:
    """The lines of what it shows, under the title."""
    return _joined(words.says.split(), TEXT_SIZE, " ")


def _above(words: Words) -> list[str]:
    """The lines under these."""
    return [*_joined(words.facts, TEXT_SIZE), *_joined(words.notes, TEXT_SIZE)]


def _panel_height(panel: Panel) -> float:
    """What a panel takes with its heading and its axis."""
    heading = HEADING_HEIGHT if panel.heading else 0
    return max(heading, panel.above) + panel.height + AXIS_HEIGHT


def _write_heading(figure: Figure, heading: str, top: float) -> None:
    """A panel's heading at the sheet's left edge."""
    figure.text(
        MARGIN / WIDTH, top, heading, fontsize=points(TEXT_SIZE), fontweight="bold", va="top"
    )


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = TEXT_SIZE) -> float:
    """How wide a text will be, in pixels; to be asked within `sheet_settings`."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)
    return float(width)


def fitted(text: str, size: float, room: float) -> str:
    """The text, cut where it's wider than so many pixels."""
    if text_width(text, size) <= room:
        return text
    fewest, most = 1, len(text)
    while fewest < most:
        letters = (fewest + most + 1) // 2
        if text_width(shortened(text, letters), size) <= room:
            fewest = letters
        else:
            most = letters - 1
    return shortened(text, fewest)


def svg_of(figure: Figure) -> str:
    """The figure as the text of an SVG file."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "asgi-bench"})
    return text.getvalue()


def save_sheet(figure: Figure, stem: Path, svg_text: str) -> tuple[Path, Path]:
    """Write the figure's SVG and, at twice the size for dense screens, a PNG."""
    svg, png = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
    write_whole(svg, svg_text.encode())
    figure.set_dpi(PIXELS_PER_INCH * PNG_SCALE)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    _save_png(np.asarray(canvas.buffer_rgba()), png)  # type: ignore[no-untyped-call]
    return svg, png


def _save_png(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """Write opaque RGBA pixels, rows by columns by 4, with 256 colours: a third of the bytes.

    A chart has a few colours and their shades at edges. Those are chosen from what is drawn alone:
    most of a chart is paper, which choosing would take most of its time for and make a shade
    darker.
    """
    height, width, _ = pixels.shape
    colors = np.ascontiguousarray(pixels).view(np.uint32).reshape(-1)
    drawn = np.flatnonzero(colors != WHITE)
    ink = Image.frombytes("RGBA", (len(drawn), 1), colors[drawn].tobytes()).convert("RGB")
    ink = ink.quantize(LAST_COLOR, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    places = np.full(colors.shape, LAST_COLOR, dtype=np.uint8)
    places[drawn] = np.frombuffer(ink.tobytes(), dtype=np.uint8)
    picture = Image.frombytes("P", (width, height), places.tobytes())
    palette = (ink.getpalette() or [])[: 3 * LAST_COLOR]
    picture.putpalette([*palette, *[255] * (3 * (LAST_COLOR + 1) - len(palette))])
    about = PngInfo()
    about.add_text("Software", "asgi-bench")
    dpi = PIXELS_PER_INCH * PNG_SCALE
    # A third less time than the default of 6, and 2 % larger.
    content = BytesIO()
    picture.save(content, format="png", dpi=(dpi, dpi), pnginfo=about, compress_level=4)
    write_whole(path, content.getvalue())


def _joined(parts: Sequence[str], size: float, separator: str = SEPARATOR) -> list[str]:
    """The parts on as few lines as the sheet's width allows; one that is wider still is cut."""
    room = WIDTH - 2 * MARGIN
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{separator}{part}" if lines else part
        if lines and text_width(joined, size) <= room:
            lines[-1] = joined
        else:
            lines.append(fitted(part, size, room))
    return lines


def _write_title(figure: Figure, title: str, height: float) -> None:
    """The title, at the top."""
    figure.text(
        MARGIN / WIDTH,
        1 - MARGIN / height,
        fitted(title, TITLE_SIZE * BOLD_WIDTH, WIDTH - 2 * MARGIN),
        gid=f"{WORDS_ID}title",
        fontsize=points(TITLE_SIZE),
        fontweight="bold",
        va="top",
    )


def _write_lines(
    figure: Figure,
    lines: Sequence[str],
    size: float,
    top: float,
    height: float,
    place: str,
    color: str = FAINT_INK,
) -> None:
    """Lines of text from a place down; places count in pixels from the bottom."""
    for number, text in enumerate(lines):
        figure.text(
            MARGIN / WIDTH,
            (top - number * size * LINE_HEIGHT) / height,
            text,
            gid=f"{WORDS_ID}{place}-{number}",
            fontsize=points(size),
            color=color,
            va="top",
        )
