"""Colours, line styles and markers that tell servers apart, for colour-blind readers too.

A server keeps its colour in all charts of a run; its variants differ by dash, marker and tint.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from matplotlib.colors import to_rgb

from asgi_bench.analysis.cell_report import CellReport, SweepReport

Dash: TypeAlias = str | tuple[float, tuple[float, ...]]

# Okabe and Ito (2008), without the yellow that white swallows; black last.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Dash, ...] = (
    "solid",
    (0, (5, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 2, 1.5, 2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# The lightest hue has 2.3:1 on white; with this much black it passes the 4.5:1 of WCAG 2 for text.
SHADE = 0.38
TINTS = (0.0, 0.4, 0.65)


class Style(NamedTuple):
    """How one server and variant is drawn; `ink` is its colour dark enough for text."""

    color: str
    ink: tuple[float, float, float]
    fill: tuple[float, float, float]
    dash: Dash
    marker: str


Styles: TypeAlias = Mapping[tuple[str, str], Style]


def assign_styles(cells: Iterable[CellReport | SweepReport]) -> Styles:
    """A style for every server and variant, by the order of the names: more cells change few.

    `default` comes first among a server's variants, in full colour and with a solid line.
    """
    variants: dict[str, set[str]] = {}
    for cell in cells:
        variants.setdefault(cell.server, set()).add(cell.variant)
    styles = {}
    for place, server in enumerate(sorted(variants)):
        ordered = sorted(variants[server], key=lambda variant: (variant != "default", variant))
        for rank, variant in enumerate(ordered):
            hue = HUES[place % len(HUES)]
            styles[server, variant] = Style(
                color=hue,
                ink=mixed(hue, 0.0, SHADE),
                fill=mixed(hue, 1.0, TINTS[rank % len(TINTS)]),
                dash=DASHES[rank % len(DASHES)],
                marker=MARKERS[(place + place // len(HUES)) % len(MARKERS)],
            )
    return styles


def mixed(color: str, gray: float, share: float) -> tuple[float, float, float]:
    """A colour mixed with so much of a gray, from 0 for black to 1 for white."""
    red, green, blue = (part + (gray - part) * share for part in to_rgb(color))
    return red, green, blue
