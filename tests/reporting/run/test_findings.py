from random import Random

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Trial
from asgi_bench.reporting.run.findings import LEVELS, findings
from tests.synthetic_run import planned_cells, synthetic_run, troubled_run


def test_every_absence_and_every_reason_is_told() -> None:
    """Each failed, skipped, invalid and suspect cell has a finding, the worst first."""
    report = summarize(troubled_run())
    found = findings(report)
    for cell in report.cells:
        if cell.outcome != "ok":
            assert any(cell.cell in f.cells and f.level == cell.outcome for f in found)
        elif cell.validity != "valid":
            assert any(cell.cell in f.cells and f.level == cell.validity for f in found)
    ranks = [LEVELS.index(finding.level) for finding in found]
    assert ranks == sorted(ranks)


def test_same_finding_on_many_cells_is_one_line() -> None:
    """Too few rounds in all cells are told once, with how many cells it concerns."""
    found = findings(summarize(synthetic_run(planned_cells(worker_counts=(1,)), rounds=2)))
    (few,) = (finding for finding in found if "no interval" in finding.text)
    assert few.level == "note"
    assert len(few.cells) == 11
    assert few.subject.startswith("11 cells, from ")


@pytest.mark.parametrize(("cells", "lines"), [(3, 3), (4, 1)])
def test_many_findings_of_one_kind_are_told_by_one(cells: int, lines: int) -> None:
    """Up to three different ones are each told; of more, one stands for all that it names."""

    def wait(trial: Trial) -> Trial:
        waits_s = 0.3 + 0.1 * names.index(trial.cell)
        pieces = tuple(msgspec.structs.replace(p, load_wait_s=waits_s) for p in trial.slices)
        return msgspec.structs.replace(trial, slices=pieces)

    planned = planned_cells(worker_counts=(1,))[:cells]
    names = [each.cell.key for each in planned]
    found = findings(summarize(synthetic_run(planned, rounds=3, edit=wait)))
    waited = [finding for finding in found if "waited for a CPU" in finding.text]
    assert len(waited) == lines
    assert [cell for finding in waited for cell in finding.cells] == names
    assert waited[0].text.startswith("for example ") == (lines == 1)


def test_notes_of_one_kind_are_one_line_with_an_example() -> None:
    """Servers that no one kept busy are told in one line, not each with its own percentage."""

    def idle(trial: Trial) -> Trial:
        return msgspec.structs.replace(trial, server_cpu_s=0.5 + 0.1 * random.random())

    random = Random(1)
    run = synthetic_run(planned_cells(worker_counts=(1,)), rounds=3, edit=idle)
    (note,) = findings(summarize(run))
    assert (note.level, len(note.cells)) == ("note", 11)
    assert note.text.startswith("for example in all 3 rounds, at worst: neither side was busy")


def test_sound_run_has_no_findings() -> None:
    """Where nothing is to be said, nothing is said."""
    run = synthetic_run(planned_cells(worker_counts=(1,)), rounds=3)
    assert findings(summarize(run)) == ()


def test_missing_ratios_are_explained() -> None:
    """Without any ratio the reader learns why."""
    run = synthetic_run(planned_cells(worker_counts=(1,)), rounds=3)
    for reference, word in ((None, "no reference"), ("nginx/default/w1", "nginx/default/w1")):
        plan = msgspec.structs.replace(run.header.plan, reference=reference)
        header = msgspec.structs.replace(run.header, plan=plan)
        found = findings(summarize(msgspec.structs.replace(run, header=header)))
        assert any(word in finding.text for finding in found)
