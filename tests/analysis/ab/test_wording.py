import msgspec
import pytest

from asgi_bench.analysis.ab.wording import effect_words, percent, telling, verdict_line
from asgi_bench.model import Effect, MetricVerdict, Verdict
from tests.synthetic_ab import ab_report, cell, failed_cell, metric


def words(d: float, lo: float | None, hi: float | None, name: str) -> str:
    """An effect in words."""
    return effect_words(MetricVerdict(name, "pass", Effect(d, lo, hi), 16, 1.0, 1.0))


@pytest.mark.parametrize(
    ("effect", "name", "text"),
    [
        (
            (0.031, 0.022, 0.04),
            "throughput_rps",
            "3.10 % slower in throughput (2.20 % to 4.00 %)",
        ),
        (
            (-0.003, -0.012, 0.006),
            "throughput_rps",
            "0.30 % faster in throughput (1.20 % faster to 0.60 % slower)",
        ),
        (
            (-0.05, -0.06, -0.04),
            "server_cpu_s_per_request",
            "5.00 % less CPU per request (4.00 % to 6.00 %)",
        ),
        (
            (0.0, -0.01, 0.01),
            "throughput_rps",
            "0.00 % faster in throughput (1.00 % faster to 1.00 % slower)",
        ),
        (
            (0.1, None, None),
            "response_time_p50_s",
            "10.00 % longer median response time, with too few blocks for an interval",
        ),
    ],
)
def test_effects_are_told_in_plain_words(
    effect: tuple[float, float | None, float | None], name: str, text: str
) -> None:
    """What is worse or better, in what, by how much, and between which bounds; no signs."""
    assert words(*effect, name) == text


def test_the_line_of_several_cells_tells_the_worst() -> None:
    """The cell that decided is told, and how many more of its kind there are."""
    cells = [cell("pass"), cell("regression", "a/b/w1/hello/c8", d=0.05), cell("regression", "c")]
    line = verdict_line(ab_report("regression", cells))
    assert line.startswith("regression: a/b/w1/hello/c8: 5.00 % slower in throughput")
    assert "(and 1 more); 16 blocks in 96 s" in line


def test_the_line_of_a_failure_tells_its_reason() -> None:
    """A side that failed is told with what it said."""
    line = verdict_line(ab_report("failed", [failed_cell()]))
    assert "candidate: exited with code 1" in line


@pytest.mark.parametrize("verdict", ["failed", "invalid"])
def test_what_says_nothing_of_speed_claims_no_power(verdict: Verdict) -> None:
    """What a run would have shown is told of one that can be believed."""
    for judged, is_told in ((cell(verdict), False), (cell("pass"), True)):
        line = verdict_line(ab_report(judged.verdict, [judged]))
        assert ("enough to detect a slowdown of 1.5 %" in line) == is_told


@pytest.mark.parametrize(
    ("verdict", "effects", "told"),
    [
        ("regression", [(0.05, 0.04), (0.06, 0.01)], 0.06),
        ("improvement", [(-0.05, 0.04), (-0.06, 0.01)], -0.06),
        ("pass", [(0.001, 0.015), (0.004, 0.001)], 0.001),
        ("undecided", [(0.001, 0.03), (0.004, 0.03)], 0.004),
    ],
)
def test_the_metric_that_tells_most_is_told(
    verdict: Verdict, effects: list[tuple[float, float]], told: float
) -> None:
    """The largest change that was found, or the interval that reaches the largest slowdown."""
    metrics = tuple(metric(verdict, d, half) for d, half in effects)
    decided = telling(msgspec.structs.replace(cell(verdict), metrics=metrics))
    assert decided is not None
    assert decided.effect.d == told


def test_an_undecided_line_says_that_it_is_no_pass() -> None:
    """Neither the change nor its absence is shown."""
    line = verdict_line(ab_report("undecided", [cell("undecided", d=0.01, half=0.02)]))
    assert "a change of 2 % is neither shown nor ruled out" in line


def test_shares_are_told_without_a_sign() -> None:
    """The word tells the direction."""
    assert percent(-0.0123) == percent(0.0123) == "1.23 %"


def test_an_ab_of_nothing_says_so() -> None:
    """Without a cell there is a verdict and no figure."""
    assert verdict_line(ab_report("undecided", [])) == "undecided: nothing was measured"
