from typing import get_args

import pytest

from asgi_bench.model import Verdict
from asgi_bench.reporting.ab.text import render_ab_text
from tests.synthetic_ab import CELL, ab_report, cell, failed_cell, short_cell


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_the_verdict_comes_first(verdict: Verdict) -> None:
    """After the run's name stands the verdict line, then what to do; lines fit the terminal."""
    lines = render_ab_text(ab_report(verdict)).splitlines()
    assert lines[1].startswith(f"{verdict}: {CELL}")
    assert lines[2].startswith("What to do next: ")
    assert max(map(len, lines)) <= 100


def test_all_figures_are_there() -> None:
    """The effect with its interval, what it rests on, and what differs."""
    text = render_ab_text(ab_report("pass", [cell("pass", d=-0.004)]))
    for part in ("-0.40%", "[-1.20%, +0.40%]", "0.41%", "1.5%", "uvicorn 0.50.0 → 0.51.0"):
        assert part in text


def test_a_failure_is_told() -> None:
    """A cell of which nothing was measured has a row, and its reason a line."""
    text = render_ab_text(ab_report("failed", [failed_cell("candidate: \x1b[31mno such\nthing")]))
    assert f" {CELL}: candidate: no such thing" in text
    assert "\x1b" not in text


def test_colours_are_for_terminals() -> None:
    """Only who asks for colours gets them."""
    assert "\x1b[31m" in render_ab_text(ab_report("regression"), color=True)
    assert "\x1b" not in render_ab_text(ab_report("regression"))


def test_totals_and_a_pooled_p99_are_shown_and_explained() -> None:
    """They are rows that aren't gated, within the width, with a line on what they are."""
    text = render_ab_text(ab_report("pass", [short_cell()]))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    for name, word in (("throughput, all", "no stalls seen"), ("p99", "not gated")):
        (row,) = (line for line in lines if f" {name} " in line and word in line)
        assert CELL in row
    assert "All: all slices of all blocks together." in text
    assert "p99: of all blocks together, without an interval" in text
    assert "All: " not in render_ab_text(ab_report("pass"))
