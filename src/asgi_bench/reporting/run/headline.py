"""What a run found, in words: a sentence with its proof for each scenario, load, worker count."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.levels import FirstPlaces, first_places
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS
from asgi_bench.analysis.report import CellReport, Comparison, Report, SweepReport
from asgi_bench.model.metrics import THROUGHPUT, ranking_metric
from asgi_bench.reporting import numbers
from asgi_bench.reporting.ab import advice
from asgi_bench.reporting.document import Headline, Mark
from asgi_bench.reporting.groups import AnyGroup, Section, report_groups
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import (
    TONES,
    cell_name,
    counts_words,
    load_words,
    objective_words,
    offered_words,
    plain,
    workers_words,
)

# More names than these are counted, not listed.
NAMED = 3

Pairs = Mapping[tuple[str, str], Comparison]


NOTHING = Headline("Nothing was measured that could be ranked")


def headlines(source: Source) -> tuple[Headline, ...]:
    """One for each scenario, load and worker count; first the one that readers came for.

    That is the verdict of an A/B, or that the first place depends on the number of connections, or
    the first on throughput that ranks any server, or the first that does.
    """
    report = source.report
    parts = [(group, section) for group in report_groups(report) for section in group.sections]
    parts.sort(key=lambda part: (not part[1].ranked, not part[0].load.is_closed))
    found = tuple(_headline(report, group, section) for group, section in parts)
    return (*_ab_headline(source), *turned_headlines(report), *found) or (NOTHING,)


def caution(report: Report) -> Mark:
    """How many cells are valid, and what became of the others; as grave as the worst of them."""
    cells = report.everything
    if not cells:
        return Mark("Nothing was planned.", "bad")
    measured = [cell for cell in cells if cell.outcome == "ok"]
    counts = {
        "failed": sum(cell.outcome == "failed" for cell in cells),
        "invalid": sum(cell.validity == "invalid" for cell in measured),
        "suspect": sum(cell.validity == "suspect" for cell in measured),
        "skipped": sum(cell.outcome == "skipped" for cell in cells),
    }
    others = [f"{count} {word}" for word, count in counts.items() if count]
    if not others:
        return Mark(f"All {len(cells)} cells are valid.", "good")
    valid = len(cells) - sum(counts.values())
    worst = next(word for word, count in counts.items() if count)
    return Mark(f"{valid} of {len(cells)} cells are valid, {listed(others)}.", TONES[worst])


def _ab_headline(source: Source) -> Iterator[Headline]:
    """The verdict on an A/B, which stands first on its page, and what to do next."""
    found = source.ab
    if found is not None:
        yield Headline(found.verdict.capitalize(), plain(found.text), advice(found))


def _headline(
    report: Report, group: AnyGroup, section: Section[CellReport] | Section[SweepReport]
) -> Headline:
    """What was found in one section."""
    where = ", ".join(
        (plain(group.scenario), load_words(group.load), workers_words([section.workers]))
    )
    sweeps = [cell for cell in section.ranked if isinstance(cell, SweepReport)]
    if sweeps:
        return Headline(_sweep_sentence(sweeps[0]), where, _sweep_proof(sweeps))
    cells = [cell for cell in section.ranked if isinstance(cell, CellReport)]
    if not cells:
        return Headline("Nothing can be ranked", where, "No cell is valid or suspect.")
    metric = ranking_metric(cells[0].load)
    pairs = _pairs((*report.comparisons, *report.latency_comparisons), metric.name)
    return Headline(_sentence(cells, pairs), where, f"{'. '.join(_proof(cells, pairs))}.")


def turned_headlines(report: Report) -> tuple[Headline, ...]:
    """One for each scenario and worker count whose first place depends on connections."""
    return tuple(_turned(report, each) for each in first_places(report) if each.turns_over)


def _turned(report: Report, found: FirstPlaces) -> Headline:
    """Who is first over which connection counts, where that is not one and the same."""
    counts: dict[str, list[int]] = {}
    for count, cells in found.leaders.items():
        names = [cell_name(cell) for cell in cells]
        told = listed(names, "or") if len(names) <= NAMED else f"one of {len(names)} settings"
        counts.setdefault(told, []).append(count)
    parts = [f"at {counts_words(each)}: {told}" for told, each in counts.items()]
    parts[0] = parts[0].replace(":", " connections:", 1)
    where = (
        plain(found.request_key),
        "closed loop",
        workers_words([found.workers]),
        f"{found.settings} settings measured at {counts_words(found.leaders)} connections",
    )
    return Headline(f"First {'; '.join(parts)}", ", ".join(where), _turn_proof(report, found))


def _turn_proof(report: Report, found: FirstPlaces) -> str:
    """What is first elsewhere, to what is first over the fewest connections, over each count."""
    fewest = next(iter(found.leaders.values()))
    first = next(filter(_is_reference, fewest), fewest[0])
    other = next(cells[0] for cells in found.leaders.values() if first.start not in _starts(cells))
    cells = {
        (cell.start, cell.request_key, cell.load.connections): cell
        for cell in report.cells
        if cell.load.is_closed
    }
    pairs = _pairs(report.comparisons, THROUGHPUT.name)
    ratios = []
    for count in found.leaders:
        ours, theirs = (cells[each.start, found.request_key, count] for each in (other, first))
        ratio = _ratio(ours, theirs, pairs)
        if ratio is not None:
            ratios.append(f"{_bounded(ratio)} at {count}")
    return f"{cell_name(other)} to {cell_name(first)}: {', '.join(ratios)} connections."


def _is_reference(cell: CellReport) -> bool:
    return cell.throughput_ratio is not None and cell.throughput_ratio.reference == cell.cell


def _starts(cells: Iterable[CellReport]) -> set[str]:
    """The settings that these are of."""
    return {cell.start for cell in cells}


def _sentence(cells: Sequence[CellReport], pairs: Pairs) -> str:
    """Who is first: one, or several that can't be told apart."""
    first = cells[0]
    if len(cells) == 1:
        return f"{cell_name(first)} stands alone: there is nothing to compare it with"
    if max(cell.rounds for cell in cells) < MIN_CLAIM_ROUNDS:
        return f"{cell_name(first)} came first, but this is not proven"
    leaders, unproven = _leaders(cells, pairs), _unproven(cells, pairs)
    if len(leaders) > NAMED:
        return f"{len(leaders)} of {len(cells)} settings are tied for first place"
    if len(leaders) > 1:
        return f"{listed([cell_name(cell) for cell in leaders])} are tied for first place"
    if unproven:
        return f"{cell_name(first)} came first"
    does = "is the fastest" if first.load.is_closed else _answers_soonest(first)
    return f"{cell_name(first)} {does}"


