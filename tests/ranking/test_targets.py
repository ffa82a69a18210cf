"""What a ranking has to show can't be passed by showing less."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ranking.targets import ALIAS_RUNS, HOURS, figures, hour_of, latest_hours

PHASES_S = {"load": 80.0, "between": 5.0, "start": 15.0}


def cell(name: str, half_width: float | None) -> dict[str, Any]:
    """One cell of the run of all variants, as it is kept."""
    return {"cell": name, "half_width": half_width}


def servers(*half_widths: float | None, wall_s: float = 305.0) -> dict[str, Any]:
    """The run of all variants, as it is kept."""
    return {
        "flags": ["-w", "1", "--budget", "5m"],
        "wall_s": wall_s,
        "phases_s": {"load": 240.0},
        "slice_scatter": 0.05,
        "ratios": [cell(f"server-{i}", width) for i, width in enumerate(half_widths)],
    }


def comparison(
    lower: float | None = 0.99, upper: float | None = 1.01, *, claimed: bool = False
) -> dict[str, Any]:
    """What a run of the aliases came to on one metric."""
    return {"ratio": {"value": 1.0, "lower": lower, "upper": upper}, "distinguishable": claimed}


def alias_run(**by_metric: Any) -> dict[str, Any]:
    """A run of the aliases that finds no difference, but for what is given."""
    both = {"throughput_rps": comparison(), "server_cpu_s_per_request": comparison()}
    return {**both, **by_metric}


def missed(
    of_servers: dict[str, Any] | None = None,
    runs: list[dict[str, Any]] | None = None,
    phases_s: dict[str, float] = PHASES_S,
) -> list[str]:
    """The names of the targets that are missed; what isn't given meets its own."""
    hours = {**dict.fromkeys(HOURS, servers(0.01, 0.02)), "calm": of_servers or servers(0.01)}
    runs = [alias_run()] * ALIAS_RUNS if runs is None else runs
    return [each.name for each in figures(hours, {"runs": runs}, phases_s) if each.is_missed]


def test_all_that_is_asked_passes() -> None:
    """Narrow intervals in time, two names that can't be told apart: nothing is missed."""
    assert missed() == []


@given(st.lists(st.floats(0.0, 0.03), max_size=12), st.integers(0, 12))
def test_a_cell_without_interval_is_missed(widths: list[float], place: int) -> None:
    """However narrow the others are, a cell that came to no interval misses the target."""
    lacking: list[float | None] = [*widths[:place], None, *widths[place:]]
    assert "calm hour: cells without interval" in missed(servers(*lacking))


def test_no_cells_at_all_are_missed() -> None:
    """Where nothing was measured no width is small."""
    assert missed(servers()) == ["calm hour: median half-width", "calm hour: widest half-width"]


def test_wide_intervals_are_missed() -> None:
    """The widest and the median are held to their own limits."""
    assert missed(servers(0.01, 0.02, 0.031)) == ["calm hour: widest half-width"]
    assert missed(servers(0.01, 0.021, 0.029)) == ["calm hour: median half-width"]


def test_time_beyond_the_budget_is_missed() -> None:
    """The whole command is held to its budget, with a tenth of slack."""
    assert missed(servers(0.01, wall_s=329.0)) == []
    assert missed(servers(0.01, wall_s=331.0)) == ["calm hour: time beyond the budget"]


def test_too_few_runs_of_the_aliases_are_missed() -> None:
    """Thirty-nine runs prove less than forty; the figure says how many lack."""
    hours = dict.fromkeys(HOURS, servers(0.01))
    found = figures(hours, {"runs": [alias_run()] * (ALIAS_RUNS - 3)}, PHASES_S)
    assert [(each.name, each.value) for each in found if each.is_missed] == [
        ("runs of the aliases lacking", 3)
    ]


def test_a_run_of_the_aliases_without_interval_is_missed() -> None:
    """A run in which an alias failed or was invalid on either metric doesn't count as agreement."""
    good = [alias_run()] * (ALIAS_RUNS - 1)
    bare = alias_run(throughput_rps=comparison(None, None))
    without = {"throughput_rps": comparison()}
    for run in (bare, without):
        assert missed(runs=[*good, run]) == ["runs without an interval"]


def test_claims_count_on_either_metric() -> None:
    """Four runs may tell the names apart, be it by throughput or by CPU time; five are too many."""
    good = [alias_run()] * (ALIAS_RUNS - 5)
    by_cpu = alias_run(server_cpu_s_per_request=comparison(claimed=True))
    by_throughput = alias_run(throughput_rps=comparison(claimed=True))
    assert missed(runs=[*good, *[by_cpu] * 2, *[by_throughput] * 2, alias_run()]) == []
    assert missed(runs=[*good, *[by_cpu] * 2, *[by_throughput] * 3]) == [
        "runs that tell them apart"
    ]


def test_intervals_that_miss_1_are_counted() -> None:
    """Four of forty may; five are too many."""
    off = alias_run(throughput_rps=comparison(1.001, 1.02))
    assert missed(runs=[off] * 4 + [alias_run()] * (ALIAS_RUNS - 4)) == []
    assert missed(runs=[off] * 5 + [alias_run()] * (ALIAS_RUNS - 5)) == ["intervals that miss 1"]


def test_a_default_run_is_held_to_its_share_of_measuring() -> None:
    """More than 30 % beside the load is missed, and so is a run that doesn't part its time."""
    name = ["default run not under load"]
    assert missed(phases_s={"load": 65.0, "between": 5.0, "start": 30.0}) == name
    assert missed(phases_s={"load": 80.0, "start": 20.0}) == name
    assert missed(phases_s={}) == name


def test_a_kind_of_hour_that_was_not_met_is_missed() -> None:
    """Without a calm hour nothing is shown of one."""
    hours = {name: servers(0.01) for name in HOURS if name != "noisy"}
    found = figures(hours, {"runs": [alias_run()] * ALIAS_RUNS}, PHASES_S)
    assert [one.name for one in found if one.is_missed] == ["noisy hour: median half-width"]


def test_the_run_itself_tells_which_hour_it_was() -> None:
    """By how much slices of one server scatter; with another program beside it by that."""
    assert [hour_of(scatter, is_disturbed=False) for scatter in (None, 0.05, 0.15, 0.25)] == [
        *("restless", "calm"),
        *("restless", "noisy"),
    ]
    assert hour_of(0.05, is_disturbed=True) == "disturbed"


def test_the_latest_hour_of_a_kind_is_judged_though_an_earlier_one_was_sharper() -> None:
    """Nothing is picked: of each kind the latest counts."""
    hours = [
        {"kind": kind, "measured_at": f"2026-11-30T{when}", **servers(width)}
        for kind, when, width in (
            *(("restless", "09:00", 0.01), ("noisy", "08:00", 0.05)),
            *(("noisy", "06:00", 0.01), ("calm", "07:00", 0.02)),
        )
    ]
    latest = latest_hours(hours)
    assert list(latest) == ["calm", "noisy", "restless"]
    assert latest["noisy"]["measured_at"].endswith("08:00")
