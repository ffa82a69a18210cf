"""Charts of a run as SVG and PNG. The only package that imports matplotlib.

matplotlib takes most of a second to import, so only what draws imports this package.
"""

from asgi_bench.reporting.charts.drawing import Drawing, draw, draw_charts
from asgi_bench.reporting.charts.timeline import draw_history

__all__ = ["Drawing", "draw", "draw_charts", "draw_history"]