def _answers_soonest(cell: CellReport) -> str:
    return f"has the lowest latency at {offered_words(cell.load)}"


def _leaders(cells: Sequence[CellReport], pairs: Pairs) -> list[CellReport]:
    """The first, and those that it was compared with and can't be told apart from."""
    unproven = _unproven(cells, pairs)
    return [
        cell
        for cell in cells
        if cell is cells[0]
        or (cell.rank is not None and cell.rank.best == 1 and cell not in unproven)
    ]


def _unproven(cells: Sequence[CellReport], pairs: Pairs) -> list[CellReport]:
    """Those that share too few rounds with the first for any claim, whatever the difference."""
    first, *others = cells
    return [cell for cell in others if _common_rounds(first, cell, pairs) < MIN_CLAIM_ROUNDS]


def _common_rounds(a: CellReport, b: CellReport, pairs: Pairs) -> int:
    """How many rounds two cells were compared over."""
    found = pairs.get((a.cell, b.cell)) or pairs.get((b.cell, a.cell))
    return len(found.round_ratios) if found is not None else 0


def _proof(cells: Sequence[CellReport], pairs: Pairs) -> Iterator[str]:
    """The figures behind it, and who follows."""
    first, *others = cells
    yield f"{cell_name(first)}: {_figure(first)}"
    if not others:
        return
    leaders, unproven = _leaders(cells, pairs), _unproven(cells, pairs)
    if max(cell.rounds for cell in cells) < MIN_CLAIM_ROUNDS:
        measured = f"{first.rounds} round{'' if first.rounds == 1 else 's'}"
        yield f"An order needs {MIN_CLAIM_ROUNDS} rounds, and this run has {measured}"
        yield _next(first, others[0], pairs)
        return
    if len(leaders) > 1:
        yield from _tie(leaders, pairs)
    followers = [cell for cell in others if cell not in leaders]
    if followers:
        yield _next(first, followers[0], pairs)
    if unproven:
        names = listed([cell_name(cell) for cell in unproven])
        yield f"No claim is made about {names}: fewer than {MIN_CLAIM_ROUNDS} usable rounds"


