from collections.abc import Callable

import msgspec
import pytest

from asgi_bench.analysis.recommendation import Recommendation, recommend
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    ClosedLoop,
    Gate,
    Load,
    Objective,
    OpenLoop,
    PlannedCell,
    Run,
    Throttling,
    Trial,
)
from asgi_bench.reporting.recommendations import recommendation_document
from asgi_bench.reporting.render.terminal import render_terminal
from tests.situation import Said, situation
from tests.synthetic_levels import turning_run
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    failed,
    planned_cells,
    synthetic_run,
    with_errors,
)

replace = msgspec.structs.replace
FASTEST = "granian/default/w1/hello/c64"
P99_10MS = Objective(0.99, 0.01)


def keys(found: Recommendation) -> tuple[str, set[str], set[str]]:
    """The recommended cell, those it beats, those it is tied with."""
    return (
        found.planned.cell.key,
        {each.b for each in found.beaten},
        {each.b for each in found.tied},
    )


def on_cpus(run: Run, count: int) -> Run:
    """The run as if its servers had had so many CPUs."""
    plan = replace(run.header.plan, server_cpus=tuple(range(count)))
    return replace(run, header=replace(run.header, plan=plan))


def faster_with_two(trial: Trial) -> Trial:
    """The trial of a server that does 1.9 times as much with its second worker."""
    if "/w2/" not in trial.cell:
        return trial
    pieces = tuple(replace(one, duration_s=one.duration_s / 1.9) for one in trial.slices)
    return replace(trial, slices=pieces)


def edited(edit: Callable[[Trial], Trial], rounds: int = 9) -> Run:
    """A run of all servers with an edit of its trials."""
    return synthetic_run(rounds=rounds, edit=edit)


def test_the_fastest_is_recommended_with_its_ties() -> None:
    """It beats all but its like, is compared with each once, and the ratios are over them."""
    found = recommend(synthetic_run(rounds=9))
    best, beaten, tied = keys(found)
    assert best == FASTEST
    assert tied == {"granian/uvloop/w1/hello/c64"}
    assert len(beaten) == 9
    assert all(each.a == best for each in (*found.beaten, *found.tied))
    assert all((each.ratio.lower or 0) > 1 for each in found.beaten)
    assert (found.basis, found.reference, found.rounds) == ("throughput", "uvicorn/default/w1", 9)
    assert found.estimate.value == pytest.approx(1.73, rel=0.05)


def test_default_goes_before_other_variants_of_a_tie() -> None:
    """Where nothing tells two variants apart, the plain install is named."""
    for seed in range(4):
        found = recommend(synthetic_run(planned_cells(worker_counts=(1,)), rounds=6, seed=seed))
        assert found.planned.cell.variant == "default"


def test_workers_are_compared_through_the_reference() -> None:
    """Two workers on two CPUs win where they gain, and not above the CPUs that there are."""
    run = on_cpus(edited(faster_with_two), 2)
    best, beaten, _ = keys(recommend(run))
    assert best == "granian/default/w2/hello/c64"
    assert FASTEST in beaten
    assert recommend(run, workers_most=1).planned.cell.key == FASTEST


def test_fewer_workers_go_first_where_more_gain_nothing() -> None:
    """Two workers that do as much as one are no reason to run two."""

    def level(trial: Trial) -> Trial:
        return (
            replace(trial, requests=int(trial.requests / 0.96)) if "/w2/" in trial.cell else trial
        )

    assert recommend(on_cpus(edited(level), 2)).planned.cell.workers == 1


