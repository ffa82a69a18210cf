"""Interpreters by version: what a run gets in place of them, and how their setups are called."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

from asgi_bench.definitions.interpreters import program_of
from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import UsageError
from asgi_bench.setups import interpreters
from asgi_bench.setups.interpreters import interpreter_setups, with_environments
from tests.setups.test_environments import answer

OWN = "{}.{}".format(*sys.version_info[:2])


def _fake(path: Path, implementation: str, version: str, *, is_free_threaded: bool = False) -> str:
    """A program that tells of itself what an interpreter would."""
    told = {
        "path": [],
        "is_free_threaded": is_free_threaded,
        "markers": {
            "platform_python_implementation": implementation,
            "python_full_version": version,
        },
    }
    path.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    path.chmod(0o755)
    return str(path)


def test_paths_stay_and_the_own_version_is_this_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is built for them, so nothing is said."""
    paths = Selection(interpreters=("/a/python", "/b/python"))
    assert with_environments(paths, pytest.fail) is paths
    monkeypatch.setenv("PATH", "/nowhere")
    mixed = Selection(interpreters=(OWN, "/b/python"))
    assert with_environments(mixed, pytest.fail).interpreters == (sys.executable, "/b/python")


def test_a_version_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for any other flag, before anything is built."""
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.setenv(name, "/nowhere")
    with pytest.raises(UsageError, match=r"--python: Python 3\.99 was not found$"):
        with_environments(Selection(interpreters=("3.99",)), pytest.fail)


def test_each_setup_has_a_name_of_its_own(tmp_path: Path) -> None:
    """That of its version as it was asked for, else as it says; a second one has a number."""
    programs = (
        _fake(tmp_path / "a", "CPython", "3.12.1"),
        _fake(tmp_path / "b", "CPython", "3.12.7"),
        _fake(tmp_path / "c", "PyPy", "3.11.13"),
        _fake(tmp_path / "d", "CPython", "3.14.0", is_free_threaded=True),
        _fake(tmp_path / "e", "CPython", "3.12.1"),
    )
    asked = Selection(interpreters=("3.12", *programs[1:]))
    setups = interpreter_setups(asked, Selection(interpreters=programs))
    assert [setup.name for setup in setups] == ["3.12", "3.12-2", "pypy3.11", "3.14t", "3.12-3"]
    assert [setup.description for setup in setups] == ["3.12", *programs[1:]]
    assert [setup.python for setup in setups] == list(programs)
    assert setups[3].python_version == "CPython 3.14.0 free-threaded"


def _another() -> str:
    """A version other than this interpreter's that is here."""
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        try:
            if version != OWN and program_of(version, "--python"):
                return version
        except UsageError:
            continue
    pytest.skip("no other Python is here")


@pytest.mark.slow
def test_servers_are_installed_for_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the version that is installed here, if any; what can't be had there is left out aloud."""
    version = _another()
    with zipfile.ZipFile(tmp_path / "tiny_server-1.0-py3-none-any.whl", "w") as wheel:
        info = "tiny_server-1.0.dist-info"
        head = "Metadata-Version: 2.1\nName: tiny-server\nVersion: 1.0\n"
        wheel.writestr(f"{info}/METADATA", head)
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr("tiny_server.py", "WORD = 'here'\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    # All that are installed here would take a minute.
    monkeypatch.setattr(interpreters, "installed_requirements", lambda *_: ("msgspec>=0.1",))
    (tmp_path / "lone.toml").write_text('command = ["s"]\nrequires = ["tiny-server"]\n')
    asked = Selection(
        servers=("lone",),
        runner_folders=(tmp_path,),
        interpreters=(version,),
        own_app=OwnApp("shop:app", tmp_path),
    )
    said: list[str] = []
    (python,) = with_environments(asked, said.append).interpreters
    told = "import sys, tiny_server as t; print('%d.%d' % sys.version_info[:2], t.WORD)"
    assert answer(python, told) == f"{version} here"
    first, second = said
    assert first.startswith(f"--python {version}: building an environment with msgspec==")
    assert second.startswith("msgspec==")
    assert " is left out: " in second and "No matching distribution found" in second
