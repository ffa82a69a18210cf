"""What stands below the tables."""

import pytest

from asgi_bench.model import ClosedLoop, Load, Objective, OpenLoop, RateSweep
from asgi_bench.reporting.columns import column_notes, columns_of

OBJECTIVE = Objective(quantile=0.99, limit_s=0.02)


@pytest.mark.parametrize(
    ("load", "reference", "is_told", "words"),
    [
        (ClosedLoop(64), "uvicorn/default/w1", True, "Ratio: to uvicorn/default/w1 in the same"),
        (ClosedLoop(64), None, False, "Ratio: to"),
        (RateSweep((0.5, 1.1), OBJECTIVE), None, True, "Highest: the highest rate that met p99"),
        (RateSweep((0.5, 1.1)), None, False, "Highest:"),
        (OpenLoop(500), None, True, "Kept: share of the due requests"),
        (ClosedLoop(64), None, False, "Kept: share"),
    ],
)
def test_notes_are_of_the_columns_that_are_there(
    load: Load, reference: str | None, is_told: bool, words: str
) -> None:
    """Ratio, highest rate and share kept are explained where a table has them."""
    assert (words in " ".join(column_notes([load], reference))) == is_told


def test_only_an_objective_has_a_highest_rate() -> None:
    """A sweep that searched for nothing has a column less."""
    with_it, without = (
        [column.title for column in columns_of(RateSweep((0.5, 1.1), objective))]
        for objective in (OBJECTIVE, None)
    )
    assert len(with_it) == len(without) + 1 and set(without) <= set(with_it)
