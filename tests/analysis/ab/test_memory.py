import msgspec
import pytest

from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.model import AbReport, Gate, MetricVerdict, Role, Trial
from asgi_bench.reporting.ab import notes, render_ab
from tests.situation import Said, situation
from tests.synthetic_sides import Edit, ab_run

MIB = 2**20
KIB = 2**10


def taking(**factors: float) -> Edit:
    """Sides of 40 MiB, but for these factors; starts differ by some tenths of a per cent."""

    def edit(trial: Trial, role: Role) -> Trial:
        scatter = 1 + 0.002 * ((trial.round * 7 + len(role)) % 5)
        size = round(40 * MIB * factors.get(role, 1.0) * scatter)
        return msgspec.structs.replace(
            trial, server_pss_bytes=size + 6 * MIB, server_pss_file_bytes=6 * MIB
        )

    return edit


def growing(**kib_per_1000: float) -> Edit:
    """Sides whose memory grows by so much per 1,000 requests, the others by 2 KiB."""

    def edit(trial: Trial, role: Role) -> Trial:
        each = KIB * (kib_per_1000.get(role, 2.0) + 0.5 * ((trial.round * 7 + len(role)) % 5))
        samples = tuple(
            (count, round(40 * MIB + each * count / 1000)) for count in range(0, 12_001, 1500)
        )
        return msgspec.structs.replace(trial, memory_samples=samples)

    return edit


def metric(report: AbReport, name: str) -> MetricVerdict | None:
    """One metric of the only cell, if it is there."""
    return next((one for one in report.cells[0].metrics if one.metric == name), None)


@situation(
    "gate",
    "The candidate answers as fast as before, and takes a tenth more memory",
    says="regression: uvicorn/default/w1/hello/c64: … % more memory after the load (… % to … %); "
    "5 % or more matters",
)
def test_a_candidate_that_takes_more_memory_is_a_regression(said: Said) -> None:
    """A tenth more is one, though speed and cost pass; it has a row of its own."""
    report = ab_report(ab_run(0.0, edit=taking(candidate=1.1)))
    assert report.verdict == "regression"
    speed = [one.verdict for one in report.cells[0].metrics if one.metric != "server_pss_bytes"]
    assert set(speed) <= {"pass", None}
    text = render_ab(report, "text")
    assert "MiB" in next(line for line in text.splitlines() if line.startswith("memory "))
    said(text)


def test_a_note_says_that_memory_is_judged_separately() -> None:
    """Even if the same change matters as in all other metrics."""
    report = ab_report(ab_run(0.0, gate=Gate(min_change=0.05), edit=taking()))
    assert "Memory after the load: 5 % or more matters; tested separately." in notes(report)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "pass"), (1.02, "pass"), (0.9, "improvement")]
)
def test_little_more_memory_passes(factor: float, verdict: str) -> None:
    """An A/A does, and so does less than a twentieth; a tenth less is an improvement."""
    report = ab_report(ab_run(0.0, edit=taking(candidate=factor)))
    assert report.verdict == verdict
    assert report.cells[0].reasons == ()


def test_a_control_of_another_size_leaves_memory_undecided_and_speed_judged() -> None:
    """What two processes of the baseline differ by voids no finding on the speed."""
    factors = {"candidate": 1.5, "control": 1.9}
    report = ab_report(ab_run(0.0, edit=taking(**factors)))
    assert report.verdict == "undecided"
    assert [reason.code for reason in report.cells[0].reasons] == ["control-moved"]
    assert ab_report(ab_run(0.05, edit=taking(**factors))).verdict == "regression"


def test_pages_of_files_are_left_out_and_without_them_memory_is_shown_alone() -> None:
    """Who shares a library with nobody has more of it; a run that can't tell judges no memory."""

    def apart(trial: Trial, role: Role) -> Trial:
        files = (8 if role == "candidate" else 4) * MIB
        return msgspec.structs.replace(
            trial, server_pss_bytes=30 * MIB + files, server_pss_file_bytes=files
        )

    def older(trial: Trial, role: Role) -> Trial:
        return msgspec.structs.replace(apart(trial, role), server_pss_file_bytes=None)

    for edit, verdict, d in ((apart, "pass", 0.0), (older, None, 4 / 34)):
        report = ab_report(ab_run(0.0, edit=edit))
        found = metric(report, "server_pss_bytes")
        assert report.verdict == "pass"
        assert found is not None and found.verdict == verdict
        assert found.effect.d == pytest.approx(d, abs=0.001)


def test_speed_is_judged_as_without_memory() -> None:
    """Memory is tested for itself: intervals and p of the other metrics stay what they were."""
    alone, beside = (ab_report(ab_run(0.004, edit=edit)) for edit in (growing(), taking()))
    assert metric(alone, "server_pss_bytes") is None
    for one in alone.cells[0].metrics:
        assert metric(beside, one.metric) == one


@situation(
    "gate",
    "The candidate leaks, and `--max-growth` says how much more a server may grow",
    says="regression: uvicorn/default/w1/hello/c64: … KiB more growth of memory per 1,000 requests "
    "(… KiB to … KiB); 64 KiB or more matters",
)
def test_a_leak_is_a_regression_where_growth_is_limited(said: Said) -> None:
    """By how much more the candidate grows than the baseline; without the flag it's not judged."""
    limited = Gate(max_growth_bytes=64 * KIB)
    leaking = growing(candidate=200.0)
    report = ab_report(ab_run(0.0, gate=limited, edit=leaking))
    assert report.verdict == "regression"
    found = metric(report, "growth_bytes_per_1000_requests")
    assert found is not None and found.effect.d == pytest.approx(198 * KIB, rel=0.02)
    said(render_ab(report, "text"))
    for gate, edit in ((limited, growing()), (Gate(), leaking)):
        assert ab_report(ab_run(0.0, gate=gate, edit=edit)).verdict == "pass"


def test_growth_that_is_limited_and_unknown_is_undecided() -> None:
    """Who asks for it gets no pass without it."""
    report = ab_report(ab_run(0.0, gate=Gate(max_growth_bytes=1024.0)))
    assert report.verdict == "undecided"
    assert [reason.code for reason in report.cells[0].reasons] == ["few-measured"]
