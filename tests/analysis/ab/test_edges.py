"""Edges of the rule of the A/B, and of what its words go by."""

import msgspec
import pytest

from asgi_bench.analysis.ab.counts import agreement_words, counts_verdict
from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.analysis.ab.rule import Estimate
from asgi_bench.analysis.ab.wording import telling, verdict_line
from asgi_bench.errors import BenchError
from asgi_bench.model import Effect, MetricVerdict
from tests import synthetic_ab
from tests.synthetic_sides import ab_run

replace = msgspec.structs.replace


@pytest.mark.parametrize("verdict", ["pass", "improvement", "undecided"])
def test_a_regression_by_one_alone_is_explained(verdict: str) -> None:
    """Whatever the other says but the same: what it can't see."""
    by_time = agreement_words(verdict, "regression")  # type: ignore[arg-type]
    assert by_time.startswith(f"Counts say {verdict}; times say regression. Requests do no more")
    by_counts = agreement_words("regression", verdict)  # type: ignore[arg-type]
    assert by_counts.startswith(f"Counts say regression; times say {verdict}. Each request does")
    assert agreement_words("failed", "regression").endswith("The worse verdict stands.")


def test_without_scatter_an_effect_is_sure_or_none() -> None:
    """Blocks that are all alike leave no doubt; too few leave nothing else."""
    assert Estimate(0.1, 0.0, 5).p == 0.0
    assert Estimate(-0.1, 0.0, 5).p == 0.0
    assert Estimate(0.0, 0.0, 5).p == 1.0
    assert Estimate(0.1, None, 0).p == 1.0
    # t = 2 with 10 degrees of freedom, either way.
    assert Estimate(0.2, 0.1, 10).p == pytest.approx(0.07338803)
    assert Estimate(-0.2, 0.1, 10).p == pytest.approx(0.07338803)
    assert Estimate(0.1, 0.1, 10).half_width(0.95) == pytest.approx(0.2228139)
    assert Estimate(0.1, 0.1, 10).half_width(1.0) is None


def test_a_run_without_sides_or_a_gate_has_no_verdict() -> None:
    """Either alone is no A/B."""
    run = ab_run(0.0, blocks=2)
    plan = run.header.plan
    for changed in (replace(plan, gate=None), replace(plan, setups=())):
        header = replace(run.header, plan=changed)
        with pytest.raises(BenchError, match="not an A/B run"):
            ab_report(replace(run, header=header))
        with pytest.raises(BenchError, match="not an A/B run"):
            counts_verdict(header, [])


def changed_by(name: str, d: float, least: float | None = 0.02) -> MetricVerdict:
    """A metric with an effect and the smallest one that matters."""
    return replace(
        synthetic_ab.metric("regression", d), metric=name, effect=Effect(d, d, d), min_change=least
    )


def test_the_metric_that_decided_is_the_one_with_most_of_what_matters() -> None:
    """In smallest changes that matter, for each has its own; a total where nothing else did."""
    throughput = changed_by("throughput_rps", 0.05)
    memory = changed_by("server_pss_bytes", 0.2, 0.1)
    total = changed_by("total_throughput_rps", 0.5)
    cell = synthetic_ab.cell("regression")
    assert telling(replace(cell, metrics=(memory, throughput, total))) == throughput
    assert telling(replace(cell, metrics=(total,))) == total
    bare = replace(throughput, min_change=None)
    assert telling(replace(cell, metrics=(memory, bare))) == memory
    assert telling(replace(cell, metrics=())) is None


def test_what_could_have_been_seen_is_that_of_shares_alone() -> None:
    """The largest of the gated metrics; not that of a total, nor of memory."""
    throughput = replace(changed_by("throughput_rps", 0.05), detectable=0.015)
    others = (
        replace(changed_by("total_throughput_rps", 0.01), detectable=0.5),
        replace(changed_by("server_pss_bytes", 0.01), detectable=0.6),
        replace(changed_by("server_cpu_s_per_request", 0.01), detectable=0.012),
        replace(changed_by("response_time_p50_s", 0.01), detectable=0.7, verdict=None),
    )
    cell = replace(synthetic_ab.cell("regression"), metrics=(throughput, *others))
    line = verdict_line(synthetic_ab.ab_report("regression", [cell]))
    assert "1.5 %" in line
    assert "50" not in line.partition("seconds")[2]
    assert not any(word in line for word in ("60 %", "70 %", "1.2 %"))
