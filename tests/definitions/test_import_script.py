"""What the script that imports an app tells of it, called here as `python -c` calls it."""

import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from asgi_bench.definitions.app_import import SCRIPT

ASGI3 = "async def app(scope, receive, send): ...\n"

Tell = Callable[..., dict[str, Any]]


class Ended(SystemExit):
    """Stands for the end of the process."""


def _end(code: int) -> None:
    raise Ended(code)


def _below_the_script(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what called the script and without the script's own frames."""
    own = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(SCRIPT):
            own = trace
        trace = trace.tb_next
    assert own is not None
    return own.tb_next


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Runs the script on an app; what is not caught goes to its hook, as Python would do."""
    monkeypatch.setattr(os, "_exit", _end)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)

    def run(text: str, target: str = "it:app", kind: str = "app") -> dict[str, Any]:
        (tmp_path / "it.py").write_text(text)
        result = tmp_path / "result"
        monkeypatch.setattr(sys, "argv", ["-c", target, str(result), kind])
        with pytest.raises(BaseException) as caught:
            runpy.run_path(str(SCRIPT), run_name="asgi_bench.definitions.import_script")
        sys.modules.pop("it", None)
        if caught.type is not Ended:
            with pytest.raises(Ended):
                sys.excepthook(caught.type, caught.value, _below_the_script(caught.tb))
        found: dict[str, Any] = json.loads(result.read_text())
        return found

    return run


@pytest.mark.parametrize(
    ("text", "style"),
    [
        (ASGI3, "asgi3"),
        ("def app(*args): ...", "asgi3"),
        ("class App:\n  __signature__ = 3\n  def __call__(self): ...\napp = App()", "asgi3"),
        ("def app(scope): raise ValueError", "asgi2"),
        ("def app(one, *more): ...", "asgi3"),
        ("def app(it): return lambda receive, send: None", "asgi2"),
        ("app = 3", "is int, which can't be called"),
        ("def app(environ, start): ...", "takes (environ, start), not (scope, receive, send)"),
        (
            f"{ASGI3}asgi = app\ndef app(config): return asgi",
            "makes an app of (config); a factory is called without arguments",
        ),
        (
            f"{ASGI3}asgi = app\ndef app(): return asgi",
            "takes no scope but makes the app: add --factory",
        ),
        ("def app(): return lambda scope: None", "takes no scope but makes the app: add --factory"),
        ("def app(): return 3", "takes no scope, and makes int, which is not an app either"),
        (
            "def app(): return lambda: 3",
            "takes no scope, and makes function, which is not an app either",
        ),
        (
            "async def app(): ...",
            "is an async function without parameters: it takes no scope, and servers don't await "
            "factories",
        ),
    ],
)
def test_the_style_is_told_alone(tell: Tell, text: str, style: str) -> None:
    """An app that isn't called as a factory has a style, and nothing else is said of it."""
    assert tell(text) == {"style": style}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{ASGI3}def make(): return app", {"style": "asgi3", "of": "what it returns"}),
        (
            "def make(): return 3",
            {"style": "is int, which can't be called", "of": "what it returns"},
        ),
        (
            "make = 3",
            {"style": "is int, which can't be called, so it is not a factory"},
        ),
        (
            "def make(config): ...",
            {"style": "takes (config); a factory is called without arguments", "of": "factory"},
        ),
        (
            "async def make(): ...",
            {"style": "is async, and servers don't await factories", "of": "factory"},
        ),
        (
            "class It:\n  def __await__(self): yield\ndef make(): return It()",
            {"style": "is async, and servers don't await factories", "of": "factory"},
        ),
        (
            f"{ASGI3}class It:\n  __signature__ = 3\n  def __call__(self): return app\nmake = It()",
            {"style": "asgi3", "of": "what it returns"},
        ),
    ],
)
def test_what_a_factory_says_is_told_apart(tell: Tell, text: str, told: dict[str, str]) -> None:
    """Whether the factory is wrong or what it returns can be told from each other."""
    assert tell(text, "it:make", "factory") == told


def test_nothing_else_than_the_apps_is_offered(tell: Tell) -> None:
    """Of a module without the attribute, what may be meant is told in the order of the file."""
    text = (
        "from os.path import join\nimport os\nclass C:\n  def __call__(self): ...\n"
        f"_private = C()\nnumber = 3\nother = C()\n{ASGI3}"
    )
    assert tell(text, "it:nope") == {"absent": "nope", "apps": ["other", "app"]}
    assert tell(text, "it:app.nope") == {"absent": "nope", "apps": ["other", "app"]}


@pytest.mark.parametrize("target", ["nowhere:app", "nowhere.at_all:app", "it.inner:app"])
def test_only_a_missing_app_is_missing(tell: Tell, target: str) -> None:
    """The module that can't be found is named as far as it isn't there."""
    assert tell(ASGI3, target)["missing"] == target.partition(":")[0].removesuffix(".at_all")


def test_a_module_that_the_app_misses_is_an_error(tell: Tell) -> None:
    """What the app itself imports in vain is told with the place, not as a missing app."""
    told = tell("import nowhere")
    assert (told["doing"], told["unset"]) == ("import", None)
    assert told["error"] == "ModuleNotFoundError: No module named 'nowhere'"
    assert "import nowhere" in told["traceback"]


def test_the_trace_of_an_error_begins_in_the_app(tell: Tell, tmp_path: Path) -> None:
    """Neither importlib nor we stand in it, but each of the app's own calls."""
    lines = tell("def f():\n  raise ValueError('boom')\nf()")["traceback"].splitlines()
    places = [line.strip() for line in lines if line.startswith("  File")]
    assert places == [
        f'File "{tmp_path}/it.py", line 3, in <module>',
        f'File "{tmp_path}/it.py", line 2, in f',
    ]


@pytest.mark.parametrize(
    ("text", "unset"),
    [
        ("import os\nos.environ['SHOP_DB']", "SHOP_DB"),
        ("{}['SHOP_DB']", None),
        ("raise KeyError", None),
    ],
)
def test_only_a_variable_is_told_as_unset(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, text: str, unset: str | None
) -> None:
    """A key that the environment lacks is a variable; that of any other dict is not."""
    monkeypatch.delenv("SHOP_DB", raising=False)
    assert tell(text)["unset"] == unset


def test_a_failing_factory_fails_in_its_call(tell: Tell) -> None:
    """With `--factory` the error is the call's, not the import's."""
    told = tell("def make():\n  raise ValueError('boom')", "it:make", "factory")
    assert (told["doing"], told["error"]) == ("call", "ValueError: boom")


@pytest.mark.parametrize(
    ("text", "style"),
    [
        (
            "def app(): raise ValueError('boom')",
            "takes no scope, and raises ValueError: boom when called as a factory",
        ),
        (
            "def app(settings): return settings['database']",
            "takes (settings), not (scope, receive, send); called with a scope alone it makes "
            "KeyError: 'database'",
        ),
    ],
)
def test_what_was_only_tried_is_no_error(tell: Tell, text: str, style: str) -> None:
    """A call that we made to find out says what the app is; it isn't a fault of the import."""
    assert tell(text) == {"style": style}