def _tie(leaders: Sequence[CellReport], pairs: Pairs) -> Iterator[str]:
    """Between which bounds two that can't be told apart lie."""
    first, second, *_ = leaders
    ratio = _ratio(first, second, pairs)
    yield "Tied settings can't be told apart in this run"
    if ratio is not None:
        yield f"{cell_name(first)} to {cell_name(second)}: {_bounded(ratio)}"


def _next(first: CellReport, follower: CellReport, pairs: Pairs) -> str:
    """The best of those behind, and how far."""
    ratio = _ratio(follower, first, pairs)
    if ratio is None:
        return f"Next is {cell_name(follower)}: {_figure(follower)}"
    of_that = " times that" if (ratio.value or 0.0) > 1 else " of that"
    return f"Next is {cell_name(follower)} with {_bounded(ratio, of_that)}"


def _figure(cell: CellReport) -> str:
    """What ranks it, and the ratio to the reference where it has one."""
    if not cell.load.is_closed:
        times = cell.response_time_s
        return f"p50 {numbers.milliseconds(times.p50)} ms, p99 {numbers.milliseconds(times.p99)} ms"
    text = f"{numbers.rate(cell.throughput_rps.value)} requests/s"
    ratio = cell.throughput_ratio
    if ratio is None or _is_reference(cell):
        return text
    reference = plain("/".join(ratio.reference.split("/")[:3]))
    return f"{text}, {numbers.factor(ratio.value)} of {reference}"


def _ratio(a: CellReport, b: CellReport, pairs: Pairs) -> Interval | None:
    """The ratio of a to b with its bounds, from their comparison."""
    found = pairs.get((a.cell, b.cell))
    if found is not None:
        return found.ratio
    found = pairs.get((b.cell, a.cell))
    if found is None or not found.ratio.value:
        return None
    value, lower, upper = found.ratio.value, found.ratio.lower, found.ratio.upper
    return Interval(1 / value, None if not upper else 1 / upper, None if not lower else 1 / lower)


def _bounded(ratio: Interval, unit: str = "") -> str:
    """A ratio with its bounds in words."""
    text = f"{numbers.times(ratio.value)}{unit}"
    if ratio.lower is None or ratio.upper is None:
        return text
    return f"{text} (95% interval {numbers.times(ratio.lower)} to {numbers.times(ratio.upper)})"


def _sweep_sentence(best: SweepReport) -> str:
    """Who keeps the objective at the highest rate, or answers most when offered too much."""
    if best.objective is not None:
        return f"{cell_name(best)} met {objective_words(best.objective)} at the highest rate"
    return f"{cell_name(best)} had the highest throughput when offered more than it could handle"


def _sweep_proof(ranked: Iterable[SweepReport]) -> str:
    """The rates of the first ones, with their intervals."""
    rates = []
    for sweep in list(ranked)[: NAMED + 1]:
        estimate = sweep.highest_rate_rps if sweep.objective else sweep.saturation_rps
        bound = "at least " if sweep.objective and sweep.highest_rate_is_least else ""
        rate = numbers.with_interval(f"{numbers.rate(estimate.value)} requests/s", estimate)
        rates.append(f"{cell_name(sweep)} {bound}{rate}")
    return f"{'; '.join(rates)}."


def _pairs(comparisons: Iterable[Comparison], metric: str) -> Pairs:
    """The comparisons on a metric by the keys of both cells."""
    return {(each.a, each.b): each for each in comparisons if each.metric == metric}


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Names in a sentence: `a`, `a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} {joint} {last}" if others else last
