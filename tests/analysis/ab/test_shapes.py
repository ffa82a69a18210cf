"""How a total differs from the typical slice: the words, and the figures that show it."""

import msgspec

from asgi_bench.analysis.ab.block_effects import BlockEffect
from asgi_bench.analysis.ab.totals import Shape, shape_of
from asgi_bench.model import ROLES, Effect, Role, Trial
from tests import synthetic_ab
from tests.synthetic_sides import SLICES, ab_run

replace = msgspec.structs.replace
EVEN = (1.0,) * SLICES
# Four quick ones, so that neither the first third nor the quickest is the median.
MIXED = (1.0, 1.0, 0.4, 0.4, 0.4, 0.4, 1.0, 1.0, 1.0)


def shape(
    *times: float,
    theirs: tuple[float, ...] = EVEN,
    effect: float = 0.3,
    pairs: tuple[float, ...] = (),
) -> Shape:
    """That of a block whose candidate's slices take so many times as long, and the others' theirs.

    All slices together are slower by `effect`, the typical ones of other blocks by `pairs`.
    """
    trials = ab_run(0.0, blocks=1, noise=0.0).trials
    sides: dict[Role, Trial] = dict(zip(ROLES, trials, strict=True))
    for role in ROLES:
        factors = times if role == "candidate" else theirs
        slices = tuple(
            replace(piece, duration_s=factor * piece.duration_s)
            for piece, factor in zip(sides[role].slices, factors, strict=True)
        )
        sides[role] = replace(sides[role], slices=slices)
    gated = replace(synthetic_ab.metric("pass"), effect=Effect(0.0))
    total = replace(gated, metric="total_throughput_rps", effect=Effect(effect))
    typical = [BlockEffect(n, (pair, pair), 0.0, 1.0, 1.0) for n, pair in enumerate(pairs)]
    return shape_of(total, gated, {0: sides}, typical)


def test_three_slow_slices_are_stalls_and_two_are_not() -> None:
    """Slow is so many times the median; what they add is told as a share of the whole."""
    assert shape(*MIXED, 3.0, 3.0, 3.0) == Shape(
        "it stalls",
        "; 3 of its 12 slices took more than 2 times the median, 38 % of the whole "
        "(of the baseline's 24: 0, 0 %)",
    )
    slow = (*MIXED, 3.0, 3.0, 3.0)
    for same in (shape(*MIXED, 1.0, 4.5, 4.5), shape(*slow, theirs=slow)):
        assert same == Shape("its slices together are slower")


def test_one_slow_start_of_two_is_told() -> None:
    """Up to half of the blocks; where all or none are as slow, it is no matter of starts."""
    assert shape(*EVEN, pairs=(0.5, 0.0)) == Shape(
        "some of its starts are slow", "; in 1 of 2 blocks the typical slice is that much slower"
    )
    for pairs in ((0.5, 0.5), (0.0, 0.0)):
        assert shape(*EVEN, pairs=pairs) == Shape("its slices together are slower")
