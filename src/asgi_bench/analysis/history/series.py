"""Runs over time: each cell's ratio to the run's own reference, and where its level changed.

Both servers of a ratio were measured in the same minutes, so what the machine does to both cancels
out, and what is left is what the cell itself did. Another load, tool or kernel need not move both
alike, so a change that may come from these is kept apart.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import expm1, log
from typing import NamedTuple

from asgi_bench.analysis.history.change_points import find_changes
from asgi_bench.analysis.history.environment import (
    Break,
    Change,
    Facts,
    breaks,
    changes_among,
    changes_between,
    concerning,
    has_measuring,
)
from asgi_bench.analysis.intervals import paired_ratio
from asgi_bench.analysis.samples import Sample, reference_key, reference_pairs, sample_cells
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.model import (
    Effect,
    Gate,
    Plan,
    RatioPoint,
    Run,
    RunEntry,
    Search,
    Step,
)
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import (
    LEAST_INSTRUCTIONS_CHANGE,
    least_change,
    metric_of,
    used_under,
)


def run_entry(run: Run, environment: str) -> RunEntry:
    """A run's entry; `environment` is the key of its facts.

    Raises BenchError for a stored histogram that can't be read, if one is needed.
    """
    header, plan = run.header, run.header.plan
    samples = sample_cells(run)
    sound = {key: sample for key, sample in samples.items() if _is_sound(sample)}
    points = () if plan.gate is not None else tuple(_points(sound, samples, plan))
    return RunEntry(
        run_id=header.run_id,
        label=header.label,
        started_at=header.started_at,
        tool_version=header.tool_version,
        fingerprint=header.machine.fingerprint,
        hostname=header.machine.hostname,
        cpu_model=header.machine.cpu_model,
        cpu_count=header.machine.cpu_count,
        environment=environment,
        source=header.source,
        cells=len(samples),
        unusable=len(samples) - len(sound),
        without_ratio=len(sound) - len({point.cell for point in points}),
        is_ab=plan.gate is not None,
        points=points,
        resumed=len(header.resumed),
    )


# As an A/B: what is smaller matters to nobody, however certain it is.
MIN_CHANGE = 0.02


class Shift(NamedTuple):
    """A change of level in a series, with what else changed there.

    `before` and `at` are the runs around its likeliest place; for a drift, its first and last
    run. The step may have come with any run from `earliest` to `latest`. `effect` is a slowdown,
    negative if the cell got faster. `changes` are the differences between `before` and `at`,
    `nearby` what else changed with the runs in question, and `reference` is the cell that the
    ratios refer to.
    """

    step: Step
    before: RunEntry
    at: RunEntry
    earliest: RunEntry
    latest: RunEntry
    effect: Effect
    changes: tuple[Change, ...]
    nearby: tuple[Change, ...]
    reference: str

    @property
    def may_be_measuring(self) -> bool:
        """Whether machine, tool or load changed too, so that the code may not be the cause."""
        return has_measuring((*self.changes, *self.nearby)) or self.reference_changed

    @property
    def reference_changed(self) -> bool:
        """Whether the reference has another version or command, which moves every ratio to it."""
        if not self.reference:
            return False
        server, variant, workers, *_ = self.reference.split("/")
        setting = f"{server}/{variant}/{workers}"
        of_reference = {("server", server), ("command", setting), ("variables", setting)}
        found = (*self.changes, *self.nearby)
        return any(
            (change.kind, change.name) in of_reference
            or (change.kind == "running" and change.name.endswith(f" of {setting}"))
            for change in found
        )


class Series(NamedTuple):
    """A cell's ratio on one metric over the runs that have it, oldest first.

    `numbers` are the indices of these runs in the history.
    """

    cell: str
    metric: Metric
    reference: str
    runs: tuple[RunEntry, ...]
    numbers: tuple[int, ...]
    points: tuple[RatioPoint, ...]
    shifts: tuple[Shift, ...]
    small: int
    spikes: tuple[int, ...]

    @property
    def own_shifts(self) -> tuple[Shift, ...]:
        """The changes without a change of machine, tool or load."""
        return tuple(shift for shift in self.shifts if not shift.may_be_measuring)

    @property
    def doubtful_shifts(self) -> tuple[Shift, ...]:
        """The changes that machine, tool, load or reference may have caused."""
        return tuple(shift for shift in self.shifts if shift.may_be_measuring)


class OtherMachine(NamedTuple):
    """Runs of another machine, which are listed separately."""

    fingerprint: str
    cpu_model: str
    cpu_count: int
    hostname: str
    runs: int


class History(NamedTuple):
    """All runs of one machine, oldest first, as series; `runs` is empty if none is stored.

    Of the runs, `abs` compare two sides and have no series, `without_points` have no usable ratio.
    """

    runs: tuple[RunEntry, ...]
    series: tuple[Series, ...]
    breaks: tuple[Break, ...]
    others: tuple[OtherMachine, ...]
    abs: int
    without_points: int
    min_change: float

    @property
    def shifts(self) -> list[tuple[Series, Shift]]:
        """The changes without a change of machine, tool or load, newest first."""
        return _newest_first((one, shift) for one in self.series for shift in one.own_shifts)

    @property
    def doubtful_shifts(self) -> list[tuple[Series, Shift]]:
        """The changes that machine, tool, load or reference may have caused, newest first."""
        return _newest_first((one, shift) for one in self.series for shift in one.doubtful_shifts)


def build_history(
    entries: Sequence[RunEntry],
    environments: Facts,
    *,
    fingerprint: str | None = None,
    min_change: float = MIN_CHANGE,
    search: Search = find_changes,
) -> History:
    """The history of one machine: that of the newest run, unless another is named.

    `entries` are in order of time. Changes smaller than `min_change` are counted, not listed.
    `search` is `find_changes`, or something that remembers what it found.
    """
    timed = [entry for entry in entries if not entry.is_counted]
    if fingerprint is None and timed:
        fingerprint = timed[-1].fingerprint
    runs = tuple(entry for entry in timed if entry.fingerprint == fingerprint)
    return History(
        runs=runs,
        series=tuple(_all_series(runs, environments, min_change, search)),
        breaks=tuple(breaks(runs, environments)),
        others=_others(timed, fingerprint),
        abs=sum(run.is_ab for run in runs),
        without_points=sum(not run.points and not run.is_ab for run in runs),
        min_change=min_change,
    )


def count_history(
    entries: Sequence[RunEntry],
    environments: Facts,
    *,
    min_change: float = LEAST_INSTRUCTIONS_CHANGE,
    search: Search = find_changes,
) -> History:
    """The history of all runs that counted, on any machine: counts travel.

    Their environments are recorded: if machine, tool or libraries changed, a change of a count
    may come from them. Otherwise as `build_history`.
    """
    runs = tuple(entry for entry in entries if entry.is_counted)
    return History(
        runs=runs,
        series=tuple(_all_series(runs, environments, min_change, search)),
        breaks=tuple(breaks(runs, environments)),
        others=(),
        abs=0,
        without_points=sum(not run.points for run in runs),
        min_change=min_change,
    )


def slowdown(metric: Metric, log_change: float) -> float:
    """A change of a log ratio as a slowdown: for throughput, a smaller ratio is slower."""
    return expm1(min(-log_change if metric.more_is_better else log_change, 700.0))


def _all_series(
    runs: Sequence[RunEntry], environments: Facts, min_change: float, search: Search
) -> Iterator[Series]:
    """The series by cell, metric and reference, in the order in which they first came up."""
    places: dict[tuple[str, str, str], list[tuple[int, RatioPoint]]] = {}
    for number, run in enumerate(runs):
        for point in run.points:
            key = (point.cell, point.metric, point.reference)
            places.setdefault(key, []).append((number, point))
    for (cell, metric, reference), members in places.items():
        numbers = tuple(number for number, _ in members)
        points = tuple(point for _, point in members)
        of_series = tuple(runs[number] for number in numbers)
        found = search([log(point.ratio) for point in points])
        series = Series(
            cell=cell,
            metric=metric_of(metric),
            reference=reference,
            runs=of_series,
            numbers=numbers,
            points=points,
            shifts=(),
            small=0,
            spikes=found.spikes,
        )
        shifts = [_shift(series, step, environments) for step in found.steps]
        least = _least_of(series, min_change)
        told = tuple(shift for shift in shifts if abs(shift.effect.d) >= least)
        yield series._replace(shifts=told, small=len(shifts) - len(told))


def _least_of(series: Series, min_change: float) -> float:
    """The smallest change of a series that is told, as a share.

    What changes by whole calls has a smallest change of its own.
    """
    if not series.metric.is_linear:
        return min_change
    least = least_change(series.metric, Gate()) or 0.0
    return least / max(point.ratio for point in series.points)


def _newest_first(found: Iterable[tuple[Series, Shift]]) -> list[tuple[Series, Shift]]:
    return sorted(
        found, key=lambda each: (each[1].at.started_at, abs(each[1].effect.d)), reverse=True
    )


def _shift(series: Series, step: Step, environments: Facts) -> Shift:
    """A step with the runs around it and what changed between them, as far as it touches the cell.

    It may have come with any run after the last that surely has the old level.
    """
    runs, metric = series.runs, series.metric
    is_drift = step.kind == "drift"
    before = runs[step.first if is_drift else step.place - 1]
    at = runs[step.last if is_drift else step.place]
    possible = runs[step.first if is_drift else step.first - 1 : step.last + 1]
    bounds = sorted(slowdown(metric, bound) for bound in (step.lower, step.upper))
    found = concerning(changes_between(before, at, environments), series.cell)
    among = concerning(changes_among(possible, environments), series.cell)
    return Shift(
        step=step,
        before=before,
        at=at,
        earliest=runs[step.first],
        latest=runs[step.last],
        effect=Effect(slowdown(metric, step.change), *bounds),
        changes=found,
        nearby=tuple(change for change in among if change not in found),
        reference=series.reference,
    )


def _others(entries: Sequence[RunEntry], fingerprint: str | None) -> tuple[OtherMachine, ...]:
    """The other machines, the one with most runs first."""
    by_machine = {entry.fingerprint: entry for entry in entries if entry.fingerprint != fingerprint}
    counts = Counter(entry.fingerprint for entry in entries)
    return tuple(
        OtherMachine(
            each.fingerprint,
            each.cpu_model,
            each.cpu_count,
            each.hostname,
            counts[each.fingerprint],
        )
        for each in sorted(by_machine.values(), key=lambda each: -counts[each.fingerprint])
    )


def _is_sound(sample: Sample) -> bool:
    return sample.verdict.outcome == "ok" and sample.verdict.validity != "invalid"


def _points(
    sound: Mapping[str, Sample], samples: Mapping[str, Sample], plan: Plan
) -> Iterator[RatioPoint]:
    """The points of all cells but the references, whose ratio to themselves is 1."""
    for key, sample in sound.items():
        cell = sample.planned.cell
        if reference_key(cell, plan.reference) == key or cell.load.is_sweep:
            continue
        for metric in used_under(cell.load, lambda one: one.tracked):
            found = reference_pairs(sample, samples, plan, sample.compared_by(metric))
            if found is None:
                continue
            reference, pairs = found
            ratio = paired_ratio(pairs.values(), looked=is_looked(plan))
            if ratio.value is not None:
                yield RatioPoint(key, metric.name, reference, ratio.value, ratio.lower, ratio.upper)
