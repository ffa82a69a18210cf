"""Closed loops at several connection counts: where the order changes, and at what cost."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

from asgi_bench.analysis.across_cells import Level
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS, stand
from asgi_bench.analysis.report import CellReport, Comparison, Report
from asgi_bench.analysis.samples import Sample, reference_pairs
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.analysis.utilization import server_busy_share
from asgi_bench.model import Plan, Reason, Trial
from asgi_bench.model.figures import sent_in_slices
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, THROUGHPUT

# A thread that always has work and no rival switches once in some hundred requests. granian's
# three on one CPU: 0.7 to 0.8 times a request over 64 connections, 0.08 times over 256.
MOST_SWITCHES = 0.2
MUCH_RARER = 3.0
# Below it threads may have waited for requests, and not for one another.
LEAST_BUSY_SHARE = 0.85


class FirstPlaces(NamedTuple):
    """Who may be first at each count, of the settings that were measured at all of them.

    They share one scenario, HTTP version, transport and worker count; `settings` is their number.
    """

    request_key: str
    workers: int
    settings: int
    leaders: Mapping[int, tuple[CellReport, ...]]

    @property
    def turns_over(self) -> bool:
        """Whether no setting may be first at both of some two counts."""
        sets = [{cell.start for cell in cells} for cells in self.leaders.values()]
        return any(not one & other for one in sets for other in sets)


def levels_of(
    samples: Mapping[str, Sample], plan: Plan, comparisons: Iterable[Comparison]
) -> tuple[Level, ...]:
    """An entry for each sound closed loop of a setting that has several."""
    groups: dict[tuple[str, int], dict[str, dict[int, Sample]]] = {}
    for sample in samples.values():
        cell = sample.planned.cell
        if cell.load.is_closed and sample.is_sound:
            settings = groups.setdefault((cell.request_key, cell.workers), {})
            settings.setdefault(cell.setting, {})[cell.load.connections] = sample
    pairs = [pair for pair in comparisons if pair.metric == THROUGHPUT.name]
    change = partial(_change, samples, plan, THROUGHPUT)
    several = ([found for found in group.values() if len(found) > 1] for group in groups.values())
    return tuple(level for settings in several for level in _levels(settings, pairs, change))


def first_places(report: Report) -> tuple[FirstPlaces, ...]:
    """An entry for each scenario and worker count for which an order is claimed at all counts."""
    cells = {cell.cell: cell for cell in report.cells}
    groups: dict[tuple[str, int], list[Level]] = {}
    for level in report.levels:
        if level.may_be_first is not None:
            cell = cells[level.cell]
            groups.setdefault((cell.request_key, cell.workers), []).append(level)
    return tuple(
        FirstPlaces(*group, len({level.base for level in levels}), _leaders(levels, cells))
        for group, levels in groups.items()
    )


def _leaders(
    levels: Sequence[Level], cells: Mapping[str, CellReport]
) -> dict[int, tuple[CellReport, ...]]:
    """The cells that may be first over each count, rising; the best estimate first."""
    found: dict[int, tuple[CellReport, ...]] = {}
    for count in sorted({level.connections for level in levels}):
        over = (cells[each.cell] for each in levels if each.connections == count)
        firsts = {level.cell for level in levels if level.may_be_first}
        found[count] = tuple(
            sorted(
                (cell for cell in over if cell.cell in firsts),
                key=lambda cell: -(cell.throughput_rps.value or 0.0),
            )
        )
    return found


def turn_findings(
    levels: Iterable[Level], samples: Mapping[str, Sample], plan: Plan
) -> dict[str, Reason]:
    """By cell: that a server's threads take turns so often that more connections cost it less.

    Reported if the server was busy and switched often, switched rarely at more connections, and
    its CPU time per request fell relative to the reference's.
    """
    found: dict[str, Reason] = {}
    for level in levels:
        base, sample = samples[level.base], samples[level.cell]
        often, rarely = _switches_per_request(base), _switches_per_request(sample)
        if often is None or rarely is None or often < max(MOST_SWITCHES, MUCH_RARER * rarely):
            continue
        cost = _change(samples, plan, CPU, sample, base)
        if cost.value is None or cost.upper is None or cost.upper >= 1 or not _is_busy(base, plan):
            continue
        few, many = (one.planned.cell.load.connections for one in (base, sample))
        found[level.base] = Reason(
            code="threads-take-turns",
            level="valid",
            value=often,
            limit=MOST_SWITCHES,
            text=f"its threads share a CPU and wake each other up: {often:.2g} context switches "
            f"per request at {few} connections, {rarely:.2g} at {many}, because each "
            "hand-over carries few requests when few are waiting; that costs "
            f"{1 / cost.value - 1:.0%} more CPU time per request, relative to the reference",
        )
    return found


def _levels(
    settings: Sequence[Mapping[int, Sample]],
    pairs: Sequence[Comparison],
    change: Callable[[Sample, Sample], Interval],
) -> Iterator[Level]:
    """The entries of the settings of one scenario and worker count."""
    counts = sorted({count for found in settings for count in found})
    complete = [found for found in settings if len(found) == len(counts)]
    first: dict[str, bool] = {}
    for count in counts if len(complete) > 1 else ():
        first |= _may_be_first([found[count].planned.cell.key for found in complete], pairs)
    leads = {_in_order(pair) for pair in pairs if pair.distinguishable}
    for found in settings:
        base = found[min(found)]
        for count in sorted(found):
            key = found[count].planned.cell.key
            yield Level(
                cell=key,
                base=base.planned.cell.key,
                connections=count,
                may_be_first=first.get(key),
                overtakes=tuple(_overtaken(found, count, settings, leads)),
                ratio_change=Interval() if found[count] is base else change(found[count], base),
            )


def _may_be_first(keys: Sequence[str], pairs: Iterable[Comparison]) -> dict[str, bool]:
    """Which of these cells may hold the first place among them; nothing of what is unproven."""
    among = [pair for pair in pairs if pair.a in keys and pair.b in keys]
    enough = [pair for pair in among if len(pair.round_ratios) >= MIN_CLAIM_ROUNDS]
    known = {key for pair in enough for key in (pair.a, pair.b)}
    standings = stand(keys, among)
    return {key: standings[key].rank.best == 1 for key in keys if key in known}


def _in_order(pair: Comparison) -> tuple[str, str]:
    """The two cells, the faster one first."""
    return (pair.a, pair.b) if (pair.ratio.value or 0.0) > 1 else (pair.b, pair.a)


def _overtaken(
    found: Mapping[int, Sample],
    count: int,
    settings: Iterable[Mapping[int, Sample]],
    leads: set[tuple[str, str]],
) -> Iterator[str]:
    """The cells over as many connections that a setting passes there."""
    fewer = [each for each in found if each < count]
    ours = {each: sample.planned.cell.key for each, sample in found.items()}
    for other in settings:
        theirs = {each: sample.planned.cell.key for each, sample in other.items()}
        was_behind = any((theirs.get(each), ours[each]) in leads for each in fewer)
        if was_behind and (ours[count], theirs.get(count)) in leads:
            yield theirs[count]


def _change(
    samples: Mapping[str, Sample], plan: Plan, metric: Metric, sample: Sample, base: Sample
) -> Interval:
    """A cell's ratio to the reference over its base's; none of the reference itself."""
    ratios: list[dict[int, float]] = []
    for one in (sample, base):
        paired = reference_pairs(one, samples, plan, one.compared_by(metric))
        if paired is None or paired[0] == one.planned.cell.key:
            return Interval()
        ratios.append({number: ours / theirs for number, (ours, theirs) in paired[1].items()})
    here, there = ratios
    rounds = sorted(here.keys() & there.keys())
    return log_interval([here[n] / there[n] for n in rounds], looked=is_looked(plan))


def _switches_per_request(sample: Sample) -> float | None:
    """Context switches of the server's threads, waits and losses, over all rounds."""
    known = [
        (trial.voluntary_switches + trial.involuntary_switches, sent_in_slices(trial))
        for trial in sample.estimating
        if trial.voluntary_switches is not None and trial.involuntary_switches is not None
    ]
    sent = sum(each for _, each in known)
    return sum(switches for switches, _ in known) / sent if sent else None


def _is_busy(sample: Sample, plan: Plan) -> bool:
    """Whether the server always had work, in the middle of its rounds."""

    def share(trial: Trial) -> float | None:
        return server_busy_share(trial, sample.planned.cell.workers, len(plan.server_cpus))

    shares = [found for trial in sample.estimating if (found := share(trial)) is not None]
    return bool(shares) and median(shares) >= LEAST_BUSY_SHARE
