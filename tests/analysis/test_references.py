import msgspec
import pytest

from asgi_bench.analysis.samples import with_reference
from asgi_bench.analysis.summary import summarize
from asgi_bench.errors import UsageError
from asgi_bench.model import Gate
from asgi_bench.reporting.run.findings import findings
from tests.synthetic_run import synthetic_run

replace = msgspec.structs.replace


def test_another_reference_changes_ratios_alone() -> None:
    """In its own block every ratio is to it; where it wasn't measured there is none."""
    run = synthetic_run()
    plain, other = summarize(run), summarize(with_reference(run, "granian/uvloop"))
    assert other.run.reference == "granian/uvloop/w1"
    for before, after in zip(plain.cells, other.cells, strict=True):
        assert after.throughput_rps == before.throughput_rps
        assert (after.throughput_ratio is None) == (after.workers == 2)
        if after.throughput_ratio is not None:
            assert after.throughput_ratio.reference == "granian/uvloop/w1/hello/c64"
    assert other.comparisons == plain.comparisons
    (note,) = (each for each in findings(other) if each.text.startswith("no ratio: "))
    assert {key.split("/")[2] for key in note.cells} == {"w2"}
    assert not [each for each in findings(plain) if each.text.startswith("no ratio")]


def test_the_original_by_its_full_name_changes_nothing() -> None:
    """Naming what it refers to anyway, or nothing, gives the same report."""
    run = synthetic_run(rounds=3)
    assert summarize(with_reference(run, "uvicorn/default/w1")) == summarize(run)
    assert with_reference(run, None) is run


def test_unknown_reference_lists_what_was_measured() -> None:
    """One line that names the flag, the name and the choice."""
    with pytest.raises(UsageError, match=r"--reference 'caddy' is not measured; .*daphne/default"):
        with_reference(synthetic_run(rounds=1), "caddy")


def test_ab_refers_to_its_baseline() -> None:
    """The sides of an A/B are not compared with anything else."""
    run = synthetic_run(rounds=1)
    header = replace(run.header, plan=replace(run.header.plan, gate=Gate()))
    with pytest.raises(UsageError, match="baseline"):
        with_reference(replace(run, header=header), "granian/uvloop")
