"""The app that a proof starts: it tells what serves it, with the user's own app in the process.

An app can change what serves it: it sets a loop policy when it is imported, or a debug mode when
it starts. So the app that `$ASGI_BENCH_PROVEN` names is imported where the server would import it,
and its lifespan runs; requests alone are answered by `probe.py`. Without the variable it is
`probe.py`.

It lies in a folder of its own, as the factory's module does: beside it nothing can hide a module of
the user's.
"""

import importlib
import importlib.util
import inspect
import operator
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_file = Path(__file__).resolve().parents[1] / "probe.py"
_spec = importlib.util.spec_from_file_location("asgi_bench_probe", _file)
assert _spec is not None and _spec.loader is not None
_probe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_probe)

_own: Any = None
_target = os.environ.get("ASGI_BENCH_PROVEN", "")
if _target:
    _module, _, _attribute = _target.partition(":")
    _own = operator.attrgetter(_attribute)(importlib.import_module(_module))


def _has_lifespan(own: Any) -> bool:
    """Whether the app takes a lifespan scope as ASGI 3 has it."""
    try:
        return own is not None and len(inspect.signature(own).parameters) > 1
    except (TypeError, ValueError):
        return own is not None


async def app(
    scope: "dict[str, Any]",
    receive: "Callable[[], Awaitable[dict[str, Any]]]",
    send: "Callable[[dict[str, Any]], Awaitable[None]]",
) -> None:
    """Start and end as the user's app does; answer requests with what serves them."""
    if scope["type"] == "lifespan" and _has_lifespan(_own):
        await _own(scope, receive, send)
    else:
        await _probe.app(scope, receive, send)