def test_oversubscribed_is_never_recommended() -> None:
    """Two workers on one CPU look faster here: they were not measured as they would run."""
    found = recommend(edited(faster_with_two), workers_most=8)
    assert found.planned.cell.key == FASTEST
    reasons = dict(found.left_out)
    assert "2 workers on 1 CPU" in reasons["granian/default/w2/hello/c64"]
    assert any("for 8, measure with" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("spoil", ["invalid", "failed"])
def test_what_cannot_be_believed_is_never_recommended(spoil: str) -> None:
    """The fastest cell, invalid or failed, is left out with its reason."""

    def edit(trial: Trial) -> Trial:
        if trial.cell != FASTEST:
            return trial
        return with_errors(trial, 0.1) if spoil == "invalid" else failed(trial, "exited with 1")

    found = recommend(edited(edit))
    assert found.planned.cell.key == "granian/uvloop/w1/hello/c64"
    assert spoil in dict(found.left_out)[FASTEST]


def test_unbelievable_reference_leaves_plain_figures() -> None:
    """Without a sound reference the cells of one block are compared all the same."""

    def edit(trial: Trial) -> Trial:
        return with_errors(trial, 0.1) if trial.cell.startswith("uvicorn/default/w1") else trial

    found = recommend(edited(edit))
    assert (found.planned.cell.key, found.reference) == (FASTEST, None)
    assert (found.estimate.value or 0) > 10_000


def test_objective_goes_by_the_sweep() -> None:
    """The highest rate that kept p99 within 10 ms, whatever else the run holds."""
    cells = planned_cells((CLOSED_64, *OPEN_AND_SWEEP), worker_counts=(1,))
    found = recommend(synthetic_run(cells, rounds=6), objective=P99_10MS)
    best, beaten, _ = keys(found)
    assert (best, found.basis) == ("granian/default/w1/hello/sweep", "kept-rate")
    assert "uvicorn/default/w1/hello/sweep" in beaten


def test_objective_at_fixed_rates_takes_the_cheapest_that_holds() -> None:
    """At the highest rate that any holds, by CPU time per request; others are left out."""
    cells = planned_cells((OpenLoop(500), OpenLoop(3000)), worker_counts=(1,))
    found = recommend(synthetic_run(cells, rounds=8), objective=Objective(0.99, 0.0006))
    best, _, _ = keys(found)
    assert (best, found.basis) == ("granian/default/w1/hello/r3000", "cpu")
    assert all((each.ratio.upper or 9) < 1 for each in found.beaten)
    reasons = dict(found.left_out)
    assert "hypercorn/trio/w1/hello/r3000" in reasons
    assert reasons["daphne/default/w1/hello/r3000"] == "was not shown to meet the objective"


def synthetic(loads: tuple[PlannedCell, ...] | None = None, rounds: int = 6) -> Run:
    """A run of these cells."""
    return synthetic_run(loads, rounds=rounds)


@pytest.mark.parametrize(
    ("run", "objective", "words"),
    [
        (lambda: synthetic(rounds=5), None, "too few rounds to tell servers apart; measure 6"),
        (lambda: synthetic(rounds=0), None, "no usable closed-loop cell"),
        (lambda: synthetic(planned_cells((OpenLoop(500),))), None, "state an objective"),
        (synthetic, P99_10MS, "measure with --sweep"),
        (
            lambda: synthetic(planned_cells((OpenLoop(500),))),
            Objective(0.99, 1e-5),
            "no setting was shown to meet the objective",
        ),
        (
            lambda: synthetic(planned_cells(OPEN_AND_SWEEP[-1:])),
            Objective(0.99, 1e-5),
            "no setting met the objective at any rate of its sweep",
        ),
    ],
)
def test_too_little_to_go_on_is_said(
    run: Callable[[], Run], objective: Objective | None, words: str
) -> None:
    """No recommendation is made up: one line says what is lacking."""
    with pytest.raises(BenchError, match=words):
        recommend(run(), objective=objective)


def test_other_scenarios_and_loads_are_named() -> None:
    """What was measured under others than those compared is told once each, not passed over."""
    small = planned_cells((CLOSED_64, ClosedLoop(8), OpenLoop(500)), worker_counts=(1,))
    other = [replace(one, cell=replace(one.cell, scenario="large")) for one in small]
    found = recommend(synthetic_run((*small, *other), rounds=6))
    assert "/hello/c64" in found.planned.cell.key
    assert found.apart == ("hello/r500", "large/c64", "large/c8", "large/r500")
    assert [each.connections for each in found.elsewhere] == [8]
    assert recommend(synthetic_run(planned_cells(worker_counts=(1,)), rounds=6)).apart == ()


def test_what_is_better_at_other_connections_is_named() -> None:
    """The recommended one is compared at each level, and what is better there is told."""
    run = turning_run()
    found = recommend(run)
    assert found.planned.cell.setting == "gunicorn-uvicorn/default/w1"
    (elsewhere,) = found.elsewhere
    assert elsewhere.connections == 256
    assert [pair.b for pair in elsewhere.better] == ["granian/default/w1/hello/c256"]
    text = render_terminal(recommendation_document(found), width=1000)
    assert "at 256 connections granian/default/w1 is better: this one has 0.5" in text
    assert found.apart == ()


def test_the_same_setting_may_be_best_at_all_connections() -> None:
    """Where nothing is better at the other level either, that is said."""
    loads = (CLOSED_64, ClosedLoop(256))
    found = recommend(synthetic_run(planned_cells(loads, worker_counts=(1,)), rounds=9))
    assert found.elsewhere[0].better == ()
    text = render_terminal(recommendation_document(found), width=1000)
    assert "at 256 connections no setting was shown to be better" in text


def test_sweeps_of_several_scenarios_are_not_mixed() -> None:
    """A rate that a light scenario keeps is no figure of a heavy one: the first is compared."""
    sweep = planned_cells(OPEN_AND_SWEEP[-1:], worker_counts=(1,))
    other = [replace(one, cell=replace(one.cell, scenario="large")) for one in sweep]
    found = recommend(synthetic_run((*sweep, *other), rounds=6), objective=P99_10MS)
    compared = {each.b for each in (*found.beaten, *found.tied)}
    assert all("/hello/" in key for key in compared)
    assert found.apart == ("large/sweep",)


def test_ab_has_nothing_to_choose() -> None:
    """The two sides of an A/B are one setting."""
    run = synthetic_run(rounds=6)
    header = replace(run.header, plan=replace(run.header.plan, gate=Gate()))
    with pytest.raises(BenchError, match="is an A/B"):
        recommend(replace(run, header=header))


def test_only_one_is_recommended_without_a_claim() -> None:
    """One server alone is what there is, and beats nothing."""
    found = recommend(synthetic_run(planned_cells()[:1], rounds=3))
    assert (found.beaten, found.tied, found.rounds) == ((), (), None)


@situation(
    "reasons",
    "You ask for a recommendation after a run under a CPU quota",
    says="measured under a CPU quota of 1.5 CPUs, shared with the load generator: with more CPUs, "
    "another setting may be better",
)
def test_a_quota_allows_as_many_workers_as_it_has_cpus_for(said: Said) -> None:
    """Two workers on a CPU and a half show costs and no gains, unless they were asked for."""

    def limited(trial: Trial) -> Trial:
        return replace(faster_with_two(trial), throttling=Throttling(1.5, 20, 0, 0.0))

    run = on_cpus(edited(limited), 2)
    found = recommend(run)
    assert found.workers_most == found.planned.cell.workers == 1
    assert recommend(run, workers_most=2).workers_most == 2
    plan = replace(run.header.plan, quota_cpus=1.5)
    of_plan = replace(run, header=replace(run.header, plan=plan))
    reasons = dict(recommend(of_plan, workers_most=2).left_out)
    assert "2 workers under a quota of 1.5 CPUs" in reasons["granian/default/w2/hello/c64"]
    said(render_terminal(recommendation_document(found)))


def test_a_running_server_has_no_command_line_to_recommend() -> None:
    """What was only loaded can't be started by anyone who reads it."""
    run = synthetic_run(planned_cells()[:1], rounds=6)
    (planned,) = run.header.plan.cells
    plan = replace(run.header.plan, cells=(replace(planned, target="http://10.0.0.1:8000"),))
    with pytest.raises(BenchError, match="already running: there is no command line"):
        recommend(replace(run, header=replace(run.header, plan=plan)))


@pytest.mark.parametrize("load", [OPEN_AND_SWEEP[0], OPEN_AND_SWEEP[-1]])
def test_a_damaged_histogram_names_its_cell(load: Load) -> None:
    """Whether an objective was met can't be told from what can't be read."""
    run = synthetic_run(planned_cells((load,), worker_counts=(1,))[:3], rounds=3)
    judged = recommend_input(run)
    with pytest.raises(BenchError, match=r"daphne/default/w1/hello/.*: a histogram is"):
        recommend(judged, objective=P99_10MS)


def recommend_input(run: Run) -> Run:
    """The run, judged, and then with histograms that can't be read."""
    trials = []
    for trial in run.trials:
        judged = judge_trial(trial, run.header.plan)
        blobs = dict.fromkeys(judged.times_hdr, "nonsense")
        slices = tuple(
            replace(one, times_hdr=dict.fromkeys(one.times_hdr, "nonsense"))
            for one in judged.slices
        )
        trials.append(replace(judged, times_hdr=blobs, slices=slices))
    return replace(run, trials=tuple(trials))


def test_nothing_to_go_on_is_said() -> None:
    """Where no round of a sound cell has a rate there is no setting to name."""
    run = synthetic_run(planned_cells(worker_counts=(1,))[:2], rounds=6)
    trials = (judge_trial(trial, run.header.plan) for trial in run.trials)
    bare = tuple(replace(trial, slices=(), requests=0) for trial in trials)
    with pytest.raises(BenchError, match="no setting has usable figures"):
        recommend(replace(run, trials=bare))


@pytest.mark.parametrize(("rounds_lost", "is_told"), [(0, True), (2, False)])
def test_few_rounds_at_other_connections_claim_nothing(rounds_lost: int, is_told: bool) -> None:
    """Where an order would rest on fewer than six rounds nothing is said of that count."""

    def edit(trial: Trial) -> Trial:
        is_lost = trial.cell.endswith("/c256") and trial.round < rounds_lost
        return failed(trial, "exited with 1") if is_lost else trial

    cells = planned_cells((CLOSED_64, ClosedLoop(256)), worker_counts=(1,))
    found = recommend(synthetic_run(cells[:8], rounds=7, edit=edit))
    assert [each.connections for each in found.elsewhere] == ([256] if is_told else [])
    assert bool(found.apart) != is_told
