"""Servers in environments of their own, from `install` to `check`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.servers import load_servers
from asgi_bench.errors import BenchError
from asgi_bench.setups.install import install, prepare
from asgi_bench.setups.releases import Upgrade, upgrade_of
from tests.command_line import SERVERS, in_process
from tests.setups.tiny_project import write_project

pytestmark = pytest.mark.slow

RUNNER = """
requires = ["tiny-server"]
environment = "own"
{pins}
distribution = "tiny-server"
command = ["{{python}}", "{here}/server.py", "{{port}}", "--workers", "{{workers}}"]
"""


def with_wheel(folder: Path, version: str, module: str = "") -> None:
    """Put a wheel of `tiny-server` where pip looks for it."""
    project = write_project(folder / f"project-{version}", version=version)
    (project / "tiny_server.py").write_text(module)
    wheels = folder / "wheels"
    wheels.mkdir(exist_ok=True)
    code = "import backend, sys; backend.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, wheels], cwd=project, check=True)


@pytest.fixture
def runners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a runner file whose packages have three versions, of which 1.0 is pinned."""
    for version in ("1.0", "2.0"):
        with_wheel(tmp_path, version)
    with_wheel(tmp_path, "3.0", "raise ImportError('it needs more')")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    folder = tmp_path / "runners"
    folder.mkdir()
    pins = 'pins = ["tiny-server==1.0"]'
    (folder / "lone.toml").write_text(RUNNER.format(here=SERVERS, pins=pins))
    return folder


def test_a_server_gets_an_environment_and_runs_in_it(tmp_path: Path, runners: Path) -> None:
    """`list` says how to get it, `install` builds it as pinned, `check` starts it there."""
    mine = ("--runners", str(runners))

    def listed() -> dict[str, object]:
        done = in_process("list", "--json", *mine, folder=tmp_path)
        return next(one for one in json.loads(done.stdout)["servers"] if one["name"] == "lone")

    before = listed()
    assert (before["installed"], before["install"]) == (None, "asgi-bench install lone")
    made = in_process("install", "lone", *mine, folder=tmp_path)
    assert (made.code, made.stdout) == (0, "own       lone 1.0\n")
    after = listed()
    assert (after["installed"], after["version"], after["missing"]) == ("own", "1.0", [])
    done = in_process("check", "-s", "lone", "-w", "1", *mine, folder=tmp_path)
    assert done.stdout == "ok       lone/default/w1/hello\n1 ok, 0 failed, 0 skipped\n"
    shown = in_process("run", "-s", "lone", "-w", "1", "--dry-run", *mine, folder=tmp_path)
    assert f"lone/default/w1/hello/c64: {after['python']} " in shown.stdout


def test_versions_stand_side_by_side(tmp_path: Path, runners: Path) -> None:
    """What `-s` pins is built at once, and each version is a cell of its own."""
    done = in_process(
        *("check", "-s", "lone==1.0", "-s", "lone==2.0", "-w", "1", "--runners", str(runners)),
        folder=tmp_path,
    )
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("ok ")) == [
        "ok       lone==1.0/default/w1/hello",
        "ok       lone==2.0/default/w1/hello",
    ]


def test_an_a_b_of_a_pin_and_the_newest(tmp_path: Path, runners: Path) -> None:
    """Each side starts the server in an environment of its own, which has its own version."""
    flags = ("-w", "1", "--runners", str(runners), "--upgrade", "--dry-run")
    done = in_process("ab", "-s", "lone==1.0", *flags, folder=tmp_path)
    assert done.code == 0, done.stderr
    pythons = {
        line.partition("/w1/")[0]: line.partition(": ")[2].partition(" ")[0]
        for line in done.stdout.splitlines()
        if line.startswith("lone/")
    }
    ask = "from importlib.metadata import version; print(version('tiny-server'))"
    versions = {
        side: subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
        for side, python in pythons.items()
    }
    assert {side: told.stdout.strip() for side, told in versions.items()} == {
        "lone/default@baseline": "1.0",
        "lone/default@control": "1.0",
        "lone/default@candidate": "3.0",
    }


def test_what_can_not_be_used_says_why(tmp_path: Path, runners: Path) -> None:
    """A wheel that can't be imported, and one that isn't there, by `install` and by `check`."""
    (runners / "broken.toml").write_text(
        RUNNER.format(here=SERVERS, pins='pins = ["tiny-server==3.0"]')
    )
    (runners / "absent.toml").write_text(
        RUNNER.format(here=SERVERS, pins='pins = ["tiny-server==9.0"]')
    )
    mine = ("--runners", str(runners))
    made = in_process("install", "broken", "absent", *mine, folder=tmp_path)
    assert made.code == 1
    reason = "can't be imported: ImportError: it needs more"
    assert f"unusable  broken: {reason}\n" in made.stdout
    assert "unusable  absent: can't be installed: No matching distribution found" in made.stdout
    checked = in_process(
        *("check", "-s", "broken", "-s", "lone", "-s", "tiny", "-w", "1", "--variant", "default"),
        *(*mine, "--runners", str(SERVERS)),
        folder=tmp_path,
    )
    assert f"skipped  broken/default/w1/hello: {reason}\n" in checked.stdout
    assert "skipped  lone/default/w1/hello: not installed: asgi-bench install lone\n" in (
        checked.stdout
    )
    said = in_process("list", *mine, folder=tmp_path).stdout
    assert f"broken/default: {reason}\n" in said


def test_an_import_that_does_not_end_is_a_fault(
    tmp_path: Path, runners: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that would never start is told when it is installed, not when it is measured."""
    with_wheel(tmp_path, "4.0", "import time; time.sleep(60)")
    pins = 'pins = ["tiny-server==4.0"]'
    (runners / "stuck.toml").write_text(RUNNER.format(here=SERVERS, pins=pins))
    monkeypatch.setattr("asgi_bench.setups.install.IMPORT_TIMEOUT_S", 0.5)
    made = in_process("install", "stuck", "--runners", str(runners), folder=tmp_path)
    assert made.code == 1
    assert made.stdout == ("unusable  stuck: can't be imported: it takes more than 0.5 s\n")


def test_a_pinned_version_that_can_not_be_had_ends_the_command(runners: Path) -> None:
    """It was asked for by name; nothing is built where no server is asked for."""
    said: list[str] = []
    asked = Selection(servers=("lone==9.0",), runner_folders=(runners,))
    with pytest.raises(BenchError, match=r"^lone==9\.0: can't be installed: No matching dist"):
        prepare(asked, (sys.executable,), said.append)
    assert len(said) == 1
    prepare(Selection(runner_folders=(runners,)), (sys.executable,), said.append)
    assert len(said) == 1


def test_what_was_built_is_what_an_upgrade_is_compared_with(tmp_path: Path, runners: Path) -> None:
    """Where no version is pinned, that is the newest of then: a release since is a newer one."""
    (runners / "loose.toml").write_text(RUNNER.format(here=SERVERS, pins=""))
    loose = Selection(servers=("loose",), runner_folders=(runners,))
    assert upgrade_of(loose) == Upgrade(("loose",), (), ("tiny-server==3.0",))
    install(load_servers((runners,))["loose"], sys.executable, print)
    assert upgrade_of(loose).candidate == ()
    with_wheel(tmp_path, "4.0")
    assert upgrade_of(loose).candidate == ("tiny-server==4.0",)
