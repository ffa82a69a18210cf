from pathlib import Path

import msgspec
import pyperf as reader
import pytest

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.errors import BenchError
from asgi_bench.model import Reason, Role, Run, Trial
from asgi_bench.reporting.exports.pyperf import pyperf
from tests.reporting.exports.conftest import ROUNDS
from tests.synthetic_run import planned_cells, synthetic_run
from tests.synthetic_sides import ab_run


def test_pyperf_loads_a_benchmark_for_each_measure(
    subject: Survey, exported_run: Run, tmp_path: Path
) -> None:
    """pyperf's own loader finds one value a round, in seconds, less being better."""
    (document,) = pyperf(subject)
    path = tmp_path / document.name
    path.write_text(document.text)
    suite = reader.BenchmarkSuite.load(str(path))
    key = "uvicorn/default/w1/hello/c64"
    answer = suite.get_benchmark(f"{key}: time per response")
    trials = [trial for trial in exported_run.trials if trial.cell == key]
    assert answer.get_values() == pytest.approx([1 / (t.throughput_rps or 0) for t in trials])
    assert answer.get_unit() == "second"
    assert answer.get_nrun() == ROUNDS
    names = suite.get_benchmark_names()
    assert "uvicorn/default/w1/hello/r500: response time p50" in names
    assert not any(name.startswith(("granian", "daphne", "gunicorn")) for name in names)
    assert answer.get_dates() is not None
    # Writing it again checks that no run's metadata is at odds with another's.
    suite.dump(str(tmp_path / "again.json"))


def test_the_sides_of_an_ab_have_the_same_rounds(tmp_path: Path) -> None:
    """pyperf tells nothing of unequal counts: a round that one side lost is left out of all."""

    def edit(trial: Trial, role: Role) -> Trial:
        is_lost = role == "candidate" and trial.round == 3
        found = (Reason("errors", "invalid", 1.0, 0.0, "wrong"),) if is_lost else ()
        return msgspec.structs.replace(
            trial,
            started_at="2026-11-24T07:00:00Z",
            validity="invalid" if is_lost else "valid",
            validity_reasons=found,
        )

    (document,) = pyperf(survey(ab_run(0.05, blocks=8, edit=edit)))
    path = tmp_path / document.name
    path.write_text(document.text)
    suite = reader.BenchmarkSuite.load(str(path))
    assert len(suite) == 3 * 2
    assert {benchmark.get_nrun() for benchmark in suite} == {7}


def test_nothing_usable_is_an_error() -> None:
    """pyperf takes no empty suite, so none is written."""
    with pytest.raises(BenchError, match="no cell has usable figures"):
        pyperf(survey(synthetic_run(planned_cells()[:1], rounds=0)))
