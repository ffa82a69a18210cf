"""Interpreters by path and version."""

import sys
from pathlib import Path

import pytest

from asgi_bench.definitions import interpreters
from asgi_bench.definitions.interpreters import is_version, program_of, read_interpreters
from asgi_bench.errors import UsageError

FLAG = "--python"


def fake(folder: Path, name: str, script: str) -> None:
    """Write a program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose interpreters are those of a test."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    return tmp_path


def test_a_program_that_does_not_run_is_passed_over(elsewhere: Path) -> None:
    """A shim of a version that isn't chosen fails; the newest that is kept takes its place."""
    fake(elsewhere / "bin", "python3.99", "exit 127")
    for release in ("3.99.2", "3.99.10"):
        fake(elsewhere / "pyenv" / "versions" / release / "bin", "python3.99", "echo 3.99")
    assert program_of("3.99", FLAG) == str(elsewhere / "pyenv/versions/3.99.10/bin/python3.99")


def test_a_build_without_a_lock_is_another_interpreter(elsewhere: Path) -> None:
    """3.99t is taken from no 3.99, whatever the program is called."""
    fake(elsewhere / "bin", "python3.99t", "echo 3.99")
    with pytest.raises(UsageError):
        program_of("3.99t", FLAG)
    fake(elsewhere / "bin", "python3.99t", "echo 3.99t")
    assert program_of("3.99t", FLAG) == str(elsewhere / "bin" / "python3.99t")


def test_what_is_not_there_is_told_with_what_is(elsewhere: Path) -> None:
    """The line names the version, and those that are found."""
    fake(elsewhere / "uv" / "cpython-3.98" / "bin", "python3.98", "echo 3.98")
    with pytest.raises(UsageError, match=r"--python: Python 3.97 was not found; .*3\.98"):
        read_interpreters("3.97", FLAG)


@pytest.mark.parametrize("problem", ["unreadable", "silent"])
def test_what_can_not_be_asked_is_passed_over(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """A program that can't be started or doesn't answer in time is as good as none."""
    monkeypatch.setattr(interpreters, "_TRIAL_TIMEOUT_S", 0.2)
    fake(elsewhere / "bin", "python3.99", "exec sleep 60")
    if problem == "unreadable":
        (elsewhere / "bin" / "python3.99").write_text("#!/no/such/shell\n")
    with pytest.raises(UsageError, match=r"--python: Python 3\.99 was not found$"):
        program_of("3.99", FLAG)


def test_a_program_that_is_none_is_told(elsewhere: Path) -> None:
    """By name or path, with the flag."""
    for name in ("no-such-python", "./no-such-python"):
        with pytest.raises(
            UsageError, match=f"--python: '{name}' is not a program that can be run"
        ):
            read_interpreters(name, FLAG)


def test_versions_and_paths_stand_side_by_side() -> None:
    """A version stays one, a path is made absolute; each counts once."""
    found = read_interpreters(f"{sys.executable}, {sys.executable}", FLAG)
    assert found == (sys.executable,)
    assert [is_version(name) for name in ("3.12", "3.14t", "3", "3.12.1", "/py/3.12")] == [
        True,
        True,
        False,
        False,
        False,
    ]
