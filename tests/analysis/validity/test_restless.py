"""Who uses the CPU while others have their turn: found by what each one's neighbours use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.restless import idle_cpu_shares
from asgi_bench.model import Cell, Trial
from asgi_bench.model.trial import Slice
from tests.synthetic_run import CLOSED_64, make_trial, metered, planned_cells, synthetic_run


def beside(trial: Trial, share: float) -> Trial:
    """A trial during which all the others together used this share of a CPU."""

    def told(piece: Slice) -> Slice:
        return metered(piece, neighbour_cpu_s=share * piece.duration_s)

    return replace(trial, slices=tuple(map(told, trial.slices)))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_each_one_s_use_is_told_from_that_of_the_others(used: list[float]) -> None:
    """However many of a block don't idle, and however much they use."""
    cells = [Cell(f"s{place}", "default", 1, "hello", CLOSED_64) for place in range(len(used))]
    trials = {
        cell: [beside(make_trial(cell, 0, 0), sum(used) - own)]
        for cell, own in zip(cells, used, strict=True)
    }
    shares = idle_cpu_shares(trials)
    assert [shares[cell.process_key] for cell in cells] == pytest.approx(used, abs=1e-6)


def test_one_alone_is_beside_nobody() -> None:
    """There is nothing to tell it by; nor where some don't know."""
    cells = [Cell(name, "default", 1, "hello", CLOSED_64) for name in ("a", "b")]
    first, second = (make_trial(cell, 0, 0) for cell in cells)
    assert idle_cpu_shares({cells[0]: [beside(first, 0.5)]}) == {}
    assert idle_cpu_shares({cells[0]: [beside(first, 0.5)], cells[1]: [second]}) == {}


def test_the_one_that_never_idles_is_named() -> None:
    """The finding is on it, and what to do; the others' are suspect by what it does to them."""

    def polls(trial: Trial) -> Trial:
        return beside(trial, 0.01 if trial.cell.startswith("granian") else 0.5)

    cells = tuple(one for one in planned_cells(worker_counts=(1,)))
    report = summarize(synthetic_run(cells, rounds=3, edit=polls))
    found = {
        cell.cell: reason
        for cell in report.cells
        for reason in cell.validity_reasons
        if reason.code == "never-idle"
    }
    assert {cell.partition("/")[0] for cell in found} == {"granian"}
    assert "idles = false" in next(iter(found.values())).text
    assert {reason.level for reason in found.values()} == {"valid"}
