import os
import sys
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.definitions.app_import import AppFault, style_of
from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.errors import ExitCode, UsageError
from tests.situation import Said, situation


def _leaves(what: str) -> Any:
    return situation(
        "traces",
        f"Your app {what} when it is imported, and can't be measured: nothing stays",
        says="is not an ASGI application: it is int, which can't be called",
    )


ASGI3 = "async def app(scope, receive, send): ...\n"


def _style(folder: Path, text: str, target: str = "it:app", *, is_factory: bool = False) -> str:
    (folder / "it.py").write_text(text)
    return style_of(OwnApp(target, folder, is_factory), sys.executable, os.environ, 20)


def _fault(
    folder: Path, text: str, target: str = "it:app", *, is_factory: bool = False
) -> AppFault:
    with pytest.raises(AppFault) as caught:
        _style(folder, text, target, is_factory=is_factory)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE
    return caught.value


@pytest.mark.parametrize(
    ("text", "style"),
    [
        (ASGI3, "asgi3"),
        ("class App:\n  async def __call__(self, scope, receive, send): ...\napp = App()", "asgi3"),
        ("class app:\n  def __init__(self, scope, receive, send): ...", "asgi3"),
        ("def app(*args, **more): ...", "asgi3"),
        ("import functools\ndef f(a, s, r, w): ...\napp = functools.partial(f, 1)", "asgi3"),
        ("def app(scope): ...", "asgi2"),
        ("class app:\n  def __init__(self, scope): ...", "asgi2"),
        ("class A:\n  class B:\n    async def app(s, r, w): ...\napp = A.B.app", "asgi3"),
    ],
)
def test_the_style_is_read_off_the_app(tmp_path: Path, text: str, style: str) -> None:
    """What takes (scope, receive, send) is ASGI 3, what takes a scope alone is ASGI 2."""
    assert _style(tmp_path, text) == style


def test_a_factory_is_called(tmp_path: Path) -> None:
    """With `--factory` it is what the call gives that is looked at."""
    text = ASGI3 + "def make(): return app"
    assert _style(tmp_path, text, "it:make", is_factory=True) == "asgi3"
    assert "add --factory" in str(_fault(tmp_path, text, "it:make"))
    assert "not a factory" in str(_fault(tmp_path, "app = 1", is_factory=True))


def test_an_app_is_imported_from_its_folder(tmp_path: Path) -> None:
    """The folder is the current one too, as when a server starts there."""
    (tmp_path / "data.txt").write_text("x")
    (tmp_path / "near.py").write_text("")
    text = f"import near\nassert open('data.txt').read() == 'x'\n{ASGI3}"
    assert _style(tmp_path, text) == "asgi3"


def test_a_fault_in_the_app_is_told_with_its_own_traceback(tmp_path: Path) -> None:
    """It begins in the app, and the one line has the exception without its further lines."""
    fault = _fault(tmp_path, "def f():\n  raise ValueError('boom\\nmore')\nf()")
    assert str(fault) == "APP it:app can't be imported: ValueError: boom"
    first, second, *_, last = fault.account.splitlines()
    assert first == "Traceback (most recent call last):"
    assert second.endswith(f'{tmp_path}/it.py", line 3, in <module>')
    assert last == "more"
    assert "importlib" not in fault.account


def test_a_module_that_the_app_misses_is_its_fault(tmp_path: Path) -> None:
    """It has a traceback; a missing APP has none, but says where it was looked for."""
    fault = _fault(tmp_path, "import no_such_thing")
    assert str(fault).endswith("ModuleNotFoundError: No module named 'no_such_thing'")
    assert "import no_such_thing" in fault.account
    fault = _fault(tmp_path, "", "nowhere.at_all:app")
    assert str(fault).startswith(f"APP nowhere.at_all:app: no module 'nowhere' in {tmp_path} or")
    assert fault.account == ""


def test_a_missing_attribute_names_what_there_is(tmp_path: Path) -> None:
    """Things that can be called and were made there; neither classes nor imported functions."""
    text = f"from os.path import join\nclass C:\n  def __call__(self): ...\nother = C()\n{ASGI3}"
    fault = _fault(tmp_path, text, "it:nope")
    assert str(fault) == "APP it:nope: module 'it' has no attribute 'nope'; it has: other, app"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("app = 3", "is not an ASGI application: it is int, which can't be called"),
        ("def app(environ, start_response): ...", "it takes (environ, start_response), not (scope"),
        ("import sys; sys.exit(4)", "importing it ended Python with code 4"),
        ("import os; os.write(2, b'last words'); os._exit(7)", "with code 7: last words"),
    ],
)
def test_what_is_no_app_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    """The reason in plain words, also where Python itself ends."""
    assert words in str(_fault(tmp_path, text))


def test_an_import_that_hangs_is_given_up_with_all_it_started(tmp_path: Path) -> None:
    """Within the time allowed, and nothing is left running."""
    (tmp_path / "it.py").write_text(
        "import os, pathlib, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "pathlib.Path('pid').write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(AppFault, match=r"importing it took more than 1\.5 s"):
        style_of(OwnApp("it:app", tmp_path), sys.executable, os.environ, 1.5)
    child = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] in "ZX"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("", marks=_leaves("starts a helper in a session of its own")),
        pytest.param(", env={}", marks=_leaves("starts a helper with an environment of its own")),
    ],
)
def test_helpers_that_the_app_starts_do_not_stay(more: str, said: Said, tmp_path: Path) -> None:
    """Neither a new session nor an environment without our mark lets a helper outlive the look."""
    fault = _fault(
        tmp_path,
        "import pathlib, subprocess\n"
        f"it = subprocess.Popen(['/bin/sleep', '60'], start_new_session=True{more})\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(it.pid))\n"
        "app = 3\n",
    )
    said(str(fault))
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


