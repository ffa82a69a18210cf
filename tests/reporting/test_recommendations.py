from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.recommendation import Recommendation, recommend
from asgi_bench.model import ClosedLoop, Objective, OpenLoop, PlannedCell
from asgi_bench.reporting.recommendations import NAMED, command_line, recommendation_document
from asgi_bench.reporting.render.terminal import render_terminal
from tests.synthetic_run import OPEN_AND_SWEEP, planned_cells, synthetic_run, troubled_run

replace = msgspec.structs.replace


def said(found: Recommendation) -> str:
    """The recommendation as text."""
    return render_terminal(recommendation_document(found), width=1000)


def planned(*command: str, **fields: object) -> PlannedCell:
    """A planned cell with that command line."""
    return replace(planned_cells()[0], command=command, **fields)


def test_command_line_is_the_measured_one_for_a_deployment() -> None:
    """Port and descriptor are filled in, the interpreter is `python`, words are quoted."""
    line = command_line(planned("/opt/venv/bin/python3.11", "-m", "x", "--port", "{port}", "a b"))
    assert line == "python -m x --port 8000 'a b'"
    assert command_line(planned("/usr/sbin/nginx", "--fd", "{fd}")) == "/usr/sbin/nginx --fd 3"


def test_variables_of_the_runner_belong_to_the_command_line() -> None:
    """What the variant sets stands before it; the app's path on this machine does not."""
    env = {"PYTHONPATH": "/srv/app", "LOOP": "a b"}
    assert command_line(planned("x", env=env)) == "LOOP='a b' x"


def test_what_is_recommended_stands_beside_all_others() -> None:
    """Each of the others is beaten or tied, with the ratio to it."""
    found = recommend(synthetic_run(rounds=9))
    text = said(found)
    assert command_line(found.planned) == "python -m granian --port 8000"
    assert text.startswith("Recommended: granian 1.2.3, variant default, 1 worker\n")
    assert "of 11 settings" in text
    assert "9 rounds" in text
    for each in found.beaten:
        assert "/".join(each.b.split("/")[:3]) in text
    assert "Statistically tied with it" in text
    assert text.count("granian/uvloop/w1: ") == 1


def test_what_was_left_out_is_told_with_its_reason() -> None:
    """Invalid, failed, skipped, oversubscribed: each is named, log lines made plain."""
    text = said(recommend(troubled_run(rounds=8)))
    assert "granian/default/w1, granian/uvloop/w1: its measurement is invalid" in text
    assert "hypercorn/trio/w1: failed: in 7 of 8 rounds" in text
    assert "\x1b" not in text


def test_single_setting_says_that_it_had_no_rival() -> None:
    """Nothing is claimed of what was not compared."""
    text = said(recommend(synthetic_run(planned_cells()[:1], rounds=3)))
    assert "it was not compared with any other" in text
    assert "It is better than" not in text


def test_other_scenarios_and_loads_are_left_out_by_name() -> None:
    """Who asked for several learns which one the choice goes by."""
    cells = planned_cells((ClosedLoop(64), OpenLoop(8)), worker_counts=(1,))
    text = said(recommend(synthetic_run(cells, rounds=6)))
    assert " hello/r8: only hello/c64 is compared; elsewhere others may be better" in text
    assert "only hello/c64" not in said(recommend(synthetic_run(rounds=9)))


@pytest.fixture(scope="module")
def tied() -> Recommendation:
    """A recommendation of granian, with the ratios to all others."""
    return recommend(synthetic_run(planned_cells(worker_counts=(1,)), rounds=6))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reference": "uvicorn/default/w1"}, "times the figure of uvicorn/default/w1 (95%: "),
        ({"reference": "granian/default/w1"}, "It is the reference itself."),
        (
            {"reference": None, "basis": "cpu", "estimate": Interval(42e-6)},
            "none is better in CPU time per request. It takes 42.0 µs per request.",
        ),
        ({"reference": None, "estimate": Interval(24_813.0)}, "It reached 24,813 requests/s."),
        ({"estimate": Interval(1.7)}, "It reached 1.70 times the figure of uvicorn/default/w1."),
        ({"estimate": Interval(None)}, "none is better in requests per second.\n"),
    ],
)
def test_the_figure_is_told_over_what_it_is_known(
    tied: Recommendation, fields: dict[str, Any], told: str
) -> None:
    """Over the reference where all have it, else by itself, and with bounds where there are any."""
    assert told in said(replace(tied, **fields))


def test_only_the_nearest_are_named(tied: Recommendation) -> None:
    """Of many that were beaten the nearest come first, and the others are counted."""
    many = replace(tied, beaten=tied.beaten * 2)
    text = said(many)
    assert f"and {len(many.beaten) - NAMED} more" in text
    assert text.index("gunicorn-uvicorn/default/w1: ") < text.index("gunicorn-asgi/default/w1: ")
    assert "more\n" not in said(replace(tied, beaten=tied.beaten[:1]))


def test_what_hangs_on_single_rounds_is_a_doubt(tied: Recommendation) -> None:
    """A lead that trimming takes away is told as such, by name."""
    first, *others = tied.beaten
    shaky = replace(tied, beaten=(replace(first, holds_trimmed=False), *others))
    name = "/".join(first.b.split("/")[:3])
    told = f"better than {name} only because of the most extreme rounds"
    assert told in said(shaky) and told not in said(tied)


def test_a_setting_is_left_out_once() -> None:
    """Left out under several loads for one reason it is named once."""
    found = recommend(troubled_run(rounds=8))
    (key, reason), *_ = found.left_out
    again = replace(found, left_out=((key, reason), (key.replace("c64", "c8"), reason)))
    assert said(again).count("/".join(key.split("/")[:3])) == 1


def test_an_inherited_socket_is_a_hint(tied: Recommendation) -> None:
    """A command line that expects a descriptor can't be run by hand."""
    inherits = replace(tied, planned=replace(tied.planned, socket_sharing="inherited"))
    told = "It inherits its listening socket as descriptor 3"
    assert told in said(inherits) and told not in said(tied)


def test_an_objective_stands_beside_its_load() -> None:
    """What had to be met is told with the load that it was met under."""
    cells = planned_cells((OPEN_AND_SWEEP[-1],), worker_counts=(1,))[:3]
    objective = Objective(quantile=0.99, limit_s=0.02)
    text = said(recommend(synthetic_run(cells, rounds=6), objective=objective))
    assert "p99 ≤ 20 ms; at most 1 worker" in text
