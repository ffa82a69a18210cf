import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.scenarios import load_scenarios

COMMAND = Path(sys.executable).with_name("asgi-bench")


def _run(*args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *args], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def _listed(*args: str, folder: Path) -> dict[str, dict[str, Any]]:
    done = _run("list", "--json", *args, folder=folder)
    assert done.returncode == 0, done.stderr
    return {server["name"]: server for server in json.loads(done.stdout)["servers"]}


@pytest.fixture
def runners(tmp_path: Path) -> Path:
    """A user's folder: one server that lacks a package, one that lacks its program."""
    folder = tmp_path / "runners"
    folder.mkdir()
    (folder / "lacking.toml").write_text(
        'command = ["{python}", "{port}"]\nrequires = ["no-such-package[x]>=1", "msgspec"]'
    )
    (folder / "elsewhere.toml").write_text('command = ["no-such-program", "{port}"]')
    return folder


def test_all_shipped_servers_are_listed(tmp_path: Path) -> None:
    """Those that are installed together, with variants and versions; the others; the scenarios."""
    every = _listed(folder=tmp_path)
    servers = {name: one for name, one in every.items() if one["environment"] == "shared"}
    apart = {name: one for name, one in every.items() if one["environment"] == "own"}
    assert {"h2corn", "nonecorn", "pounce", "socketify"} <= apart.keys()
    assert all(one["installed"] or one["fault"] or one["install"] for one in apart.values())
    assert {name: [v["name"] for v in s["variants"]] for name, s in servers.items()} == {
        "daphne": ["default"],
        "granian": ["default", "uvloop", "asyncio"],
        "gunicorn-asgi": ["default"],
        "gunicorn-uvicorn": ["default"],
        "hypercorn": ["default", "uvloop", "trio"],
        "uvicorn": ["default", "h11-asyncio"],
    }
    assert all(server["version"] for server in servers.values())
    assert all(v["reason"] is None for s in servers.values() for v in s["variants"])
    assert servers["uvicorn"]["missing"] == []
    assert servers["uvicorn"]["install"] is None
    document = json.loads(_run("list", "--json", folder=tmp_path).stdout)
    names = [scenario["name"] for scenario in document["scenarios"]]
    assert names == list(load_scenarios(shipped_apps() / "scenarios.toml"))
    assert names[0] == "hello"


def test_what_is_missing_comes_with_how_to_install_it(tmp_path: Path, runners: Path) -> None:
    """A user's servers are listed too; each that can't be started says why."""
    servers = _listed("--runners", str(runners), folder=tmp_path)
    lacking = servers["lacking"]
    assert lacking["missing"] == ["no-such-package[x]>=1"]
    assert lacking["install"] == "pip install 'no-such-package[x]>=1'"
    assert lacking["version"] is None
    (variant,) = servers["elsewhere"]["variants"]
    assert variant["reason"] == "not installed: no program 'no-such-program' on the PATH"


def test_the_text_says_the_same(tmp_path: Path, runners: Path) -> None:
    """The tables name servers, versions and variants; an install command is never wrapped."""
    done = _run("list", "--runners", str(runners), folder=tmp_path)
    assert done.returncode == 0
    assert "lacking/default: not installed: pip install 'no-such-package[x]>=1'\n" in done.stdout
    for word in ("gunicorn-uvicorn", "h11-asyncio", "missing", "ready", "unknown", "hello"):
        assert word in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("list", "--runners", "nowhere"), "asgi-bench: nowhere: no such folder of runner files\n"),
        (("lists",), "No such command 'lists'"),
        (("list", "--colour"), "No such option"),
    ],
)
def test_a_wrong_use_exits_with_2(tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    """A user's mistake is told on stderr in plain words, without a traceback."""
    done = _run(*args, folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_broken_runner_file_is_one_line(tmp_path: Path) -> None:
    """The line names the file, the key and what is allowed."""
    (tmp_path / "bad.toml").write_text('command = ["x"]\nsuports = []')
    done = _run("list", "--runners", ".", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "asgi-bench: bad.toml: unknown key 'suports'; allowed: bind, command,"
    )
    assert done.stderr.count("\n") == 1


def test_a_project_sets_defaults_and_the_command_line_wins(tmp_path: Path, runners: Path) -> None:
    """`runners` in pyproject.toml adds servers; a flag replaces it; a typo there is an error."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "third.toml").write_text('command = ["{python}", "{port}"]')
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.asgi-bench]\nrunners = "runners"')
    assert "lacking" in _listed(folder=other)
    named = _listed("--runners", ".", folder=other)
    assert "third" in named
    assert "lacking" not in named
    project.write_text('[tool.asgi-bench]\nruners = "runners"')
    done = _run("list", folder=other)
    assert done.returncode == 2
    assert f"{project}: [tool.asgi-bench]: unknown key 'runers'; allowed:" in done.stderr


def test_the_bare_command_explains_itself(tmp_path: Path) -> None:
    """Without a verb the help is shown, as a mistake; `--version` is none."""
    bare = _run(folder=tmp_path)
    assert (bare.returncode, "list" in bare.stdout) == (2, True)
    version = _run("--version", folder=tmp_path)
    assert version.returncode == 0
    assert version.stdout.startswith("asgi-bench ")
