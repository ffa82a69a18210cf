"""The verdict on an A/B by counts."""

import random

import msgspec
import pytest

from asgi_bench.analysis.ab.counts import agreement_words, counts_verdict
from asgi_bench.model import AbReport, Gate, Verdict
from asgi_bench.model.counts import Backend, Counter, Life, Tally
from asgi_bench.reporting.ab import notes
from tests.synthetic_sides import ab_run

GATE = Gate(min_change=0.005, looks=(1.0,), budget_s=60)
CALLS = 3
SIDES = ("baseline", "candidate")


def lives(
    effect: float, more_calls: float = 0.0, *, layouts: int = 4, scatter: float = 0.0005
) -> list[Life]:
    """Both sides in some layouts; the candidate takes so much more for a request.

    What a start takes differs from life to life; a layout moves both sides alike.
    """
    chance = random.Random(3)
    found = []
    for layout in range(layouts):
        moved = chance.gauss(0, 0.003)
        for side, more in zip(SIDES, (0.0, effect), strict=True):
            each = 113_500 * (1 + more) * (1 + moved) * (1 + chance.gauss(0, scatter))
            start = chance.randrange(5 * 10**8)
            calls = CALLS + (more_calls if side == "candidate" else 0)
            for requests in (400, 2400):
                count = start + round(each * requests)
                found.append(_life(side, "instructions", "valgrind", layout, requests, count))
                count = 5000 + round(calls * requests)
                found.append(_life(side, "syscalls", "strace", layout, requests, count))
    return found


def _life(
    side: str, counter: Counter, backend: Backend, layout: int, requests: int, total: int
) -> Life:
    return Life(
        cell=f"uvicorn/default@{side}/w1/hello/c64",
        counter=counter,
        backend=backend,
        layout=layout,
        requests=requests,
        serving_s=3.0,
        ended_s=10.0 * (layout + 1),
        tally=Tally(total, {}, 1),
    )


def exactly(
    counter: Counter, baseline: tuple[float, ...], candidate: tuple[float, ...]
) -> list[Life]:
    """Both sides' lives, of which each layout takes exactly so much for a request."""
    backend: Backend = "valgrind" if counter == "instructions" else "strace"
    return [
        _life(side, counter, backend, layout, requests, 5000 + round(each * requests))
        for side, figures in zip(SIDES, (baseline, candidate), strict=True)
        for layout, each in enumerate(figures)
        for requests in (400, 2400)
    ]


def verdict_on(counted: list[Life], gate: Gate = GATE) -> AbReport:
    """The verdict of the gate."""
    return counts_verdict(ab_run(0.0, blocks=0, gate=gate).header, counted)


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(0.0, "pass"), (0.008, "regression"), (0.002, "pass"), (-0.02, "improvement")],
)
def test_a_change_of_instructions_is_told(effect: float, verdict: Verdict) -> None:
    """A change above half a per cent is called, though layouts move both sides by as much."""
    report = verdict_on(lives(effect))
    assert report.verdict == verdict, report.text
    instructions = report.cells[0].metrics[0]
    assert instructions.effect.d == pytest.approx(effect, abs=0.001)
    assert (report.blocks, report.duration_s) == (4, 40.0)
    assert "; 4 layouts in 40 s, enough to detect more instructions by" in report.text


def test_one_more_system_call_is_a_regression() -> None:
    """A call more per request is called, whatever the instructions say."""
    report = verdict_on(lives(0.0, more_calls=1))
    assert report.text.startswith(
        "regression: uvicorn/default/w1/hello/c64: 1.00 calls more system calls"
    )
    assert report.cells[0].metrics[1].candidate == pytest.approx(CALLS + 1)


def test_what_system_calls_matter_is_a_matter_of_its_own() -> None:
    """With --min-syscalls 1.5 one call more passes, and the notes say what would not have."""
    report = verdict_on(lives(0.0, 1.0), msgspec.structs.replace(GATE, min_syscalls=1.5))
    assert report.verdict == "pass", report.text
    assert ", or 1.5 or more system calls." in " ".join(notes(report))


