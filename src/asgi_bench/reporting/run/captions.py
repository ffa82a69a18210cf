"""What each chart of a run shows, in one sentence made from the run's figures.

What a sentence says of two settings is a claim by the rules of `claims`; everything else in it is a
range of estimates.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS
from asgi_bench.analysis.report import CellReport, Report, SweepReport
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import (
    HANDSHAKE_P50,
    HIGHEST_RATE,
    METRICS,
    P50,
    P99,
    SATURATION,
)
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Figure
from asgi_bench.reporting.groups import Group, Section, group_cells
from asgi_bench.reporting.run.claims import (
    Effect,
    Phrases,
    compared,
    comparison_of,
    effect_of,
    is_reference,
    is_told_apart,
    over,
    rated,
    ratio_of,
    rounds_of_ratio,
)
from asgi_bench.reporting.run.openings import opening_groups
from asgi_bench.reporting.run.own_ratios import OwnChart, own_charts
from asgi_bench.reporting.run.ranking import FOREST, calmness
from asgi_bench.reporting.run.source import Charts
from asgi_bench.reporting.wording import (
    cell_name,
    objective_words,
    offered_words,
    plain,
    shortened,
    workers_words,
)
from asgi_bench.store.folders import safe_name

NAME_LETTERS = 40

AnyCell: TypeAlias = CellReport | SweepReport
# From one count of workers or connections to another.
Step: TypeAlias = tuple[int, int]


class Caption(NamedTuple):
    """The sentence of a chart: what the chart is about, and the name of its files."""

    topic: str
    group: str
    sentence: str

    @property
    def name(self) -> str:
        """The name of the chart's files."""
        return f"{self.topic}-{self.group}"


def captioned(report: Report) -> Charts:
    """The charts of a report without their drawings, for a medium that shows sentences alone."""
    return Charts(
        tuple(
            (caption.topic, Figure("", "", "", caption.sentence, caption.name))
            for caption in captions(report).values()
        )
    )


def captions(report: Report) -> Mapping[str, Caption]:
    """The caption of each chart of a report, by the name of the chart."""
    found = (caption for caption in _captions(report) if caption.sentence)
    return {caption.name: caption for caption in found}


def _captions(report: Report) -> Iterator[Caption]:
    """The captions in the order of the charts."""
    groups = group_cells(report.cells)
    for group in groups:
        if group.load.is_closed:
            yield Caption(FOREST, group.name, forest_sentence(report, group))
        for metric in bar_metrics(group):
            if metric.chart is not None:
                sentence = range_sentence(report, group, metric)
                yield Caption(metric.chart.name, group.name, sentence)
        yield Caption("latency", group.name, latency_sentence(report, group))
        if group.load.is_closed:
            yield Caption("workers", group.name, workers_sentence(report, group))
            yield Caption("strip", group.name, strip_sentence(report, group))
    for request in dict.fromkeys(group.scenario for group in groups):
        cells = [
            cell
            for group in groups
            if group.scenario == request and group.load.is_closed
            for cell in group.cells
        ]
        name = safe_name(request)
        yield Caption("ratios", name, levels_sentence(report, cells))
        yield Caption("concurrency", name, concurrency_sentence(cells))
    for chart in own_charts(report):
        yield Caption(chart.topic, chart.name, own_sentence(report, chart))
    for group in opening_groups(report):
        sentence = range_sentence(report, group, HANDSHAKE_P50)
        yield Caption("handshake", safe_name(group.load.key), sentence)
    for sweeps in group_cells(report.sweeps):
        for section in sweeps.sections:
            suffix = f"-w{section.workers}" if len(sweeps.sections) > 1 else ""
            yield Caption("curve", f"{sweeps.name}{suffix}", curve_sentence(section))


def bar_metrics(group: Group[CellReport]) -> tuple[Metric, ...]:
    """The metrics with a chart of bars: those that any measured cell has a figure of.

    Where nothing was measured, those that every cell should have had.
    """
    measured = [cell for cell in group.cells if cell.outcome == "ok"]
    return tuple(
        metric
        for metric in METRICS
        if metric.chart is not None
        and (group.load.is_closed or "open" in metric.chart.loops)
        and (
            any(cell_figure(metric, cell).value is not None for cell in measured)
            or (not measured and bool(metric.tabled))
        )
    )


