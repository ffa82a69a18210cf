import msgspec
import pytest

from asgi_bench.analysis.ab_report import ab_report
from asgi_bench.model import Role, Trial
from asgi_bench.reporting.documents import render_ab
from tests.situation import Said, situation
from tests.synthetic_sides import Edit, ab_run

MIB = 2**20


def taking(**factors: float) -> Edit:
    """Sides of 40 MiB, but for these factors; starts differ by some per cent."""

    def edit(trial: Trial, role: Role) -> Trial:
        scatter = 1 + 0.01 * ((trial.round * 7 + len(role)) % 5)
        size = round(40 * MIB * factors.get(role, 1.0) * scatter)
        return msgspec.structs.replace(trial, server_pss_bytes=size)

    return edit


@situation(
    "gate",
    "The candidate answers as fast as before, and keeps three times the memory",
    says="the candidate takes … % more memory after the load (… % to … %), … MiB where the "
    "baseline takes … MiB: memory is not gated",
)
def test_a_candidate_that_takes_more_memory_is_told(said: Said) -> None:
    """It is a finding with a row of its own; the verdict is on speed and cost alone."""
    report = ab_report(ab_run(0.0, edit=taking(candidate=3.0)))
    assert report.verdict == "pass"
    text = render_ab(report, "text")
    assert "MiB" in next(line for line in text.splitlines() if line.startswith("memory "))
    said(text)


@pytest.mark.parametrize("factors", [{}, {"candidate": 1.05}, {"candidate": 1.5, "control": 1.9}])
def test_little_more_memory_is_no_finding(factors: dict[str, float]) -> None:
    """Neither is what the baseline's own processes differ by, nor what is not known."""
    assert ab_report(ab_run(0.0, edit=taking(**factors))).cells[0].reasons == ()
    unknown = ab_report(ab_run(0.0))
    assert "server_pss_bytes" not in {metric.metric for metric in unknown.cells[0].metrics}
