"""Everything a page shows, as text in the order of its sections: what the template takes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asgi_bench.analysis.summary import Survey
from asgi_bench.model import Behaviour, Proof, Run
from asgi_bench.reporting import behaviours
from asgi_bench.reporting.claims import claim_notes
from asgi_bench.reporting.columns import Column, column_notes
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.page.circumstances import Circumstances, circumstances_of
from asgi_bench.reporting.page.ranking import Board, board_of, choices
from asgi_bench.reporting.page.raw_files import RawFile, raw_files
from asgi_bench.reporting.page.rounds import RoundTable, round_ratios, round_tables
from asgi_bench.reporting.page.settings import Request, Setting, requests_of, settings_of
from asgi_bench.reporting.page.verdict import Trust, Verdict, trust, verdicts
from asgi_bench.reporting.rows import run_words
from asgi_bench.reporting.wording import Finding, findings, machine_words, plain

# Sections that hold charts alone: anchor, name, what their charts are about.
CHART_SECTIONS = (
    ("latency", "Latency", ("latency",)),
    ("load-curve", "Load curve", ("curve",)),
    ("workers", "Workers", ("workers",)),
    ("costs", "Costs", ("cpu", "memory")),
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


class Watch(NamedTuple):
    """How a server setting behaved: a row of figures, and sentences."""

    setting: str
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
    behaviour: tuple[Watch, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[str, ...]
    rounds: tuple[RoundTable, ...]
    settings: tuple[Setting, ...]
    requests: tuple[Request, ...]
    circumstances: Circumstances
    files: tuple[RawFile, ...]

    @property
    def chart_sections(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """The sections of charts that have any."""
        return tuple(each for each in CHART_SECTIONS if self.figures_of(*each[2]))

    @property
    def contents(self) -> Iterator[tuple[str, str]]:
        """Anchor and name of every section, in order."""
        yield "ranking", "Ranking"
        if self.findings:
            yield "findings", "What to know"
        yield from ((anchor, name) for anchor, name, _ in self.chart_sections)
        if self.behaviour:
            yield "behaviour", "Behaviour"
        if self.rounds:
            yield "rounds", "Every round"
        yield "servers", "Commands and versions"
        yield "environment", "Environment"
        if self.files:
            yield "files", "Raw data"

    @property
    def behaviour_columns(self) -> tuple[Column, ...]:
        """The columns of the table of behaviour."""
        return behaviours.COLUMNS

    @property
    def behaviour_notes(self) -> tuple[str, ...]:
        """What they mean."""
        return behaviours.NOTES

    def figures_of(self, *topics: str) -> tuple[Figure, ...]:
        """The charts about these, in their order."""
        return tuple(figure for figure in self.figures if figure.topic in topics)


def page_of(
    run: Run,
    survey: Survey,
    figures: tuple[Figure, ...],
    left_out: tuple[str, ...],
    proofs: Sequence[Proof],
    phases_s: Mapping[str, float],
) -> Page:
    """Gather what the page shows of a run."""
    report = survey.report
    ratios = round_ratios(survey, run.header.plan)
    groups = report_groups(report)
    boards = tuple(board_of(group) for group in groups)
    said, *others = verdicts(report) or (NOTHING,)
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
        notes=(
            *column_notes((group.load for group in groups), report.run.reference),
            *map(plain, claim_notes(report)),
        ),
        findings=findings(report),
        behaviour=tuple(map(_watch, report.behaviour)),
        figures=figures,
        left_out=left_out,
        rounds=round_tables(report, ratios, run.header.plan.rounds),
        settings=settings_of(run, proofs),
        requests=requests_of(run.header.plan.scenarios),
        circumstances=circumstances_of(run, phases_s),
        files=raw_files(Path(run.folder)) if run.folder else (),
    )


def _watch(behaviour: Behaviour) -> Watch:
    """One server setting."""
    return Watch(
        setting=plain(behaviour.setting),
        texts=tuple(column.text(behaviour) for column in behaviours.COLUMNS),
        sentences=behaviours.sentences(behaviour),
    )