def forest_sentence(report: Report, group: Group[CellReport]) -> str:
    """Which settings are faster than the reference and which are slower, and by how much.

    Empty where no sound cell has a ratio.
    """
    if not any(map(rated, group.sections)):
        return ""
    return _by_workers(group, lambda section: _forest_clause(report, section))


def _forest_clause(report: Report, section: Section[CellReport]) -> str:
    """The same for one worker count."""
    cells = rated(section)
    if not cells:
        others = [cell for cell in section.cells if not is_reference(cell)]
        return "nothing can be compared" if others else ""
    reference = _reference_name(report, cells[0])
    rounds = max(rounds_of_ratio(report, cell) for cell in cells)
    if rounds < MIN_CLAIM_ROUNDS:
        ends = _between(
            [(numbers.times(ratio_of(cell).value), _noted(cell)) for cell in (cells[-1], cells[0])]
        )
        return (
            f"nothing is proven yet, because that takes {MIN_CLAIM_ROUNDS} rounds: the "
            f"throughput ratio to {reference} {ends}"
        )
    effects = [
        Effect(_name(cell), ratio_of(cell), is_told_apart(report, cell), cell.validity == "suspect")
        for cell in cells
    ]
    tied = "can't be told apart from"
    return compared(
        effects,
        Phrases(
            than=f" than {reference}",
            neither=(f"{tied} {reference}",) * 2,
            neither_then=(f"{tied} it",) * 2,
        ),
    )


def range_sentence(
    report: Report, group: Group[CellReport], metric: Metric, *others: Metric
) -> str:
    """Between which estimates a metric lies, and of whom; of others likewise."""
    where = f"At {offered_words(group.load)}"
    sound = [cell for section in group.sections for cell in section.sound]
    known = [cell for cell in sound if cell_figure(metric, cell).value is not None]
    if not known:
        return f"{where}, {_nothing(group)}."
    name = _names_among(group.cells)
    verbs = ("are", "range") if metric.title.split()[0].endswith("s") else ("is", "ranges")
    verb = verbs[len(known) > 1]
    text = f"{where}, {metric.title} {verb} {_range(report, known, metric, name)}"
    for other in others:
        members = [cell for cell in sound if cell_figure(other, cell).value is not None]
        if members:
            text += f", {other.label} {_range(report, members, other, name)}"
    return f"{text}."


def _range(
    report: Report,
    cells: Sequence[CellReport],
    metric: Metric,
    name: Callable[[CellReport], str],
) -> str:
    """`from 3.1 ms (granian) to 40 ms (daphne)`; of one cell its figure alone."""

    def value(cell: CellReport) -> float:
        return cell_figure(metric, cell).value or 0.0

    def text(cell: CellReport) -> str:
        shown = f"{numbers.figure(metric, value(cell))} {metric.unit.shown}"
        return f"{shown} ({name(cell)}{', suspect' if cell.validity == 'suspect' else ''})"

    lowest, highest = min(cells, key=value), max(cells, key=value)
    if len(cells) == 1:
        return text(lowest)
    found = comparison_of(report, metric, lowest.cell, highest.cell)
    chance = "" if found is None or found.distinguishable else ", which may be chance"
    return f"from {text(lowest)} to {text(highest)}{chance}"


def latency_sentence(report: Report, group: Group[CellReport]) -> str:
    """Between which medians and 99th percentiles response times are; empty without any."""
    measured = [cell for cell in group.cells if cell.outcome == "ok"]
    if all(cell.response_time_s.p50 is None for cell in measured):
        return ""
    text = range_sentence(report, group, P50, P99)
    overloaded = sum(bool(cell.overloaded) for cell in measured)
    if not overloaded:
        return text
    have = "setting was" if overloaded == 1 else "settings were"
    return f"{text.removesuffix('.')}; {overloaded} {have} overloaded and left out."


def workers_sentence(report: Report, group: Group[CellReport]) -> str:
    """Who gained throughput with the most workers, and who lost some.

    Empty where no setting was measured with several worker counts.
    """
    measured = [cell for cell in group.cells if cell.throughput_rps.value is not None]
    if not _has_several(((cell.server, cell.variant), cell.workers) for cell in measured):
        return ""
    cells = {cell.cell: cell for cell in group.cells}
    steps: dict[Step, list[Effect]] = {}
    for scaling in report.scaling:
        known = [one for one in scaling.points if one.cell in cells and one.speedup.value]
        if known and scaling.base in cells:
            most = known[-1]
            effect = effect_of(cells[most.cell], cells[scaling.base], most.speedup, _name)
            steps.setdefault((cells[scaling.base].workers, most.workers), []).append(effect)
    return _stepwise(f"At {offered_words(group.load)}: ", steps, "worker", Phrases())


