"""A chart's SVG made part of a page: without its words, with the page's letters and colours.

A page says title, notes and machine itself, where they wrap and are read aloud. Styles become
attributes, which the page's own style sheet overrides in the dark, and which a
content-security-policy without inline styles lets stand.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from xml.etree import ElementTree

from matplotlib.colors import to_hex, to_rgb

from asgi_bench.reporting.charts.drawing import Drawing
from asgi_bench.reporting.charts.palette import HUES, SHADE, TINTS, mixed
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    GRID,
    INK,
    INVALID,
    POINTS_PER_PIXEL,
    WORDS_ID,
)
from asgi_bench.reporting.wording import plain

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
# Two digits are a hundredth of a point.
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"#([\w.-]+)")
# What SVG knows as a style, but not under that name as an attribute, or not at all; and the
# letters, which are the page's.
NO_ATTRIBUTES = ("font", "font-family")
# A rotation by nothing, which matplotlib gives every text.
NO_ROTATION = re.compile(r"rotate\(-?0 ")
BLACK = "#000000"

DARK_PAPER = "#15191e"
DARK_INK = "#e8ecf0"
# Left above the panels, whose highest labels reach beyond them, in pixels.
HEADROOM = 12
# Hues that are made for white paper are a little lighter on dark.
BRIGHTEN = 0.15
# As light as the text on white is dark: at least 4.5:1 for every hue on dark paper.
LIGHTEN = 0.5
_NEUTRAL = {
    "#ffffff": DARK_PAPER,
    BLACK: DARK_INK,
    INK: DARK_INK,
    FAINT_INK: "#a3adb8",
    GRID: "#2e353d",
    INVALID: "#8c959f",
}


def dark_colors() -> dict[str, str]:
    """What each colour of the charts is on dark paper, both as `#rrggbb`.

    Whatever was mixed with white to step back is mixed with the dark paper instead.
    """
    paper = to_rgb(DARK_PAPER)
    found = {}
    for hue in HUES:
        bright = DARK_INK if hue == BLACK else to_hex(mixed(hue, 1.0, BRIGHTEN))
        found[to_hex(mixed(hue, 0.0, SHADE))] = to_hex(mixed(bright, 1.0, LIGHTEN))
        for tint in TINTS:
            parts = zip(to_rgb(bright), paper, strict=True)
            faded = tuple(part + (dark - part) * tint for part, dark in parts)
            found[to_hex(mixed(hue, 1.0, tint))] = to_hex((faded[0], faded[1], faded[2]))
    return found | _NEUTRAL


def dark_rules() -> str:
    """The same as rules of a style sheet, for fill and stroke."""
    return "\n".join(
        f'[{kind}="{light}"] {{ {kind}: {dark} }}'
        for (light, dark), kind in product(sorted(dark_colors().items()), ("fill", "stroke"))
        if light != dark
    )


def inline_svg(drawing: Drawing, identity: str) -> str:
    """The markup of a chart within a page; `identity` keeps its ids apart from other charts'."""
    root = ElementTree.fromstring(drawing.svg)  # noqa: S314  (drawn by matplotlib just now)
    _crop(root, drawing.heights)
    _drop(root, {"metadata", "style"})
    used = set(_references(root))
    for element in root.iter():
        _simplify(element, identity, used)
    _flatten(root)
    root.attrib = {
        "class": "chart",
        "role": "img",
        "viewBox": root.attrib["viewBox"],
        "aria-labelledby": f"{identity}-title {identity}-desc",
    }
    root.text = None
    for place, (tag, text) in enumerate(_names(drawing).items()):
        named = ElementTree.Element(tag, id=f"{identity}-{tag}")
        named.text = text
        root.insert(place, named)
    return ElementTree.tostring(root, encoding="unicode")


def _names(drawing: Drawing) -> Mapping[str, str]:
    """The chart's name and description, which screen readers read."""
    words = drawing.words
    return {
        "title": plain(words.title),
        "desc": plain(f"{words.says} {', '.join(words.facts)}. {'; '.join(words.notes)}.".strip()),
    }


def _crop(root: ElementTree.Element, heights: tuple[float, float]) -> None:
    """Leave the words out, and the room they took."""
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    above, below = ((pixels - HEADROOM) * POINTS_PER_PIXEL for pixels in heights)
    root.set("viewBox", f"{left:g} {top + above:.2f} {width:g} {height - above - below:.2f}")
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get("id", "").startswith(WORDS_ID):
                parent.remove(child)


def _drop(root: ElementTree.Element, names: set[str]) -> None:
    """Leave out elements of these names."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(SVG) in names:
                parent.remove(child)


def _references(root: ElementTree.Element) -> Iterator[str]:
    """The ids that something refers to."""
    for element in root.iter():
        for value in element.attrib.values():
            if "#" in value:
                yield from REFERENCE.findall(value)


def _simplify(element: ElementTree.Element, identity: str, used: set[str]) -> None:
    """Plain names, styles as attributes, short numbers, ids of the page's own."""
    element.tag = element.tag.removeprefix(SVG)
    element.tail = None
    if element.tag != "text":
        element.text = None
    attributes: dict[str, str] = {}
    for name, value in element.attrib.items():
        if name == "style":
            attributes.update(_declarations(_renamed(value, identity)))
        elif name == "id":
            if value in used:
                attributes["id"] = f"{identity}-{value}"
        elif name == HREF:
            attributes["href"] = f"#{identity}-{value.removeprefix('#')}"
        elif name == "clip-path":
            attributes[name] = _renamed(value, identity)
        elif name != "transform" or not NO_ROTATION.match(value):
            short = LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", value)
            attributes[name] = " ".join(short.split())
    element.attrib = attributes


def _renamed(value: str, identity: str) -> str:
    """A value whose references have the page's own ids."""
    return value.replace("url(#", f"url(#{identity}-")


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    """The declarations of a style that may be attributes."""
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        if name.strip() and name.strip() not in NO_ATTRIBUTES:
            yield name.strip(), value.strip()


def _flatten(parent: ElementTree.Element) -> None:
    """Groups that say nothing give way to what they hold."""
    children: list[ElementTree.Element] = []
    for child in parent:
        _flatten(child)
        if child.tag == "g" and not child.attrib:
            children.extend(child)
        else:
            children.append(child)
    parent[:] = children
