from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.report import SettingReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Message, Proof, Scenario, ServerEnvironment
from asgi_bench.reporting.document import Entry, Facts, Notes, shown
from asgi_bench.reporting.run.commands import commands_section, setting_entry
from asgi_bench.reporting.run.source import Source
from tests.reporting.document_words import words_of
from tests.synthetic_run import planned_cells, synthetic_run


def proofs_of(*pids: int) -> str:
    """What a setting with two workers shows, of which these answered."""
    proof = Proof("x/default/w2", loop="uvloop.Loop", worker_pids=pids)
    setting = SettingReport("x/default/w2", "x", "default", 2, None, ("x",), proof=proof)
    _, proofs = shown(setting_entry([setting]).blocks, "markdown")
    assert isinstance(proofs, Notes)
    return "; ".join(proofs.texts).removeprefix("seen from inside: ")


def test_fewer_workers_than_there_are_is_said() -> None:
    """What one of two workers told is not shown as if both had."""
    assert proofs_of(7, 8) == "event loop uvloop.Loop"
    assert proofs_of(7) == "event loop uvloop.Loop; reported by 1 of 2 workers"


def answer_of(**expected: Any) -> str:
    """What is told of a scenario with these expectations."""
    run = synthetic_run(planned_cells()[:1], rounds=1)
    scenario = Scenario("hello", app="hello:app", **expected)
    plan = msgspec.structs.replace(run.header.plan, scenarios=(scenario,))
    run = msgspec.structs.replace(run, header=msgspec.structs.replace(run.header, plan=plan))
    *_, requests = shown(commands_section(Source(summarize(run), run)).blocks, "page")
    assert isinstance(requests, Entry)
    (facts,) = requests.blocks
    assert isinstance(facts, Facts)
    ((name, words),) = facts.facts
    assert name == "hello"
    return words_of(words).partition("Correct response: ")[2]


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"expect_status": 204}, "status 204."),
        (
            {"expect_status": 200, "expect_body": "Hi"},
            "status 200, a body of exactly these 2 bytes.",
        ),
        ({"expect_pattern": "a\x1b[1m+"}, "a body that matches a+."),
        ({"messages": (Message(send="x"), Message(expect="y"))}, "the one message stated."),
        ({"messages": (Message(send="x"), Message(expect="y", times=5))}, "the 5 messages stated."),
        (
            {"expect_size": 800, "expect_coding": "gzip"},
            "a body of exactly these 800 bytes, decoded from gzip.",
        ),
    ],
)
def test_the_only_right_answer_is_told(expected: dict[str, Any], told: str) -> None:
    """Status, body or messages: each as far as it is compared."""
    assert answer_of(**expected).endswith(told)


def test_an_environment_of_its_own_is_told() -> None:
    """What a server has beside the shared interpreter stands under its command."""
    apart = ServerEnvironment("/x/bin/python", {"fastest": "2.1", "parser": "0.9"})
    setting = SettingReport("x/default/w1", "x", "default", 1, "2.1", ("x",), environment=apart)
    *_, notes = shown(setting_entry([setting, setting]).blocks, "markdown")
    assert isinstance(notes, Notes)
    assert notes.texts == ("in its own environment: fastest 2.1, parser 0.9",)
