import msgspec

from asgi_bench.analysis.recommendation import Recommendation, recommend
from asgi_bench.model import ClosedLoop, OpenLoop, PlannedCell
from asgi_bench.reporting.recommendations import command_line, recommendation_document
from asgi_bench.reporting.render.terminal import render_terminal
from tests.synthetic_run import planned_cells, synthetic_run, troubled_run

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
