"""When an A/B looks at its data, and how much of its error probability it spends there.

Anyone who looks again and again and stops when it suits finds something in noise. So the looks are
planned, as shares of the budget, and the probability of a false alarm is spent over them (Lan &
DeMets, Biometrika 1983): at a share t of the budget alpha * t ** 3 in all (the power family of
Kim & DeMets, 1987), and the rest at the end. Each look has its own part, whatever the others
found, so that their sum bounds the whole (Bonferroni). This needs no assumption on how looks
depend on each other, and costs a few per cent of an interval's width.
"""

from collections.abc import Sequence

import msgspec

from asgi_bench.model import Gate

SPENDING_POWER = 3
# A t interval on fewer blocks is wider than any effect worth finding.
FEWEST_BLOCKS = 6


class Look(msgspec.Struct, frozen=True):
    """A look after this many blocks: the `level` that it spends, and whether it is the last."""

    blocks: int
    level: float
    is_last: bool


def looks_of(
    gate: Gate, ends_s: Sequence[float], most_blocks: int, *, spent_s: float = 0.0
) -> tuple[Look, ...]:
    """The looks that were due after blocks which ended at these times, since the run began.

    `spent_s` of the budget had gone by then.

    They depend only on the blocks up to each look: the same while measuring and from stored trials.
    """
    looks: list[Look] = []
    spent_level = 0.0
    for blocks, end_s in enumerate(ends_s, start=1):
        is_last = blocks >= most_blocks or not _fits_another(gate, ends_s[:blocks], spent_s)
        share = _share(gate, spent_s + end_s, blocks, most_blocks)
        planned = [1.0] if is_last else [one for one in gate.looks if one <= share]
        level = spent_by(gate, max(planned, default=0.0)) - spent_level
        if level > 0 and (is_last or blocks >= FEWEST_BLOCKS):
            looks.append(Look(blocks, level, is_last))
            spent_level += level
    return tuple(looks)


def look_at_end(
    gate: Gate, ends_s: Sequence[float], most_blocks: int, *, spent_s: float = 0.0
) -> Look:
    """The look that the verdict on all blocks rests on.

    If the run was interrupted between its looks, it spends what is due at that time.
    """
    looks = looks_of(gate, ends_s, most_blocks, spent_s=spent_s)
    blocks = len(ends_s)
    if looks and looks[-1].blocks == blocks:
        return looks[-1]
    share = min(1.0, _share(gate, spent_s + max(ends_s, default=0.0), blocks, most_blocks))
    level = spent_by(gate, share) - sum(look.level for look in looks)
    return Look(blocks, max(level, 0.0), is_last=False)


def spent_by(gate: Gate, share: float) -> float:
    """The probability of a false alarm that may be spent up to a share of the budget."""
    return gate.alpha * share**SPENDING_POWER


def _share(gate: Gate, elapsed_s: float, blocks: int, most_blocks: int) -> float:
    """How much of the budget, or of the blocks, is gone."""
    return max(elapsed_s / gate.budget_s, blocks / most_blocks)


def _fits_another(gate: Gate, ends_s: Sequence[float], spent_s: float) -> bool:
    """Whether another block as long as the mean of those so far ends within the budget."""
    return spent_s + ends_s[-1] + ends_s[-1] / len(ends_s) <= gate.budget_s
