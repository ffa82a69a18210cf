import msgspec
import pytest

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import Rank, Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import ClosedLoop, OpenLoop, RateSweep, Trial
from asgi_bench.reporting.document import Headline
from asgi_bench.reporting.run.headline import caution, headlines
from asgi_bench.reporting.run.source import Source
from tests.synthetic_levels import turning_run
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    synthetic_run,
    troubled_run,
    with_errors,
)

ONE_WORKER = planned_cells(worker_counts=(1,))
replace = msgspec.structs.replace


def verdicts(report: Report) -> tuple[Headline, ...]:
    """What was found, of a report alone."""
    return headlines(Source(report))


def servers(*names: str) -> tuple:  # type: ignore[type-arg]
    """The planned `default` cells of these servers."""
    return tuple(
        planned
        for planned in ONE_WORKER
        if planned.cell.server in names and planned.cell.variant == "default"
    )


def test_the_fastest_is_named_with_its_lead() -> None:
    """Who is proven to be ahead of all others is the fastest, and the next one's share is given."""
    first, *_ = verdicts(summarize(synthetic_run(servers("granian", "uvicorn"), rounds=8)))
    assert first.sentence == "granian is the fastest"
    assert first.where == "hello, closed loop, 64 connections, 1 worker"
    assert "of uvicorn/default/w1. Next is uvicorn with 0.5" in first.proof
    assert "95% interval 0.5" in first.proof


def test_a_tie_is_said_as_a_tie() -> None:
    """Servers that can't be told apart share the first place."""
    cells = tuple(
        planned
        for planned in ONE_WORKER
        if (planned.cell.server, planned.cell.variant)
        in {("granian", "default"), ("granian", "uvloop"), ("uvicorn", "default")}
    )
    first, *_ = verdicts(summarize(synthetic_run(cells, rounds=8)))
    assert set(first.sentence.removesuffix(" are tied for first place").split(" and ")) == {
        "granian",
        "granian uvloop",
    }
    assert "can't be told apart" in first.proof


def test_too_few_rounds_prove_nothing() -> None:
    """Below six rounds no order is claimed, whatever the difference."""
    first, *_ = verdicts(summarize(synthetic_run(servers("granian", "hypercorn"), rounds=3)))
    assert first.sentence == "granian came first, but this is not proven"
    assert "An order needs 6 rounds, and this run has 3 rounds" in first.proof


def test_who_lacks_rounds_is_not_called_slower() -> None:
    """A server with an invalid round is left out of the claim, and said so."""

    def spoil(trial: Trial) -> Trial:
        spoilt = trial.cell.startswith("daphne") and trial.round == 0
        return with_errors(trial, 0.05) if spoilt else trial

    cells = servers("granian", "uvicorn", "daphne")
    first, *_ = verdicts(summarize(synthetic_run(cells, rounds=6, edit=spoil)))
    assert first.sentence == "granian came first"
    assert "No claim is made about daphne: fewer than 6 usable rounds" in first.proof


def test_throughput_comes_before_the_other_loads() -> None:
    """The first verdict is of a closed loop; open ones say who answers soonest, sweeps who held."""
    report = summarize(synthetic_run(planned_cells((*OPEN_AND_SWEEP, CLOSED_64), (1,)), rounds=6))
    first, *others = verdicts(report)
    assert "closed loop" in first.where
    shares = [each for each in others if "50%" in each.where]
    assert shares
    assert any("p99 ≤ 20 ms at the highest rate" in each.sentence for each in others)
    overloaded = [cell for cell in report.cells if isinstance(cell.load, OpenLoop)]
    assert len(others) == len({cell.load.key for cell in overloaded}) + 1


def test_a_single_server_is_no_winner() -> None:
    """Where there is nothing to compare nobody is the fastest."""
    first, *_ = verdicts(summarize(synthetic_run(servers("uvicorn"), rounds=6)))
    assert first.sentence == "uvicorn stands alone: there is nothing to compare it with"


@pytest.mark.parametrize("rounds", [0, 6])
def test_trust_is_that_of_the_worst(rounds: int) -> None:
    """How many cells are valid is said first, and what became of each of the others."""
    if rounds:
        assert caution(summarize(synthetic_run(ONE_WORKER, rounds=rounds))).tone == "good"
        found = caution(summarize(troubled_run(rounds)))
        assert found.tone == "bad"
        for words in ("1 failed", "invalid", "suspect", "2 skipped"):
            assert words in found.word
    else:
        assert caution(summarize(synthetic_run((), rounds=1))).tone == "bad"


def test_a_first_place_that_turns_over_is_said_first() -> None:
    """Who is first at which connections heads the page, with the ratio of the two at each."""
    first, second, *_ = verdicts(summarize(turning_run()))
    assert first.sentence.startswith("First at 64 connections: ")
    assert first.sentence.endswith("; at 256: granian")
    assert (
        first.where == "hello, closed loop, 1 worker, 6 settings measured at 64 and 256 connections"
    )
    assert first.proof.startswith("granian to uvicorn: 0.8")
    assert " at 64, 1.7" in first.proof and first.proof.endswith(" at 256 connections.")
    assert second.where == "hello, closed loop, 64 connections, 1 worker"


def test_it_may_turn_over_with_streams_too() -> None:
    """Over HTTP/2 each connection may carry several requests; the counts are of connections."""
    run = turning_run()
    plan = run.header.plan
    cells = [
        replace(one, cell=replace(one.cell, load=ClosedLoop(one.cell.load.connections, 8)))
        for one in plan.cells
    ]
    keys = {old.cell.key: new.cell.key for old, new in zip(plan.cells, cells, strict=True)}
    trials = [replace(trial, cell=keys[trial.cell]) for trial in run.trials]
    header = replace(run.header, plan=replace(plan, cells=tuple(cells)))
    first, *_ = verdicts(summarize(replace(run, header=header, trials=tuple(trials))))
    assert first.sentence.endswith("; at 256: granian")


def test_nothing_turns_over_without_proof() -> None:
    """With too few rounds for an order the headline is that of the first load, as ever."""
    first, *_ = verdicts(summarize(turning_run(rounds=5)))
    assert first.sentence.endswith("came first, but this is not proven")


def test_a_tie_of_all_has_no_follower() -> None:
    """Where all share the first place nobody is next; of two without a ratio none is told."""
    report = summarize(synthetic_run(servers("granian", "gunicorn-uvicorn"), rounds=8))
    cells = tuple(replace(cell, rank=Rank(1, 2)) for cell in report.cells)
    pairs = tuple(replace(one, distinguishable=False) for one in report.comparisons)
    first, *_ = verdicts(replace(report, cells=cells, comparisons=pairs))
    assert "tied for first place" in first.sentence
    assert "Next is" not in first.proof and "95% interval" in first.proof
    unknown = tuple(replace(one, a=one.b, b=one.a, ratio=Interval(None)) for one in pairs)
    first, *_ = verdicts(replace(report, cells=cells, comparisons=unknown))
    assert "95% interval" not in first.proof


def test_a_sweep_without_an_objective_is_won_by_what_it_answers() -> None:
    """Where nothing had to be met, who answers most when offered too much is first."""
    cells = tuple(
        replace(one, cell=replace(one.cell, load=RateSweep((0.5, 1.2))))
        for one in servers("granian", "uvicorn")
    )
    (first,) = verdicts(summarize(synthetic_run(cells, rounds=6)))
    assert first.sentence == (
        "granian had the highest throughput when offered more than it could handle"
    )
