import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.ab.block_effects import (
    block_effects,
    effect_of_slices,
    trimmed_means,
    usable_blocks,
)
from asgi_bench.model import Cell, Gate, OpenLoop, Role, Trial
from asgi_bench.model.metrics import CPU, MEMORY, P50, THROUGHPUT, gated_under
from tests.synthetic_sides import CELL, ab_run

LOGS = st.lists(st.floats(-3, 3), min_size=1, max_size=30)


@given(LOGS)
def test_a_trimmed_mean_is_antisymmetric_and_within_its_values(values: list[float]) -> None:
    """Turned round it has the other sign; it lies between the least and the greatest value."""
    mean, turned_round = trimmed_means(np.array([values, [-value for value in values]]))
    assert turned_round == pytest.approx(-mean, abs=1e-12)
    assert min(values) - 1e-12 <= mean <= max(values) + 1e-12


@given(LOGS, LOGS, LOGS)
def test_swapped_sides_swap_the_signs(a: list[float], b: list[float], c: list[float]) -> None:
    """Baseline and candidate exchanged give the opposite effect: nothing favours a side."""
    logs = [np.array(side) for side in (a, b, c)]
    there = effect_of_slices(0, logs, CPU)
    back = effect_of_slices(0, [logs[2], logs[1], logs[0]], CPU)
    assert there is not None and back is not None
    assert there.pairs[0] == pytest.approx(-back.pairs[0], abs=1e-12)


def test_a_slowdown_is_positive_in_every_metric() -> None:
    """Fewer requests a second and more CPU a request are both worse, and of the same size."""
    blocks, _ = usable_blocks(ab_run(0.05, noise=0.0005).trials, CELL)
    for metric in (THROUGHPUT, CPU):
        effects = [effect for block in block_effects(blocks, metric) for effect in block.pairs]
        assert np.mean(effects) == pytest.approx(np.log(1.05), abs=0.002)


def test_slices_with_stalls_leave_the_effect_alone() -> None:
    """A stall in one of six slices of a side moves the effect by less than a tenth of it."""

    def stall(trial: Trial, role: Role) -> Trial:
        if role != "candidate":
            return trial
        slices = [
            msgspec.structs.replace(piece, duration_s=3 * piece.duration_s)
            if not number % 6
            else piece
            for number, piece in enumerate(trial.slices)
        ]
        return msgspec.structs.replace(trial, slices=tuple(slices))

    blocks, _ = usable_blocks(ab_run(0.0, edit=stall).trials, CELL)
    effects = [effect for block in block_effects(blocks, THROUGHPUT) for effect in block.pairs]
    assert abs(np.mean(effects)) < 0.01


def test_lost_slices_break_their_triple_alone() -> None:
    """A slice without answers is left out with its neighbours; the rest still counts."""
    logs = [np.zeros(5), np.zeros(5), np.array([0.1, np.nan, 0.1, 0.1, 0.1])]
    effect = effect_of_slices(0, logs, CPU)
    assert effect is not None
    assert effect.pairs == pytest.approx((0.1, 0.1))
    assert effect_of_slices(0, [*logs[:2], np.full(5, np.nan)], THROUGHPUT) is None


def test_a_block_that_lost_a_side_is_left_out_whole() -> None:
    """What failed or is invalid on one side takes the others of its block along."""

    def spoil(trial: Trial, role: Role) -> Trial:
        if (trial.round, role) == (3, "candidate"):
            return msgspec.structs.replace(trial, outcome="failed", slices=())
        if (trial.round, role) == (5, "control"):
            return msgspec.structs.replace(trial, validity="invalid")
        return trial

    blocks, left_out = usable_blocks(ab_run(0.0, blocks=8, edit=spoil).trials, CELL)
    assert sorted(blocks) == [0, 1, 2, 4, 6, 7]
    assert left_out == 2


def test_an_open_loop_is_gated_on_its_median() -> None:
    """At a fixed rate throughput tells nothing: the median response time does."""
    cell = Cell("uvicorn", "default", 1, "hello", OpenLoop(500))
    assert gated_under(cell.load, Gate()) == (P50, CPU, MEMORY)
