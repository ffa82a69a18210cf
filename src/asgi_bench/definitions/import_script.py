"""Imports an application and tells how it looks; run by the servers' interpreter.

    python -c SOURCE module:attribute RESULT (app|factory)

Its source is handed over as text, so that the module path begins with the current folder as it
does for `python -m SERVER`. It needs nothing but the standard library of Python 3.9 or newer.
RESULT is written last, as JSON; what the application prints goes elsewhere.
"""

import importlib
import inspect
import json
import os
import sys
import traceback
from types import ModuleType, TracebackType
from typing import Any

OURS = ("<string>", "<frozen importlib", importlib.__file__)


def tell(**facts: object) -> None:
    """Write the result and end at once: threads of the application would keep us waiting."""
    with open(sys.argv[2], "w", encoding="utf-8") as result:  # noqa: PTH123  (less to import)
        json.dump(facts, result)
    os._exit(0)


def tell_fault(kind: type, fault: BaseException, trace: Any) -> None:
    """Tell of an exception, without the frames that are this script's."""
    module = sys.argv[1].partition(":")[0]
    name = getattr(fault, "name", None)
    if isinstance(fault, ModuleNotFoundError) and name and f"{module}.".startswith(f"{name}."):
        tell(missing=name)
    lines = traceback.format_exception(kind, fault, _own_frames(trace))
    tell(traceback="".join(lines), error=traceback.format_exception_only(kind, fault)[-1].strip())


def _own_frames(trace: "TracebackType | None") -> "TracebackType | None":
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS):
        trace = trace.tb_next
    return trace


def style(app: object) -> str:
    """Tell ASGI 3 (scope, receive, send) from ASGI 2 (scope), or what is neither."""
    if not callable(app):
        return f"is {type(app).__name__}, which can't be called"
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return "asgi3"
    for count, name in ((3, "asgi3"), (1, "asgi2")):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return name
    try:
        signature.bind()
    except TypeError:
        return f"takes {signature}, not (scope, receive, send)"
    return "takes no scope; if it makes the app, add --factory"


def _apps_in(module: ModuleType) -> "list[str]":
    """The names in a module that may be meant: what can be called and is no class."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not inspect.isclass(value)
        and not name.startswith("_")
        and (not inspect.isroutine(value) or getattr(value, "__module__", "") == module.__name__)
    ]


def main() -> None:
    """Import, look, tell."""
    sys.excepthook = tell_fault
    module_name, _, attribute = sys.argv[1].partition(":")
    module = importlib.import_module(module_name)
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            tell(absent=name, apps=_apps_in(module))
        found = getattr(found, name)
    if sys.argv[3] == "factory":
        if not callable(found):
            tell(style=f"is {type(found).__name__}, which can't be called: no factory")
        found = found()
    tell(style=style(found))


main()
