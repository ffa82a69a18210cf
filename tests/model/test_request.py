"""What a request's answer holds."""

import pytest

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.scenarios import load_scenarios

SCENARIOS = load_scenarios(shipped_apps() / "scenarios.toml")


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("hello", None),
        ("stream", None),
        ("events", 20),
        ("websocket-echo", 1),
        ("websocket-pipelined", 16),
        ("websocket-broadcast", 1),
    ],
)
def test_messages_in_an_answer_are_counted(name: str, held: float | None) -> None:
    """Those of a turn over WebSocket, or the events until the client leaves."""
    assert SCENARIOS[name].messages_held == held
