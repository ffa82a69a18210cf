"""Scenario files: what is requested, and the response that counts as correct."""

from pathlib import Path
from typing import Any

from asgi_bench.definitions.conversations import (
    WEBSOCKET,
    checked_conversations,
    holding,
    parse_messages,
)
from asgi_bench.definitions.servers import check_features
from asgi_bench.definitions.strict import (
    LONGEST_NAME,
    check_keys,
    check_name,
    checked_pattern,
    convert,
    read_toml,
)
from asgi_bench.errors import UsageError
from asgi_bench.model import HIGHEST_STATUS, LOWEST_STATUS, Scenario
from asgi_bench.plain_text import shortened

# The rest is for what can't be written as text, and for what only a run can tell.
_KEYS = frozenset(Scenario.__struct_fields__) - {
    "name",
    "body_bytes",
    "expect_bytes",
    "compared",
    "requests",
}

# With fewer nothing is pipelined; more are beyond what servers read ahead.
FEWEST_PIPELINED, MOST_PIPELINED = 2, 1000
_SIZES = ("body_size", "expect_size", "connections", "most_connections", "most_duration_s")


def load_scenarios(path: Path) -> dict[str, Scenario]:
    """Return the scenarios of a file by name, in the file's order.

    Raises:
        UsageError: the file, a key or a value is invalid.
    """
    tables = read_toml(path)
    if not tables:
        raise UsageError(f"{path}: contains no scenario; a scenario is a table such as [hello]")
    return {name: _scenario(name, table, path) for name, table in tables.items()}


def _scenario(name: str, table: Any, path: Path) -> Scenario:
    where = f"{path}: [{name}]"
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name}: expected a table such as [hello], with `app` and `path`")
    check_name(name, f"{path}: [{shortened(repr(name), LONGEST_NAME)}]")
    if "/" in name or "+" in name:
        raise UsageError(
            f"{where}: a scenario's name is part of cell keys, so it can't contain a slash or a "
            "plus"
        )
    check_keys(table, _KEYS, where)
    messages = parse_messages(table.get("messages"), f"{where}: messages")
    scenario = convert({**table, "name": name, "messages": ()}, Scenario, where)
    scenario = holding(scenario, messages)
    check_features(scenario.needs, f"{where}: needs")
    _check_request(scenario, where)
    return scenario


def _check_request(scenario: Scenario, where: str) -> None:
    module, colon, attribute = scenario.app.partition(":")
    if not (module and colon and attribute):
        raise UsageError(f"{where}: app: {scenario.app!r} must be module:attribute")
    if not scenario.path.startswith("/"):
        raise UsageError(f"{where}: path: {scenario.path!r} must begin with a slash")
    if not scenario.messages:
        check_status(scenario.expect_status, where)
    elif WEBSOCKET not in scenario.needs:
        raise UsageError(f"{where}: needs: messages need {WEBSOCKET!r} among the features")
    if scenario.active is not None and scenario.active < 1:
        raise UsageError(f"{where}: active: {scenario.active} must be 1 or more")
    checked_conversations(scenario.conversations, where)
    _check_pipeline(scenario, where)
    for field in _SIZES:
        size = getattr(scenario, field)
        if size is not None and size <= 0:
            raise UsageError(f"{where}: {field}: {size:g} must be above 0")
    if scenario.expect_pattern is not None:
        checked_pattern(scenario.expect_pattern, f"{where}: expect_pattern")


def _check_pipeline(scenario: Scenario, where: str) -> None:
    depth = scenario.pipeline
    if depth is None:
        return
    if not FEWEST_PIPELINED <= depth <= MOST_PIPELINED:
        allowed = f"{FEWEST_PIPELINED} to {MOST_PIPELINED}"
        raise UsageError(f"{where}: pipeline: {depth} must be {allowed}")
    excluded = ("messages", "stream", "conversations")
    for key in (key for key in excluded if getattr(scenario, key)):
        raise UsageError(
            f"{where}: pipeline: only HTTP/1.1 requests can be pipelined, without {key}"
        )


def check_status(status: int, where: str) -> None:
    """Refuse what can't be the status of a final response; raises UsageError."""
    if not LOWEST_STATUS <= status <= HIGHEST_STATUS:
        allowed = f"{LOWEST_STATUS} to {HIGHEST_STATUS}"
        raise UsageError(f"{where}: expect_status: {status} must be {allowed}")
