"""All shipped apps behind one: the first part of the path names the scenario that answers.

A server that serves it is started once for all scenarios of one call signature.
"""

import sys
import tomllib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

APPS = Path(__file__).resolve().parents[2] / "apps"
sys.path.insert(0, str(APPS))
SCENARIOS = tomllib.loads((APPS / "scenarios.toml").read_text())


@cache
def app_of(scenario: str) -> Any:
    """Return the app of a scenario."""
    module, _, attribute = SCENARIOS[scenario]["app"].partition(":")
    found: Any = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Hand over to the app that the path names, with the rest of the path."""
    if scope["type"] == "lifespan":
        if "state" not in scope:
            raise NotImplementedError("without state there is nothing to start")
        await app_of("lifespan-state")(scope, receive, send)
        return
    _, name, rest = scope["path"].split("/", 2)
    path = f"/{rest}"
    await app_of(name)({**scope, "path": path, "raw_path": path.encode()}, receive, send)
