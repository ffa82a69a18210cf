"""Imports an application and reports how it looks; run by the servers' interpreter.

    python -c SOURCE module:attribute RESULT (app|factory)

Its source is passed as text, so that the module path begins with the current folder, as it does for
`python -m SERVER`. It only needs the standard library of Python 3.9 or newer. RESULT is written
last, as JSON; what the application prints goes elsewhere.
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
# Where `os.environ` raises: Python 3.11 has its module frozen.
OF_ENVIRON = ("<frozen os>", os.__file__)
# Stands for the exception in what is told of a trial that failed.
FAULT = "\0"
# A scope for telling an ASGI 2 app, which takes it alone, from a factory that wants something.
SCOPE = {"type": "http", "asgi": {"version": "2.0"}, "method": "GET", "path": "/", "headers": []}
# What is done with the user's code just now; a fault is told with it. Of what was only tried it
# is the style that a fault makes known.
doing = "import"


def tell(**facts: object) -> None:
    """Write the result and end at once: threads of the application would keep us waiting."""
    with open(sys.argv[2], "w", encoding="utf-8") as result:  # noqa: PTH123  (less to import)
        json.dump(facts, result)
    os._exit(0)


def tell_fault(kind: type, fault: BaseException, trace: Any) -> None:
    """Report an exception, without the frames of this script."""
    module = sys.argv[1].partition(":")[0]
    name = getattr(fault, "name", None)
    if isinstance(fault, ModuleNotFoundError) and name and f"{module}.".startswith(f"{name}."):
        tell(missing=name)
    if doing not in ("import", "call"):
        tell(style=doing.replace(FAULT, _in_words(fault)))
    lines = traceback.format_exception(kind, fault, _own_frames(trace))
    tell(
        traceback="".join(lines),
        error=_in_words(fault),
        doing=doing,
        unset=_unset_variable(fault, trace),
    )


def _in_words(fault: BaseException) -> str:
    return traceback.format_exception_only(type(fault), fault)[-1].strip()


def _unset_variable(fault: BaseException, trace: Any) -> "str | None":
    """The variable that `os.environ[...]` was asked for in vain."""
    if not isinstance(fault, KeyError) or not fault.args:
        return None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    is_environ = trace is not None and trace.tb_frame.f_code.co_filename in OF_ENVIRON
    return str(fault.args[0]) if is_environ else None


def _own_frames(trace: "TracebackType | None") -> "TracebackType | None":
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS):
        trace = trace.tb_next
    return trace


def style(app: object) -> str:
    """Distinguish ASGI 3 (scope, receive, send) from ASGI 2 (scope), or neither."""
    if not callable(app):
        return f"is {type(app).__name__}, which can't be called"
    signature = _signature(app)
    if signature is None:
        return "asgi3"
    if _takes(signature, 3):
        return "asgi3"
    if _takes(signature, 1):
        return _of_one_argument(app, signature)
    if not _takes(signature, 0):
        return f"takes {signature}, not (scope, receive, send)"
    return _of_no_argument(app)


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _of_one_argument(app: Any, signature: inspect.Signature) -> str:
    """Tell an ASGI 2 app from a factory that wants an argument, by what it makes of a scope."""
    (first, *_) = signature.parameters
    if first == "scope":
        return "asgi2"
    global doing
    doing = (
        f"takes {signature}, not (scope, receive, send); called with a scope alone it makes {FAULT}"
    )
    kind = _signature(app(dict(SCOPE)))
    if kind is not None and _takes(kind, 3):
        return f"makes an app of {signature}; a factory is called without arguments"
    return "asgi2"


def _of_no_argument(found: Any) -> str:
    """What takes nothing may be a factory: whether `--factory` would do is tried."""
    global doing
    doing = f"takes no scope, and raises {FAULT} when called as a factory"
    made = found()
    if inspect.iscoroutine(made):
        made.close()
        return (
            "is an async function without parameters: it takes no scope, and servers don't "
            "await factories"
        )
    if callable(made) and _takes_scope(made):
        return "takes no scope but makes the app: add --factory"
    return f"takes no scope, and makes {type(made).__name__}, which is not an app either"


def _takes_scope(made: Any) -> bool:
    signature = _signature(made)
    return signature is None or _takes(signature, 3) or _takes(signature, 1)


def _signature(found: Any) -> "inspect.Signature | None":
    try:
        return inspect.signature(found)
    except (TypeError, ValueError):
        return None


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
    """Import, inspect, report."""
    global doing
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
            tell(style=f"is {type(found).__name__}, which can't be called, so it is not a factory")
        signature = _signature(found)
        if signature is not None and not _takes(signature, 0):
            tell(style=f"takes {signature}; a factory is called without arguments", of="factory")
        doing = "call"
        found = found()
        if inspect.isawaitable(found):
            if inspect.iscoroutine(found):
                found.close()
            tell(style="is async, and servers don't await factories", of="factory")
        tell(style=style(found), of="what it returns")
    tell(style=style(found))


main()
