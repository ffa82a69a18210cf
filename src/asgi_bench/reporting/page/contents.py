"""Everything a page shows, as text in the order of its sections: what the template takes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asgi_bench.analysis.ab_report import ab_report
from asgi_bench.analysis.document import Report
from asgi_bench.analysis.summary import Survey
from asgi_bench.model import Behaviour, Run
from asgi_bench.reporting import behaviours
from asgi_bench.reporting.ab.advice import advice
from asgi_bench.reporting.claims import surety_notes
from asgi_bench.reporting.columns import Column, column_notes
from asgi_bench.reporting.costs import cost_notes, cost_tables
from asgi_bench.reporting.groups import group_cells, report_groups
from asgi_bench.reporting.page.boards import (
    Board,
    choices,
    cost_board,
    latency_board,
    ranking_board,
    request_boards,
    scaling_board,
)
from asgi_bench.reporting.page.circumstances import Circumstances, circumstances_of
from asgi_bench.reporting.page.raw_files import RawFile, raw_files
from asgi_bench.reporting.page.requests import Request, requests_of
from asgi_bench.reporting.page.rounds import RoundTable, round_ratios, round_tables
from asgi_bench.reporting.page.verdict import Trust, Verdict, trust, verdicts
from asgi_bench.reporting.requests import request_notes
from asgi_bench.reporting.rows import run_words
from asgi_bench.reporting.scaling import scaling_notes, scaling_tables
from asgi_bench.reporting.settings import Setting, settings_of
from asgi_bench.reporting.wording import Finding, findings, machine_words, plain

# Sections of tables and charts: anchor, name, what their charts are about.
SECTIONS = (
    ("latency", "Latency", ("latency",)),
    ("load-curve", "Load curve", ("curve",)),
    ("workers", "Workers", ("workers",)),
    ("costs", "Costs", ("cpu", "memory")),
)
LATENCY_NOTE = (
    "A percentile without ten samples beyond it is left out. Service: from the sending, not from "
    "the intended moment."
)
NOTHING = Verdict("Nothing was measured that could be ranked", "", "")


class Figure(NamedTuple):
    """A chart as it stands in the page."""

    topic: str
    name: str
    scenario: str
    title: str
    notes: str
    markup: str


class Part(NamedTuple):
    """A section of tables and charts, with what the tables' columns mean."""

    anchor: str
    name: str
    boards: tuple[Board, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]


class Watch(NamedTuple):
    """How a server setting behaved: a row of figures, and sentences."""

    setting: str
    server: str
    workers: int
    scenario: str
    texts: tuple[str, ...]
    sentences: tuple[str, ...]


class Page(NamedTuple):
    """The page."""

    title: str
    run_id: str
    label: str
    run_line: str
    machine_line: str
    headline: Verdict
    verdicts: tuple[Verdict, ...]
    trust: Trust
    damage: tuple[str, ...]
    boards: tuple[Board, ...]
    filters: tuple[tuple[str, str, tuple[str, ...]], ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[str, ...]
    undrawn: tuple[str, ...]
    parts: tuple[Part, ...]
    behaviour: tuple[Watch, ...]
    behaviour_columns: tuple[Column, ...]
    behaviour_notes: tuple[str, ...]
    rounds: tuple[RoundTable, ...]
    settings: tuple[Setting, ...]
    requests: tuple[Request, ...]
    circumstances: Circumstances
    files: tuple[RawFile, ...]

    @property
    def contents(self) -> Iterator[tuple[str, str]]:
        """Anchor and name of every section, in order."""
        yield "ranking", "Ranking"
        if self.findings:
            yield "findings", "What to know"
        yield from ((part.anchor, part.name) for part in self.parts)
        if self.behaviour:
            yield "behaviour", "Behaviour"
        if self.rounds:
            yield "rounds", "Every round"
        yield "servers", "Commands and versions"
        yield "environment", "Environment"
        if self.files:
            yield "files", "Raw data"

    def figures_of(self, *topics: str) -> tuple[Figure, ...]:
        """The charts about these, in their order."""
        return tuple(figure for figure in self.figures if figure.topic in topics)


def page_of(
    run: Run,
    survey: Survey,
    figures: tuple[Figure, ...],
    left_out: tuple[str, ...],
    undrawn: tuple[str, ...],
    phases_s: Mapping[str, float],
) -> Page:
    """Gather what the page shows of a run."""
    report = survey.report
    ratios = round_ratios(survey, run.header.plan)
    groups = report_groups(report)
    boards = tuple(map(ranking_board, groups))
    said, *others = (*_ab_verdict(run), *verdicts(report)) or (NOTHING,)
    notes = column_notes((group.load for group in groups), report.run.reference)
    return Page(
        title=f"{said.sentence} · {plain(report.run.id)}",
        run_id=plain(report.run.id),
        label=plain(report.run.label or ""),
        run_line=run_words(report),
        machine_line=machine_words(report.run.machine),
        headline=said,
        verdicts=tuple(others),
        trust=trust(report),
        damage=tuple(map(plain, run.damage)),
        boards=boards,
        filters=tuple(choice for choice in choices(boards) if len(choice[2]) > 1),
        notes=(*notes, *map(plain, surety_notes(report))),
        findings=findings(report),
        figures=figures,
        left_out=left_out,
        undrawn=undrawn,
        parts=tuple(_parts(report, figures)),
        behaviour=tuple(map(_watch, report.behaviour)),
        behaviour_columns=behaviours.COLUMNS,
        behaviour_notes=behaviours.NOTES,
        rounds=round_tables(report, ratios, report.run.reached.rounds if report.run.reached else 0),
        settings=settings_of(report.settings),
        requests=requests_of(run.header.plan.scenarios),
        circumstances=circumstances_of(run, phases_s),
        files=raw_files(Path(run.folder)) if run.folder else (),
    )


def _parts(report: Report, figures: Sequence[Figure]) -> Iterator[Part]:
    """The sections of tables and charts that have any."""
    costs = cost_tables(report_groups(report))
    scaling = scaling_tables(report)
    tables: dict[str, tuple[tuple[Board, ...], str]] = {
        "workers": (
            tuple(map(scaling_board, scaling)),
            scaling_notes(scaling, report.run.reference),
        ),
        "latency": (
            (
                *map(latency_board, group_cells(report.cells)),
                *request_boards(report_groups(report)),
            ),
            " ".join((LATENCY_NOTE, *request_notes(report))),
        ),
        "costs": (tuple(map(cost_board, costs)), cost_notes(costs)),
    }
    for anchor, name, topics in SECTIONS:
        shown = tuple(figure for figure in figures if figure.topic in topics)
        boards, note = tables.get(anchor, ((), ""))
        if shown or boards:
            yield Part(anchor, name, boards, (note,) if boards else (), shown)


def _ab_verdict(run: Run) -> Iterator[Verdict]:
    """The verdict on an A/B, which stands first on its page, and what to do next."""
    if run.header.plan.gate is not None:
        found = ab_report(run)
        yield Verdict(found.verdict.capitalize(), plain(found.text), advice(found))


def _watch(behaviour: Behaviour) -> Watch:
    """One server setting."""
    return Watch(
        setting=plain(behaviour.setting),
        server=plain(behaviour.server),
        workers=behaviour.workers,
        scenario=plain(behaviour.scenario),
        texts=tuple(column.text(behaviour) for column in behaviours.COLUMNS),
        sentences=behaviours.sentences(behaviour),
    )
