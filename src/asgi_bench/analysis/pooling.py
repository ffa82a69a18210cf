"""Figures of several trials put together: histograms merged, errors summed."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import msgspec

from asgi_bench.analysis.cell_report import ErrorTotals
from asgi_bench.analysis.percentiles import Histogram, merge_histograms
from asgi_bench.errors import BenchError
from asgi_bench.model import ErrorCounts


def merged(cell: str, what: str, blobs: Iterable[str | None]) -> Histogram | None:
    """Stored histograms of a cell merged into one; None without samples.

    Raises BenchError for text that is no histogram, naming the cell and what it was.
    """
    try:
        return merge_histograms(blobs)
    except BenchError as error:
        raise BenchError(f"{cell}: {what} is {error}") from None


def error_totals(counts: Iterable[ErrorCounts]) -> ErrorTotals:
    """Errors by kind, summed over trials."""
    total = reduce(add, counts, ErrorCounts())
    return ErrorTotals(total=total.total, **msgspec.structs.asdict(total))
