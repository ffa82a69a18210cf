"""The ranking: a table for each scenario and load, and how certain its order is."""

from collections.abc import Iterator, Sequence
from typing import Any

from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS, SIGNIFICANCE
from asgi_bench.analysis.report import CellReport, Comparison, Report, RunFacts, SweepReport
from asgi_bench.analysis.stopping import CALM_SCATTER, NOISY_SCATTER
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, column_notes, columns_of, heads
from asgi_bench.reporting.document import (
    Aside,
    Bar,
    Cell,
    Figure,
    Head,
    Item,
    Items,
    Notes,
    Section,
    Span,
    Table,
)
from asgi_bench.reporting.groups import AnyGroup, report_groups
from asgi_bench.reporting.groups import Section as CellSection
from asgi_bench.reporting.run.headline import headlines
from asgi_bench.reporting.run.rows import caption, cell_row
from asgi_bench.reporting.run.source import Source

# The topic of the chart of ratios, which stands above the table of the same cells.
FOREST = "forest"
SHOWN_CLAIMS = 3
# Any machine has a few slices in which the load generator waits.
WORTH_SAYING = 0.02
BAR_HEAD = Head("", "throughput ratio", "left", is_picture=True)
BAR_NOTE = "Bar: ratio to the reference. Line: its 95% interval. Vertical mark: 1, the reference."


def ranking_section(source: Source) -> Section:
    """Who came where, under each scenario and load."""
    report = source.report
    groups = report_groups(report)
    if not groups:
        return Section("ranking", "Ranking", ())
    tables = tuple(map(ranking_table, groups))
    ranked: list[Figure | Table] = []
    for group, table in zip(groups, tables, strict=True):
        ranked += (*source.charts.named(f"{FOREST}-{group.name}"), table)
    notes = (
        *column_notes((group.load for group in groups), report.run.reference),
        *surety_notes(report),
    )
    has_bars = any(head.is_picture for table in tables for head in table.columns)
    return Section(
        "ranking",
        "Ranking",
        (
            Aside((Items(tuple(_headlines(source))),)),
            *ranked,
            Notes(notes),
            Aside((Notes((BAR_NOTE,) if has_bars else ()),)),
            *source.charts.about("throughput"),
        ),
    )


def ranking_table(group: AnyGroup) -> Table:
    """A group's ranking, with a bar for each ratio to the reference."""
    columns = columns_of(group.load)
    shown = heads(columns)
    place = len(IDENTITY)
    has_bars = any(map(_bar, group.cells))
    if has_bars:
        shown = (*shown[:place], BAR_HEAD, *shown[place:])
    rows = []
    sections: tuple[CellSection[Any], ...] = group.sections
    for section in sections:
        for number, cell in enumerate(section.cells, start=1):
            texts: list[Cell] = [column.cell(cell) for column in columns]
            # A sweep's place is that of its estimate: sweeps are not compared with each other.
            if isinstance(cell, SweepReport) and number <= len(section.ranked):
                texts[0] = str(number)
            if has_bars:
                texts.insert(place, _bar(cell))
            is_first = number == 1 and section is not group.sections[0]
            leads = _is_leader(cell, section)
            rows.append(cell_row(cell, texts, starts_group=is_first, is_leader=leads))
    return Table(shown, tuple(rows), caption(group), is_main=True)


def _is_leader(cell: CellReport | SweepReport, section: CellSection[Any]) -> bool:
    """Whether it may hold the first place where that says something: others can't."""
    ranked = [each for each in section.ranked if getattr(each, "rank", None) is not None]
    if not isinstance(cell, CellReport) or cell.rank is None or cell.rank.best != 1:
        return False
    return cell.rank.worst < len(ranked) or len(ranked) == 1


def _bar(cell: CellReport | SweepReport) -> Bar | None:
    """The throughput ratio of a closed loop: an open one sets the throughput itself."""
    if not isinstance(cell, CellReport) or not cell.load.is_closed:
        return None
    ratio = cell.throughput_ratio
    if ratio is None:
        return None
    if ratio.reference == cell.cell:
        return Bar(ratio.value)
    return Bar(ratio.value, ratio.lower, ratio.upper)