def test_threads_of_the_app_keep_nobody_waiting(tmp_path: Path) -> None:
    """An app may start threads on its import; the answer comes at once."""
    text = (
        f"import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n{ASGI3}"
    )
    (tmp_path / "it.py").write_text(text)
    assert style_of(OwnApp("it:app", tmp_path), sys.executable, os.environ, 5) == "asgi3"


def test_what_the_app_prints_is_kept_apart(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither stdout nor stderr of an import reaches the user, or is taken for the answer."""
    text = f"import sys\nprint('{{}}')\nprint('x', file=sys.stderr)\n{ASGI3}"
    assert _style(tmp_path, text) == "asgi3"
    assert capfd.readouterr() == ("", "")


def test_an_interpreter_that_is_none_is_said(tmp_path: Path) -> None:
    """A path that can't be run is a fault of usage that names it."""
    with pytest.raises(UsageError, match=r"/no/python: can.t run it: No such file"):
        style_of(OwnApp("it:app", tmp_path), "/no/python", os.environ, 1)


FACTORIES = f"""
import os
{ASGI3}
def make(): return os.environ["SHOP_PREFIX"] and app
async def make_async(): return app
def make_of(config): return app
class Shop:
  async def __call__(self, scope, receive, send): ...
class Holder:
  app = Shop()
def old(connection): return lambda receive, send: None
def old_of(settings): return settings["database"]
"""


@pytest.mark.parametrize(
    ("target", "is_factory", "says"),
    [
        pytest.param(
            *(target, is_factory, says),
            marks=situation("reasons", what, says=says),
            id=f"{target}{'()' if is_factory else ''}",
        )
        for target, is_factory, what, says in (
            (
                *("it:make", True, "`--factory`, and the factory needs a variable"),
                "it:make is a factory that fails: KeyError: 'SHOP_PREFIX': that variable isn't "
                "set; set it with --env SHOP_PREFIX=VALUE",
            ),
            (
                *("it:make", False, "APP is a factory that fails, and `--factory` is left out"),
                "it takes no scope, and raises KeyError: 'SHOP_PREFIX' when called as a factory",
            ),
            (
                *("it:make_async", True, "`--factory`, and the factory is async"),
                "it:make_async is not an app factory: it is async, and servers don't await "
                "factories",
            ),
            (
                *("it:make_async", False, "APP is an async factory"),
                "it is an async function without parameters: it takes no scope, and servers "
                "don't await factories",
            ),
            (
                *("it:make_of", True, "`--factory`, and the factory wants an argument"),
                "it:make_of is not an app factory: it takes (config); a factory is called "
                "without arguments",
            ),
            (
                *("it:make_of", False, "APP is a factory that wants an argument"),
                "it makes an app of (config); a factory is called without arguments",
            ),
            (
                *("it:Holder", False, "APP is a class whose instances are no apps"),
                "it takes no scope, and makes Holder, which is not an app either",
            ),
            (
                *("it:Holder", True, "`--factory`, and what it makes is no app"),
                "the factory returns something that is not an ASGI application: it is Holder, "
                "which can't be called",
            ),
            (
                *("it:old_of", False, "APP is a function of its settings"),
                "it takes (settings), not (scope, receive, send); called with a scope alone it "
                "makes KeyError: 'database'",
            ),
        )
    ],
)
def test_factories_are_told_truly(
    target: str, is_factory: bool, says: str, said: Said, tmp_path: Path
) -> None:
    """What is wrong with a factory, in one true line; `--factory` is a hint only where it helps."""
    text = str(_fault(tmp_path, FACTORIES, target, is_factory=is_factory))
    said(text)
    assert "can't be imported" not in text and "add --factory" not in text


def test_what_is_served_is_known_by_trying(tmp_path: Path) -> None:
    """A class whose instances are apps gets the hint, and with it is one; so old styles stay."""
    assert "but makes the app: add --factory" in str(_fault(tmp_path, FACTORIES, "it:Shop"))
    assert _style(tmp_path, FACTORIES, "it:Shop", is_factory=True) == "asgi3"
    assert _style(tmp_path, FACTORIES, "it:Holder.app") == "asgi3"
    assert _style(tmp_path, FACTORIES, "it:old") == "asgi2"


def test_a_variable_that_an_import_needs_is_named(tmp_path: Path) -> None:
    """The flag that sets it stands beside the exception; another KeyError has no such hint."""
    text = f"import os\nos.environ['SHOP_DB']\n{ASGI3}"
    assert str(_fault(tmp_path, text)).endswith(
        "can't be imported: KeyError: 'SHOP_DB': that variable isn't set; set it with --env "
        "SHOP_DB=VALUE"
    )
    assert str(_fault(tmp_path, f"{{}}['SHOP_DB']\n{ASGI3}")).endswith("KeyError: 'SHOP_DB'")
