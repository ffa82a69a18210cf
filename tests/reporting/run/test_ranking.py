import msgspec
import pytest

from asgi_bench.analysis.report import Comparison, Reached, RunGoal
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Resumption
from asgi_bench.reporting.run.ranking import surety_notes
from asgi_bench.reporting.run.report import Format, render_report
from tests.synthetic_run import planned_cells, synthetic_run


def test_few_rounds_say_that_no_order_is_claimed() -> None:
    """Under 6 rounds the table's order is that of estimates, and is called so."""
    *_, note = surety_notes(summarize(synthetic_run(planned_cells(worker_counts=(1,)))))
    assert "no ranks: they need 6 rounds, and this run has 5" in note


def test_sensitivity_is_stated() -> None:
    """Claims that hang on single rounds are counted and named; else all are said to hold."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,)), rounds=8))
    *_, sensitivity = surety_notes(report)
    assert "all survive" in sensitivity
    first, *others = report.comparisons
    fallen = msgspec.structs.replace(first, holds_trimmed=False)
    *_, sensitivity = surety_notes(msgspec.structs.replace(report, comparisons=(fallen, *others)))
    assert " 1 rests on a few rounds" in sensitivity
    assert f"{first.a} to {first.b}" in sensitivity


@pytest.mark.parametrize(("left_out", "is_said"), [(0.36, True), (0.004, False), (None, False)])
def test_slices_that_ratios_leave_out_are_stated(left_out: float | None, is_said: bool) -> None:
    """A share worth knowing is named with its cause."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,))))
    reached = Reached(5, 60.0, 0.02, 0.03, 0.2, left_out)
    facts = msgspec.structs.replace(report.run, reached=reached)
    text = " ".join(surety_notes(msgspec.structs.replace(report, run=facts)))
    sentence = "Ratios leave out 36% of the slices, in which something else used the CPU of the"
    assert (sentence in text) == is_said


def test_single_cells_claim_nothing() -> None:
    """Where there is nothing to compare there is nothing to say."""
    assert list(surety_notes(summarize(synthetic_run(planned_cells()[:1], rounds=8)))) == []


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_ranges_and_notes_are_shown(format: Format) -> None:
    """A tie is shown as a range of places, with what that means under the table."""
    shown = render_report(summarize(synthetic_run(rounds=9)), format)
    assert "1–2" in shown  # noqa: RUF001 (the dash of a range)
    assert "statistically tied" in shown


@pytest.mark.parametrize(
    ("goal", "parts", "told"),
    [
        (RunGoal(precision=0.02), 0, "Goal: ±2.0%. Reached: 5 rounds in "),
        (RunGoal(budget_s=300.0), 0, "Goal: at most 5 min 0 s. Reached: "),
        (RunGoal(budget_s=300.0), 1, "Goal: at most 5 min 0 s for the last part. Reached: "),
        (RunGoal(budget_s=300.0, precision=0.02), 0, "Goal: ±2.0% in at most 5 min 0 s. Reached: "),
    ],
)
def test_a_goal_is_told_with_what_was_reached(goal: RunGoal, parts: int, told: str) -> None:
    """Precision, budget or both stand beside rounds and time; precision widens intervals."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,))))
    resumed = (Resumption("2026-11-23T08:30:00Z", 2),) * parts
    facts = msgspec.structs.replace(report.run, goal=goal, resumed=resumed)
    text = " ".join(surety_notes(msgspec.structs.replace(report, run=facts)))
    assert told in text
    assert ("Intervals are wider" in text) == (goal.precision is not None)
    unreached = msgspec.structs.replace(facts, reached=None)
    assert "Goal" not in " ".join(surety_notes(msgspec.structs.replace(report, run=unreached)))


@pytest.mark.parametrize(
    ("scatter", "word"), [(0.05, "was calm"), (0.15, "was somewhat noisy"), (0.25, "was noisy")]
)
def test_the_machine_is_judged_by_its_slices(scatter: float, word: str) -> None:
    """How much slices of one server vary has a word beside the figure."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,))))
    facts = msgspec.structs.replace(report.run, reached=Reached(5, 60.0, 0.02, 0.03, scatter))
    assert f"the machine {word}." in " ".join(
        surety_notes(msgspec.structs.replace(report, run=facts))
    )


def test_without_a_claim_nothing_has_to_hold() -> None:
    """Where no two settings can be told apart that is said, and no trimming."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,)), rounds=8))

    def tied(pairs: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
        return tuple(msgspec.structs.replace(one, distinguishable=False) for one in pairs)

    bare = msgspec.structs.replace(
        report,
        comparisons=tied(report.comparisons),
        latency_comparisons=tied(report.latency_comparisons),
    )
    assert list(surety_notes(bare))[-1] == "No two settings can be told apart."
