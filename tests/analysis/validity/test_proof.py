import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.cell import proof_findings
from asgi_bench.model import PlannedCell, Proof, Run
from asgi_bench.reporting.run.findings import Finding, findings
from tests.synthetic_run import planned_cells, synthetic_run

replace = msgspec.structs.replace
PROVES = {"loop": "uvloop.*"}
SILENT = Proof("granian/uvloop/w1", unproven="the probe app did not respond")


def stating(cell: PlannedCell) -> PlannedCell:
    """The cell of a variant that states its event loop."""
    return replace(cell, proves=PROVES)


def run_with(*proofs: Proof) -> Run:
    """A run whose variants all state their event loop."""
    cells = tuple(stating(cell) for cell in planned_cells(worker_counts=(1,)))
    run = synthetic_run(cells)
    return replace(run, proofs=proofs)


def told(run: Run) -> list[Finding]:
    """What the report says of proofs."""
    return [each for each in findings(summarize(run)) if "not proven" in each.text]


def test_a_probe_without_an_answer_is_a_finding_in_words() -> None:
    """The cell keeps its level and its figures; a note names it, what it states and why."""
    run = run_with(SILENT, Proof("uvicorn/default/w1", loop="uvloop.Loop"))
    (finding,) = told(run)
    assert (finding.level, finding.cells) == ("note", ("granian/uvloop/w1/hello/c64",))
    assert "(loop uvloop.*): the probe app did not respond" in finding.text
    plain = {cell.cell: cell for cell in summarize(replace(run, proofs=())).cells}
    for cell in summarize(run).cells:
        assert (cell.validity, cell.rank) == (plain[cell.cell].validity, plain[cell.cell].rank)


@pytest.mark.parametrize(
    "proof",
    [
        None,
        Proof(SILENT.setting, loop="uvloop.Loop"),
        Proof(SILENT.setting, loop="asyncio.Loop", fault="its loop is another"),
        replace(SILENT, setting="granian/uvloop/w2"),
    ],
)
def test_what_was_told_is_none(proof: Proof | None) -> None:
    """Neither what is proven nor what has failed for it; runs without proofs say nothing."""
    (cell,) = [c for c in planned_cells() if c.cell.setting == SILENT.setting]
    proofs = {} if proof is None else {proof.setting: proof}
    assert proof_findings(stating(cell), proofs) == ()


def test_who_states_nothing_has_nothing_to_prove() -> None:
    """A server of any language, or a variant without a statement, gets no note."""
    (cell,) = [c for c in planned_cells() if c.cell.setting == SILENT.setting]
    assert proof_findings(cell, {SILENT.setting: SILENT}) == ()
    assert proof_findings(stating(cell), {SILENT.setting: SILENT}) != ()
