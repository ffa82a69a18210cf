import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from asgi_bench.analysis.summary import survey
from asgi_bench.model import Run, Trial
from asgi_bench.reporting.charts import draw
from asgi_bench.reporting.charts.palette import HUES
from asgi_bench.reporting.charts.sheet import INVALID
from asgi_bench.reporting.charts.strip import MOST_DASHES, pooled
from tests.synthetic_run import make_trial, planned_cells, synthetic_run, with_errors

replace = msgspec.structs.replace
ONE_CELL = planned_cells(worker_counts=(1,))[:1]
# A dot is shorter than this, a round's mean longer: in points.
DOT = 2.0


def strip_of(run: Run) -> list[tuple[float, float, str]]:
    """The dots of a run's strip chart: across, down and colour."""
    (drawing,) = [each for each in draw(survey(run)) if each.topic == "strip"]
    found = []
    for path in ElementTree.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}path"):
        style = path.get("style", "")
        if "stroke-linecap: round" not in style:
            continue
        color = re.findall(r"stroke: (#\w+)", style)[0]
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d", ""))]
        for left, y, right, _ in zip(*(numbers[place::4] for place in range(4)), strict=True):
            if right - left < DOT:
                found.append((left, y, color))
    return found


def test_every_slice_is_a_dot() -> None:
    """Rounds follow each other from left to right, each with all its slices."""
    dots = strip_of(synthetic_run(ONE_CELL, rounds=3, slices=5))
    assert len(dots) == 15
    assert [x for x, _, _ in dots] == sorted(x for x, _, _ in dots)
    assert {color.lower() for *_, color in dots} == {HUES[0].lower()}


def test_slow_slice_stands_low() -> None:
    """A slice with half of the requests of the others lies lower on the sheet than any of them."""

    def spoil(trial: Trial) -> Trial:
        first, *others = trial.slices
        slow = replace(first, requests=first.requests // 2)
        return replace(trial, slices=(slow, *others)) if trial.round == 1 else trial

    dots = strip_of(synthetic_run(ONE_CELL, rounds=3, slices=5, edit=spoil))
    (lowest,) = [n for n, (_, y, _) in enumerate(dots) if y == max(y for _, y, _ in dots)]
    assert lowest == 5


def test_a_slice_without_an_answer_lies_at_the_bottom() -> None:
    """A server that ended leaves slices without a duration: a rate of nothing, and no NaN."""

    def spoil(trial: Trial) -> Trial:
        *others, last = trial.slices
        dead = replace(last, requests=0, duration_s=0.0, end_s=last.start_s)
        return replace(trial, slices=(*others, dead)) if trial.round == 1 else trial

    dots = strip_of(synthetic_run(ONE_CELL, rounds=3, slices=5, edit=spoil))
    (lowest,) = [n for n, (_, y, _) in enumerate(dots) if y == max(y for _, y, _ in dots)]
    assert lowest == 9


def test_invalid_round_is_gray() -> None:
    """The slices of a round that can't be believed are drawn without the server's colour."""

    def spoil(trial: Trial) -> Trial:
        return with_errors(trial, 0.05) if trial.round == 0 else trial

    dots = strip_of(synthetic_run(ONE_CELL, rounds=4, slices=5, edit=spoil))
    assert sum(color == INVALID for *_, color in dots) == 5


def test_many_slices_share_dots() -> None:
    """However many slices there are, a chart holds no more dots than it can show."""
    assert [pooled(count) for count in (0, 2, MOST_DASHES, MOST_DASHES + 1)] == [1, 1, 1, 2]
    slices = 2 * MOST_DASHES
    trial = make_trial(ONE_CELL[0].cell, 0, 0, slices=slices)
    run = synthetic_run(ONE_CELL, rounds=1)
    assert len(strip_of(replace(run, trials=(trial,)))) == MOST_DASHES


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_single_slice_is_no_strip(rounds: int, tmp_path: Path) -> None:
    """Where there is nothing to compare there is no chart."""
    run = synthetic_run(ONE_CELL, rounds=rounds, slices=1)
    assert "strip" not in {each.topic for each in draw(survey(run), tmp_path)}
