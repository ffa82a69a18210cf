"""What the sections of a run's report are made from."""

from collections.abc import Mapping
from typing import NamedTuple

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.samples import Sample
from asgi_bench.model import AbReport, Run
from asgi_bench.reporting.document import Figure


class Charts(NamedTuple):
    """The charts of a run as a page shows them, by subject."""

    figures: tuple[tuple[str, Figure], ...] = ()
    left_out: tuple[str, ...] = ()
    """Titles of the charts that found no room."""
    undrawn: tuple[str, ...] = ()
    """What to say about charts that could not be drawn."""

    def about(self, *topics: str) -> tuple[Figure, ...]:
        """The charts about these, in their order."""
        return tuple(figure for topic, figure in self.figures if topic in topics)

    def named(self, name: str) -> tuple[Figure, ...]:
        """The chart with this name, if there is one."""
        return tuple(figure for _, figure in self.figures if figure.name == name)


class Source(NamedTuple):
    """A report; for a page also the stored run, its judged trials, its charts, its A/B."""

    report: Report
    run: Run | None = None
    ab: AbReport | None = None
    samples: Mapping[str, Sample] = {}
    phases_s: Mapping[str, float] = {}
    charts: Charts = Charts()