def levels_sentence(report: Report, cells: Sequence[CellReport]) -> str:
    """Who gained on the reference with the most connections, and who fell behind.

    Empty where nothing but the reference was measured over several counts.
    """
    measured = [cell for cell in cells if cell.throughput_ratio and not is_reference(cell)]
    if not _has_several((cell.start, cell.load.connections) for cell in measured):
        return ""
    by_key = {cell.cell: cell for cell in cells}
    # Of each setting the most connections, which come last.
    most = {
        level.base: level
        for level in report.levels
        if level.cell in by_key and level.ratio_change.value is not None
    }
    name = _names_among([by_key[level.cell] for level in most.values()])
    steps: dict[Step, list[Effect]] = {}
    than = ""
    for level in most.values():
        cell = by_key[level.cell]
        than = f" relative to {_reference_name(report, cell)}"
        base = by_key[level.base]
        step = (base.load.connections, level.connections)
        steps.setdefault(step, []).append(effect_of(cell, base, level.ratio_change, name))
    return _stepwise("", steps, "connection", Phrases(than=than))


def concurrency_sentence(cells: Sequence[CellReport]) -> str:
    """Whose throughput rose with the connections and whose fell; empty where none has several.

    Nothing is claimed of a setting whose intervals overlap.
    """
    measured = [cell for cell in cells if cell.throughput_rps.value is not None]
    if not _has_several((cell.start, cell.load.connections) for cell in measured):
        return ""
    settings: dict[str, list[CellReport]] = {}
    for cell in filter(_is_sound, measured):
        settings.setdefault(cell.start, []).append(cell)
    ordered = [
        sorted(members, key=lambda cell: cell.load.connections)
        for members in settings.values()
        if len(members) > 1
    ]
    name = _names_among([members[-1] for members in ordered])
    steps: dict[Step, list[Effect]] = {}
    for few, *_, many in ordered:
        step = (few.load.connections, many.load.connections)
        effect = effect_of(many, few, over(many.throughput_rps, few.throughput_rps), name)
        steps.setdefault(step, []).append(effect)
    return _stepwise("", steps, "connection", Phrases())


def strip_sentence(report: Report, group: Group[CellReport]) -> str:
    """How much slices vary, and what that says of the machine; empty where nothing was measured."""
    if all(cell.outcome != "ok" for cell in group.cells):
        return ""
    scatter = report.run.reached.slice_scatter if report.run.reached is not None else None
    if scatter is None:
        return "How much slices of one server vary within a round is unknown here."
    return (
        f"In this run, slices of one server vary by {numbers.percent(scatter)}% within a round "
        f"(median): {calmness(scatter)}."
    )


def own_sentence(report: Report, chart: OwnChart) -> str:
    """Which servers are faster than themselves along an axis, and which are slower."""
    ratios = {one.cell: one for one in chart.axis.ratios(report)}
    cells = {cell.cell: cell for cell in report.cells}
    phrases = Phrases()
    if not chart.told.more_is_better:
        phrases = Phrases(("takes", "take"), "more CPU time", "less CPU time")
    clauses = []
    for section in chart.group.sections:
        effects = [
            effect_of(
                cell, cells[ratios[cell.cell].base], chart.told.ratio(ratios[cell.cell]), _name
            )
            for cell in section.sound
            if chart.told.ratio(ratios[cell.cell]).value is not None
        ]
        heading = chart.axis.heading(section.cells[0])
        words = compared(effects, phrases) if effects else "nothing can be compared"
        clauses.append(f"with {heading}, {words}")
    base = chart.axis.base(report)
    return (
        f"At {offered_words(chart.group.load)}, compared with the same server {base}: "
        f"{'; '.join(clauses)}."
    )


