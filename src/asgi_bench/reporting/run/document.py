"""The report of a run as a document: its sections in their order."""

from collections.abc import Callable

from asgi_bench.reporting.ab import ab_section
from asgi_bench.reporting.document import Document, Mark, Section
from asgi_bench.reporting.run.behaviour import behaviour_section
from asgi_bench.reporting.run.commands import commands_section
from asgi_bench.reporting.run.connections import connections_section
from asgi_bench.reporting.run.costs import costs_section
from asgi_bench.reporting.run.environment import environment_section, files_section
from asgi_bench.reporting.run.findings import findings_section
from asgi_bench.reporting.run.frameworks import frameworks_section
from asgi_bench.reporting.run.headline import caution, headlines
from asgi_bench.reporting.run.interpreters import interpreters_section
from asgi_bench.reporting.run.latency import (
    latency_section,
    load_curve_section,
    requests_section,
)
from asgi_bench.reporting.run.network import network_section
from asgi_bench.reporting.run.openings import openings_section
from asgi_bench.reporting.run.ranking import ranking_section
from asgi_bench.reporting.run.rounds import rounds_section
from asgi_bench.reporting.run.rows import run_words
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.run.streams import streams_section
from asgi_bench.reporting.run.ways import ways_section
from asgi_bench.reporting.run.workers import workers_section
from asgi_bench.reporting.wording import machine_words

SECTIONS: tuple[Callable[[Source], Section], ...] = (
    ranking_section,
    ways_section,
    interpreters_section,
    connections_section,
    requests_section,
    findings_section,
    latency_section,
    load_curve_section,
    streams_section,
    network_section,
    openings_section,
    frameworks_section,
    costs_section,
    workers_section,
    behaviour_section,
    rounds_section,
    commands_section,
    environment_section,
    files_section,
)
FOOTER = (
    "Made by asgi-bench from stored measurements. Figures hold for this machine, these versions "
    "and this load; compare ratios within one table."
)


def run_document(source: Source) -> Document:
    """The report; with what only a page shows, if the source has what a page needs."""
    run = source.report.run
    damage = source.run.damage if source.run is not None else ()
    return Document(
        title=run.id,
        facts=(run_words(source.report), machine_words(run.machine)),
        sections=(
            *(() if source.ab is None else (ab_section(source.ab),)),
            *(section(source) for section in SECTIONS),
        ),
        kind=f"report · {run.label}" if run.label else "report",
        headline=headlines(source)[0],
        cautions=(caution(source.report), *(Mark(text, "warn") for text in damage)),
        footer=FOOTER,
    )