def _headlines(source: Source) -> Iterator[Item]:
    """What was found beside the page's headline."""
    for found in headlines(source)[1:]:
        words = (Span(found.sentence, "strong"), " ", Span(found.where, "faint"))
        yield Item(words, details=(found.proof,))


def surety_notes(report: Report) -> Iterator[str]:
    """How certain ratios and ranks are: the goal, and what was reached."""
    yield from _reached(report.run)
    yield from _places(report)


def _reached(run: RunFacts) -> Iterator[str]:
    """The run's goal, if it had one, and the half-widths of its throughput ratios."""
    reached, goal = run.reached, run.goal
    if reached is None:
        return
    if goal is not None:
        asked = []
        if goal.precision is not None:
            asked.append(f"±{numbers.percent(goal.precision)}%")
        if goal.budget_s is not None:
            part = " for the last part" if run.resumed else ""
            asked.append(f"at most {numbers.clock(goal.budget_s)}{part}")
        rounds = f"{reached.rounds} round{'' if reached.rounds == 1 else 's'}"
        yield (
            f"Goal: {' in '.join(asked)}. Reached: {rounds} in {numbers.clock(reached.duration_s)}."
        )
    if reached.half_width_median is not None:
        widened = ""
        if goal is not None and goal.precision is not None:
            widened = " Intervals are wider because the run may stop at a planned look."
        yield (
            f"Throughput ratios are known to ±{numbers.percent(reached.half_width_median)}% in "
            f"the median and ±{numbers.percent(reached.half_width_max)}% in the worst "
            f"case.{widened}"
        )
    if reached.slice_scatter is not None:
        yield (
            f"Slices of one server vary by {numbers.percent(reached.slice_scatter)}% within a "
            f"round: {calmness(reached.slice_scatter)}."
        )
    if reached.left_out is not None and reached.left_out >= WORTH_SAYING:
        yield (
            f"Ratios leave out {numbers.percent(reached.left_out)}% of the slices, in which "
            "something else used the CPU of the load generator or of the server."
        )


def calmness(scatter: float) -> str:
    """What the scatter of slices says of a machine."""
    if scatter < CALM_SCATTER:
        return "the machine was calm"
    return "the machine was noisy" if scatter >= NOISY_SCATTER else "the machine was somewhat noisy"


def _places(report: Report) -> Iterator[str]:
    """How places came about; nothing where no cells were compared."""
    everything = (*report.comparisons, *report.latency_comparisons)
    if not everything:
        return
    most_rounds = max(len(each.round_ratios) for each in everything)
    if most_rounds < MIN_CLAIM_ROUNDS:
        yield (
            f"#: no ranks: they need {MIN_CLAIM_ROUNDS} rounds, and this run has {most_rounds}. "
            "Rows are sorted by their estimates."
        )
        return
    yield (
        "#: rank, as a range: settings with overlapping ranks are statistically tied. Each pair "
        f"is tested over rounds (t-test on log ratios, at least {MIN_CLAIM_ROUNDS} rounds); p < "
        f"{SIGNIFICANCE:g} after Holm's correction for all pairs of a table with the same "
        "worker count."
    )
    yield _sensitivity([each for each in everything if each.distinguishable])


def _sensitivity(claims: Sequence[Comparison]) -> str:
    """Whether the claims stand without the most extreme rounds."""
    if not claims:
        return "No two settings can be told apart."
    fallen = [each for each in claims if not each.holds_trimmed]
    pairs = f"Of {len(claims)} differences in throughput, CPU and latency,"
    if not fallen:
        return f"{pairs} all survive trimming the best and worst 20 % of rounds."
    named = "; ".join(f"{each.a} to {each.b}" for each in fallen[:SHOWN_CLAIMS])
    more = "; …" if len(fallen) > SHOWN_CLAIMS else ""
    are = (
        "1 rests on a few rounds: it doesn't"
        if len(fallen) == 1
        else (f"{len(fallen)} rest on a few rounds: they don't")
    )
    return f"{pairs} {are} survive trimming the best and worst 20 % of rounds: {named}{more}."