def test_a_side_is_told_as_the_mean_of_its_layouts() -> None:
    """The geometric one of instructions, which are compared by ratio; else the arithmetic one."""
    report = verdict_on(
        [
            *exactly("instructions", (100, 400), (200, 800)),
            *exactly("syscalls", (1, 3), (2, 4)),
        ]
    )
    instructions, syscalls = report.cells[0].metrics
    assert (instructions.baseline, instructions.candidate) == pytest.approx((200, 400))
    assert (syscalls.baseline, syscalls.candidate) == pytest.approx((2, 3))


def test_a_layout_without_instructions_is_left_out_and_one_without_calls_counts() -> None:
    """A ratio to nothing is none; no system call at all is a figure."""
    report = verdict_on(
        [
            *exactly("instructions", (100, 100, 100), (0, 100, 100)),
            *exactly("syscalls", (1, 1, 1), (0, 0, 0)),
        ]
    )
    instructions, syscalls = report.cells[0].metrics
    assert (instructions.blocks, instructions.effect.d) == (2, 0.0)
    assert (syscalls.blocks, syscalls.candidate) == (3, 0.0)
    assert syscalls.effect.d == pytest.approx(-1)


def test_intervals_pay_for_both_counts() -> None:
    """Where nothing differs, each has half of alpha; any change matters if that was asked for."""
    report = verdict_on(lives(0.0), msgspec.structs.replace(GATE, min_change=0.0))
    instructions, syscalls = report.cells[0].metrics
    assert instructions.confidence == pytest.approx(1 - GATE.alpha / 2)
    assert syscalls.confidence == pytest.approx(1 - GATE.alpha / 2)
    assert instructions.min_change == 0.0


def test_each_count_has_its_own_smallest_change() -> None:
    """A share of instructions, and of the baseline's calls: in the verdict, and in what is said."""
    own = {"instructions_per_request": 0.02, "syscalls_per_request": 0.5}
    gate = msgspec.structs.replace(GATE, min_changes=own)
    report = verdict_on(lives(0.01, 1.0), gate)
    instructions, syscalls = report.cells[0].metrics
    assert instructions.min_change == 0.02
    assert syscalls.min_change == pytest.approx(0.5 * CALLS)
    assert report.verdict == "pass"
    assert verdict_on(lives(0.01, 1.0)).verdict == "regression"
    assert "2% or more instructions, or 1.5 or more system calls" in notes(report)[0]
    other = msgspec.structs.replace(syscalls, min_change=4.0)
    cells = (report.cells[0], msgspec.structs.replace(report.cells[0], metrics=(other,)))
    both = msgspec.structs.replace(report, cells=cells)
    assert ", or 1.5 to 4 (by cell) or more system calls" in notes(both)[0]


def test_few_layouts_decide_nothing() -> None:
    """One layout has no interval: nothing is decided, whatever its effect."""
    assert verdict_on(lives(0.05, layouts=1)).verdict == "undecided"
    assert verdict_on([]).verdict == "undecided"


def test_a_side_that_fails_fails_the_verdict() -> None:
    """A life that was not counted fails its cell, and the reason names the side."""
    *sound, last = lives(0.0)
    broken = msgspec.structs.replace(last, tally=None, reason="was ended by SIGSEGV")
    report = verdict_on([*sound, broken])
    assert report.verdict == "failed"
    assert "candidate: was ended by SIGSEGV" in report.text
    (reason,) = report.cells[0].reasons
    assert (reason.code, reason.level) == ("side-failed", "invalid")


def test_disagreeing_verdicts_are_explained() -> None:
    """Where counts and times disagree, what each sees alone is named."""
    assert "what counts don't see" in agreement_words("pass", "regression")
    assert "too little to show in time" in agreement_words("regression", "pass")
    assert agreement_words("pass", "pass") == "Counts and times agree: pass."