def curve_sentence(section: Section[SweepReport]) -> str:
    """Between which rates the servers kept the objective, or were saturated."""
    sound = [sweep for sweep in section.cells if _is_sound(sweep)]
    objective = next((sweep.objective for sweep in sound if sweep.objective is not None), None)
    metric = HIGHEST_RATE if objective is not None else SATURATION
    what = "throughput at saturation"
    if objective is not None:
        what = f"the highest rate that met {objective_words(objective)}"
    known = [sweep for sweep in sound if cell_figure(metric, sweep).value is not None]
    if not known:
        return f"No sound figure says what {what} is."

    def rate(sweep: SweepReport) -> tuple[str, str]:
        least = "at least " if objective is not None and sweep.highest_rate_is_least else ""
        value = cell_figure(metric, sweep).value
        return f"{least}{numbers.rate(value)} {metric.unit.shown}", _noted(sweep)

    ordered = sorted(known, key=lambda sweep: cell_figure(metric, sweep).value or 0.0)
    text = _between([rate(sweep) for sweep in (ordered[0], ordered[-1])])
    return f"{what[:1].upper()}{what[1:]} {text}."


def _stepwise(
    where: str, steps: Mapping[Step, Sequence[Effect]], what: str, phrases: Phrases
) -> str:
    """A clause for each step from fewer to more workers or connections."""
    if not steps:
        return f"Nothing sound was measured with several {what} counts."
    clauses = [
        f"with {after} {what}s instead of {before}, {compared(steps[before, after], phrases)}"
        for before, after in sorted(steps)
    ]
    text = f"{where}{'; '.join(clauses)}."
    return f"{text[:1].upper()}{text[1:]}"


def _by_workers(group: Group[CellReport], clause: Callable[[Section[CellReport]], str]) -> str:
    """A clause for each worker count in one sentence, without those that are empty."""
    where = f"At {offered_words(group.load)}"
    found = [(section.workers, text) for section in group.sections if (text := clause(section))]
    if len(group.sections) == 1:
        return f"{where}, {found[0][1]}."
    texts = (f"with {workers_words([workers])}, {text}" for workers, text in found)
    return f"{where}: {'; '.join(texts)}."


def _between(ends: Sequence[tuple[str, str]]) -> str:
    """`ranges from 1 (a) to 2 (b)`, or of one and the same cell `is 1 (a)`."""
    low, high = (f"{figure} ({name})" for figure, name in ends)
    return f"is {low}" if ends[0] == ends[1] else f"ranges from {low} to {high}"


def _nothing(group: Group[CellReport]) -> str:
    """Why there is no figure."""
    measured = [cell for cell in group.cells if cell.outcome == "ok"]
    if not measured:
        return "nothing was measured: every cell failed or was skipped"
    return "no measured cell has a figure that can be trusted"


def _is_sound(cell: AnyCell) -> bool:
    return cell.outcome == "ok" and cell.validity != "invalid"


def _has_several(counts: Iterable[tuple[object, int]]) -> bool:
    """Whether any setting comes with several counts."""
    found: dict[object, set[int]] = {}
    for setting, count in counts:
        found.setdefault(setting, set()).add(count)
    return any(len(of_one) > 1 for of_one in found.values())


def _reference_name(report: Report, cell: CellReport) -> str:
    """What a cell's ratio is to, with its worker count where the cell has another one."""
    key = cell.throughput_ratio.reference if cell.throughput_ratio is not None else ""
    found = next((one for one in report.cells if one.cell == key), None)
    if found is None:
        return "the reference"
    workers = "" if found.workers == cell.workers else f" with {workers_words([found.workers])}"
    return f"{_noted(found)}{workers}"


def _name(cell: AnyCell) -> str:
    return shortened(cell_name(cell), NAME_LETTERS)


def _noted(cell: AnyCell) -> str:
    """A name, with what is to be said of the cell."""
    return f"{_name(cell)}{', suspect' if cell.validity == 'suspect' else ''}"


def _names_among(cells: Sequence[CellReport]) -> Callable[[CellReport], str]:
    """Names that also say what else tells these cells apart: workers, and what was requested."""
    has_workers = len({cell.workers for cell in cells}) > 1
    has_requests = len({cell.request_key for cell in cells}) > 1

    def name(cell: CellReport) -> str:
        parts = [
            _name(cell),
            *([plain(cell.request_key)] if has_requests else []),
            *([workers_words([cell.workers])] if has_workers else []),
        ]
        return ", ".join(parts)

    return name
