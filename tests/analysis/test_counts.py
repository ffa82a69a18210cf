"""Counts per request by regression."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.counts import counted_cell, counts_report, figures_of, slope
from asgi_bench.model.counts import Life, Tally
from tests.synthetic_counts import counted_run

CELL = "uvicorn/default/w1/hello/c1"
COUNTS = st.integers(0, 10**9)


def life(requests: int, total: int, layout: int = 0, **parts: int) -> Life:
    """A life that counted so much, its functions as told."""
    return Life(
        cell=CELL,
        counter="instructions",
        backend="valgrind",
        layout=layout,
        requests=requests,
        serving_s=1.0,
        tally=Tally(total, {"function": parts}, 1),
    )


@given(
    per_request=st.integers(0, 10**7),
    offsets=st.lists(COUNTS, min_size=3, max_size=6),
    requests=st.lists(st.integers(1, 10**4), min_size=2, max_size=5, unique=True),
)
def test_what_a_start_takes_falls_out(
    per_request: int, offsets: list[int], requests: list[int]
) -> None:
    """However much start, timers and stop take in a layout, a request takes what it takes."""
    lives = [
        life(count, offset + per_request * count, layout)
        for layout, offset in enumerate(offsets)
        for count in requests
    ]
    found = figures_of(lives)
    assert found is not None
    assert found.per_request.value == pytest.approx(per_request, abs=0.01, rel=1e-6)
    assert found.per_request.lower is not None
    assert len(found.by_layout) == len(offsets)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=2), COUNTS)
def test_a_shift_changes_no_slope(points: list[tuple[int, int]], shift: int) -> None:
    """Points moved together have the slope that they had; at one place there is none."""
    before = slope(points)
    after = slope([(place, value + shift) for place, value in points])
    assert (before is None) == (len({place for place, _ in points}) == 1)
    if before is not None:
        assert after == pytest.approx(before, rel=1e-6, abs=1e-3)


def test_parts_add_up() -> None:
    """Each part has its own slope, one that a life lacks is 0 there; all make the whole."""
    lives = [life(400, 1000, a=1000), life(1400, 31_000, a=21_000, b=10_000)]
    found = figures_of(lives)
    assert found is not None
    assert found.parts == {"function": {"a": 20.0, "b": 10.0}}
    assert found.per_request.value == 30.0
    # Two lives of one layout tell nothing of how far layouts scatter.
    assert found.per_request.lower is None


def test_a_life_that_failed_fails_its_cell() -> None:
    """A cell with a failed life is failed, with the reason."""
    broken = Life(CELL, "instructions", "valgrind", 1, 400, 0.0, reason="was ended by SIGILL")
    cell = counted_cell(CELL, [life(400, 1000), life(1400, 2000), broken])
    assert (cell.outcome, cell.reason) == ("failed", "was ended by SIGILL")
    assert counted_cell(CELL, []).outcome == "failed"


def test_no_two_lives_of_a_layout_give_no_figure() -> None:
    """One number of requests has no slope, and a counter that explains may lack where it does."""
    assert figures_of([life(400, 1000)]) is None
    assert counted_cell(CELL, [life(400, 1000)]).outcome == "failed"
    alone = msgspec.structs.replace(life(400, 1000), counter="python_calls")
    assert counted_cell(CELL, [life(400, 1000), life(1400, 2000), alone]).outcome == "ok"


def test_a_report_has_every_cell_but_the_control() -> None:
    """What was skipped has its reason; the control of an A/B isn't counted, and is no cell."""
    run = counted_run(is_ab=True)
    plan = run.header.plan
    first, *others = plan.cells
    skipped = msgspec.structs.replace(first, skip_reason="not installed")
    plan = msgspec.structs.replace(plan, cells=(skipped, *others))
    report = counts_report(msgspec.structs.replace(run.header, plan=plan), run.lives)
    assert [(cell.outcome, cell.reason) for cell in report.cells] == [
        ("skipped", "not installed"),
        ("ok", None),
    ]
    assert not any("@control" in cell.cell for cell in report.cells)


def test_a_cell_tells_its_counts_by_name() -> None:
    """Instructions with their objects, calls with their names; what wasn't counted is null."""
    lives = [
        msgspec.structs.replace(one, tally=Tally(total, {"object": {"libc.so.6": part}}, 1))
        for one, total, part in ((life(400, 0), 1000, 900), (life(0, 0), 0, 0))
    ]
    counts = counted_cell(CELL, lives).counts
    assert counts is not None
    assert counts.instructions is not None
    assert counts.instructions.value == 2.5
    assert counts.by_object == {"libc.so.6": 2.25}
    assert (counts.syscalls, counts.syscalls_by_name) == (None, {})
    assert counts.backend == "valgrind"
    assert counted_cell(CELL, []).counts is None
