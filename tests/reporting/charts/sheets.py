"""What is read off a sheet, and words to put on one."""

from pathlib import Path
from xml.etree import ElementTree

from matplotlib.figure import Figure

from asgi_bench.analysis.report import Report
from asgi_bench.reporting.charts.sheet import Words

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: Path) -> list[str]:
    """The texts of a chart that are stored as text."""
    return ["".join(each.itertext()) for each in ElementTree.parse(svg).iter(f"{SVG}text")]


def words(report: Report) -> Words:
    """Words of a usual length."""
    return Words("Title", "It shows this.", ("fact",) * 3, ("note",) * 3, (report.run.id, "footer"))


def is_within_sheet(figure: Figure) -> bool:
    """Whether every letter and line lies within the picture."""
    width, height = figure.get_size_inches()
    drawn = figure.get_tightbbox()
    return bool(0 <= drawn.x0 < drawn.x1 <= width and 0 <= drawn.y0 < drawn.y1 <= height)
