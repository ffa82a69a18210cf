"""Colours, line styles and markers that tell servers apart, for colour-blind readers too.

A server's colour follows from its name, so it is the same in all charts of all runs, but where two
want the same one. Its variants differ by dash and tint.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias
from zlib import crc32

from matplotlib.colors import to_rgb

from asgi_bench.analysis.report import CellReport, SweepReport

Dash: TypeAlias = str | tuple[float, tuple[float, ...]]

# Okabe and Ito (2008), without the yellow that white swallows; black last.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# With this start of the checksum the shipped servers want six of them, none the black one.
CHECKSUM_START = 107657
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
    """A style for every server and variant.

    `default` comes first among a server's variants, in full colour and with a solid line.
    """
    variants: dict[str, set[str]] = {}
    for cell in cells:
        variants.setdefault(cell.server, set()).add(cell.variant)
    styles = {}
    for server, (place, turn) in _hues(variants).items():
        ordered = sorted(variants[server], key=lambda variant: (variant != "default", variant))
        for rank, variant in enumerate(ordered):
            hue = HUES[place]
            styles[server, variant] = Style(
                color=hue,
                ink=mixed(hue, 0.0, SHADE),
                fill=mixed(hue, 1.0, TINTS[rank % len(TINTS)]),
                dash=DASHES[rank % len(DASHES)],
                marker=MARKERS[(place + turn) % len(MARKERS)],
            )
    return styles


def _hues(servers: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The place of each server's hue, and how many others had that hue before.

    Each gets the hue its name asks for. Of several that ask for the same one, all but the first by
    name take the least used instead, the nearest after their own: one more server moves at most
    one that had what it asked for.
    """
    wanted = {server: crc32(server.encode(), CHECKSUM_START) % len(HUES) for server in servers}
    owners: dict[int, str] = {}
    for server in sorted(wanted):
        owners.setdefault(wanted[server], server)
    found = {server: (hue, 0) for hue, server in owners.items()}
    uses = Counter(owners.keys())
    for server in sorted(wanted.keys() - found.keys()):
        hue = min(range(len(HUES)), key=lambda hue: (uses[hue], (hue - wanted[server]) % len(HUES)))
        found[server] = (hue, uses[hue])
        uses[hue] += 1
    return found


def mixed(color: str, gray: float, share: float) -> tuple[float, float, float]:
    """A colour mixed with so much of a gray, from 0 for black to 1 for white."""
    red, green, blue = (part + (gray - part) * share for part in to_rgb(color))
    return red, green, blue
