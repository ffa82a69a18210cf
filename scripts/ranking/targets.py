"""What a ranking has to show, and whether what `scripts/bench-ranking` kept shows it.

What is lacking (a cell or a run of the aliases without an interval, runs that were not made) misses
its target as a figure that is too large does: nothing passes for want of proof.
"""

from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any, NamedTuple, TypeAlias

from asgi_bench.analysis.stopping import CALM_SCATTER, NOISY_SCATTER
from asgi_bench.quantities import parse_duration

# As bench-ranking keeps them: results/README.md names the keys.
Kept: TypeAlias = Mapping[str, Any]


class Hour(NamedTuple):
    """What a kind of hour has to show: the most half-widths, in the median and at worst."""

    median: float
    widest: float


# Whatever the machine does of itself; and where another program wants half of each CPU in phases.
HOURS: Mapping[str, Hour] = {
    "calm": Hour(0.02, 0.03),
    "noisy": Hour(0.02, 0.03),
    "disturbed": Hour(0.05, 0.09),
}
RESTLESS = "restless"
MOST_OTHER_SHARE = 0.3
# Of 40 true 95 % intervals more than four miss in 5 % of cases.
ALIAS_RUNS, MOST_MISSES, MOST_CLAIMS = 40, 4, 4
# A run begins the rounds that end within half a round of its budget's end, some 10 of 300 s; its
# table, charts and page come on top.
BUDGET_SLACK = 0.1
# Holm's adjustment is for each metric by itself, so the two names have two chances in each run.
CLAIMED = ("throughput_rps", "server_cpu_s_per_request")


class Figure(NamedTuple):
    """What was found against the most that it may be; None where it can't be told.

    A float is a share, an int a count.
    """

    name: str
    value: float | int | None
    most: float | int
    note: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether it is too large, or can't be told."""
        return self.value is None or self.value > self.most

    @property
    def words(self) -> str:
        """It in one line."""
        shown = "-" if self.value is None else _shown(self.value)
        verdict = "  MISSED" if self.is_missed else ""
        limit = f"at most {_shown(self.most)}"
        return f"{self.name:<34}{shown:>7}  {limit}{verdict}  {self.note}".rstrip()


def figures(
    hours: Mapping[str, Kept], aliases: Kept, default_phases_s: Mapping[str, float]
) -> list[Figure]:
    """Everything that has a target; the phases are those of a run as `make bench` makes it."""
    of_hours = [one for name in HOURS for one in _of_hour(name, hours.get(name))]
    return [*of_hours, _of_default_run(default_phases_s), *_of_aliases(aliases)]


def hour_of(slice_scatter: float | None, *, is_disturbed: bool) -> str:
    """The kind of hour a run had, by how much slices of one server scatter."""
    if is_disturbed:
        return "disturbed"
    if slice_scatter is None or CALM_SCATTER <= slice_scatter < NOISY_SCATTER:
        return RESTLESS
    return "calm" if slice_scatter < CALM_SCATTER else "noisy"


def latest_hours(kept: Iterable[Kept]) -> dict[str, Kept]:
    """The latest hour of each kind, in the order of their targets; those without one come last.

    The latest, not the sharpest: the best of several tries would show less scatter than there is.
    """
    by_kind = {hour["kind"]: hour for hour in sorted(kept, key=lambda hour: hour["measured_at"])}
    return {kind: by_kind[kind] for kind in (*HOURS, RESTLESS) if kind in by_kind}


def half_widths(servers: Kept) -> list[float]:
    """The half-widths of those cells that have an interval."""
    return [each["half_width"] for each in servers["ratios"] if each["half_width"] is not None]


def misses(alias_run: Kept, metric: str = "throughput_rps") -> bool:
    """Whether there is an interval of the aliases' ratio, and it misses 1."""
    if not has_interval(alias_run, metric):
        return False
    ratio = alias_run[metric]["ratio"]
    return not ratio["lower"] <= 1 <= ratio["upper"]


def has_interval(alias_run: Kept, metric: str = "throughput_rps") -> bool:
    """Whether a run came to an interval of the aliases' ratio on that metric."""
    return metric in alias_run and alias_run[metric]["ratio"]["lower"] is not None


def claims(alias_run: Kept) -> list[str]:
    """The metrics on which a run calls the two names distinguishable."""
    return [m for m in CLAIMED if m in alias_run and alias_run[m]["distinguishable"]]


def _of_hour(name: str, servers: Kept | None) -> Iterator[Figure]:
    """The run of all variants in such an hour: its surety, its time."""
    target = HOURS[name]
    if servers is None:
        yield Figure(f"{name} hour: median half-width", None, target.median, "not met yet")
        return
    widths = half_widths(servers)
    lacking = [each["cell"] for each in servers["ratios"] if each["half_width"] is None]
    yield Figure(f"{name} hour: cells without interval", len(lacking), 0, ", ".join(lacking))
    scatter = f"slices scatter by {servers['slice_scatter']:.0%}"
    middle = median(widths) if widths else None
    yield Figure(f"{name} hour: median half-width", middle, target.median, scatter)
    yield Figure(f"{name} hour: widest half-width", max(widths, default=None), target.widest)
    flags, wall_s = servers["flags"], servers["wall_s"]
    budget_s = parse_duration(flags[flags.index("--budget") + 1], "--budget")
    over = wall_s / budget_s - 1
    yield Figure(
        f"{name} hour: time beyond the budget",
        over,
        BUDGET_SLACK,
        f"{wall_s:.0f} of {budget_s:.0f} s",
    )


def _of_default_run(phases_s: Mapping[str, float]) -> Figure:
    """Where a default run's time went."""
    share = None
    # Earlier versions counted what is between slices as load.
    if {"load", "between"} <= phases_s.keys():
        under_load_s = phases_s["load"] + phases_s.get("lead-in", 0.0)
        share = 1 - under_load_s / sum(phases_s.values())
    note = f"{sum(phases_s.values()):.0f} s in all" if share is not None else "not told by its run"
    return Figure("default run not under load", share, MOST_OTHER_SHARE, note)


def _of_aliases(aliases: Kept) -> Iterator[Figure]:
    """The runs of two names of one server."""
    runs = aliases["runs"]
    of_all = f"of {len(runs)}"
    yield Figure("runs of the aliases lacking", max(0, ALIAS_RUNS - len(runs)), 0, of_all)
    lacking = sum(not all(has_interval(each, metric) for metric in CLAIMED) for each in runs)
    yield Figure("runs without an interval", lacking, 0, of_all)
    by_cpu = sum(misses(each, "server_cpu_s_per_request") for each in runs)
    note = f"{of_all}; {by_cpu} by CPU time"
    yield Figure("intervals that miss 1", sum(map(misses, runs)), MOST_MISSES, note)
    claimed = [claims(each) for each in runs]
    by_metric = ", ".join(f"{sum(m in each for each in claimed)} by {m}" for m in CLAIMED)
    yield Figure(
        "runs that tell them apart", sum(map(bool, claimed)), MOST_CLAIMS, f"{of_all}; {by_metric}"
    )


def _shown(value: float | int) -> str:
    """A share in percent, a count as it is."""
    return f"{value:.1%}" if isinstance(value, float) else str(value)
