"""`--python`: servers and app run in the user's own interpreter, which has nothing of ours."""

import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asgi_bench.analysis.summary import summarize
from asgi_bench.definitions.folders import shipped_runners
from asgi_bench.definitions.interpreters import program_of
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import plan_over_interpreters
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.measurement.proving import prove
from asgi_bench.model import Setup
from asgi_bench.store.runs import read_proofs
from tests.command_line import in_process

OWN = "{}.{}".format(*sys.version_info[:2])
OTHERS = [version for version in ("3.11", "3.12", "3.13") if version != OWN]
APP = """
import sys

import only_here


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = sys.prefix.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


def _with_needs(line: str, seen: set[str]) -> Iterator[metadata.Distribution]:
    """A distribution and all it needs, as installed here."""
    requirement = Requirement(line)
    found = metadata.distribution(requirement.name)
    yield found
    for text in found.requires or ():
        need = Requirement(text)
        is_meant = need.marker is None or any(
            need.marker.evaluate({"extra": extra}) for extra in (*requirement.extras, "")
        )
        if is_meant and canonicalize_name(need.name) not in seen:
            seen.add(canonicalize_name(need.name))
            yield from _with_needs(text, seen)


def _is_here(version: str) -> bool:
    try:
        return bool(program_of(version, "--python"))
    except UsageError:
        return False


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with uvicorn and what it needs, linked from this one, and a module."""
    folder = tmp_path_factory.mktemp("theirs") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / minor / "site-packages"
    for found in _with_needs("uvicorn[standard]", set()):
        tops = {file.parts[0] for file in found.files or () if file.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(str(found.locate_file(top)))
    (packages / "only_here.py").write_text("")
    return folder / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an app that only that environment can import."""
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


@pytest.mark.slow
def test_the_environment_has_nothing_of_ours(python: Path, tmp_path: Path) -> None:
    """Neither asgi-bench nor its own dependencies can be imported there; uvicorn can."""
    for name, is_there in (("asgi_bench", False), ("msgspec", False), ("uvicorn", True)):
        done = subprocess.run([python, "-c", f"import {name}"], cwd=tmp_path, capture_output=True)
        assert (done.returncode == 0) is is_there, name


@pytest.mark.slow
def test_a_server_of_theirs_is_measured(python: Path, project: Path) -> None:
    """With their packages, which the run states; what they lack is skipped with its command."""
    finished = in_process(
        *("run", "shop:app", "--python", str(python), "-s", "uvicorn", "-s", "granian", "-w", "1"),
        *("--variant", "default", "--rounds", "1", "--duration", "200ms", "-c", "4"),
        folder=project,
    )
    assert finished.code == ExitCode.OK, (finished.stdout, finished.stderr)
    header, (trial,) = finished.run.header, finished.run.trials
    assert (trial.outcome, trial.errors_total.total) == ("ok", 0)
    assert header.plan.python == str(python)
    # The app answers with the environment that it runs in.
    assert header.preparation.scenarios[0].expect_body == str(python.parents[1])
    # It was made by ours.
    assert header.server_python == header.machine.python
    assert "uvicorn" in header.server_packages
    assert "asgi-bench" not in header.server_packages
    skipped = {one.cell.server: one.skip_reason for one in header.plan.cells if one.skip_reason}
    assert skipped == {"granian": "not installed: pip install granian"}
    (proof,) = read_proofs(finished.run_folder)
    assert (proof.fault, proof.unproven, proof.loop) == (None, None, "uvloop.Loop")


@pytest.mark.slow
def test_our_own_interpreter_has_not_what_theirs_has(project: Path) -> None:
    """So an app that needs it can be imported by `--python` alone."""
    finished = in_process("check", "shop:app", folder=project)
    assert finished.code == ExitCode.USAGE
    assert finished.stderr.endswith("ModuleNotFoundError: No module named 'only_here'\n")


@pytest.mark.slow
def test_interpreters_are_measured_side_by_side(python: Path, tmp_path: Path) -> None:
    """Each server runs under both, has proven its own, and is compared with itself."""
    finished = in_process(
        *("run", "--python", f"{sys.executable},{python}", "-s", "uvicorn", "-w", "1"),
        *("--variant", "default", "--rounds", "1", "--duration", "200ms", "-c", "4"),
        folder=tmp_path,
    )
    assert finished.code == ExitCode.OK, (finished.stdout, finished.stderr)
    names = [OWN, f"{OWN}-2"]
    run = finished.run
    assert [setup.name for setup in run.header.plan.setups] == names
    assert [trial.outcome for trial in run.trials] == ["ok", "ok"]
    proofs = read_proofs(finished.run_folder)
    assert [proof.setting for proof in proofs] == [f"uvicorn/default@{name}/w1" for name in names]
    assert {(proof.fault, proof.gil) for proof in proofs} == {(None, True)}
    (ratio,) = summarize(run).setup_ratios
    assert ratio.cell.startswith(f"uvicorn/default@{OWN}-2/")
    assert ratio.throughput_ratio.value


@pytest.mark.slow
def test_a_version_has_the_servers_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """Asked for by number it is found, the server installed in the version that is here."""
    version = next(filter(_is_here, OTHERS), None)
    if version is None:
        pytest.skip(f"no other Python is here: {', '.join(OTHERS)}")
    finished = in_process(
        *("check", "--python", version, "-s", "uvicorn", "-w", "1", "--variant", "default"),
        folder=tmp_path,
    )
    assert finished.code == ExitCode.OK, (finished.stdout, finished.stderr)
    assert "1 ok, 0 failed, 0 skipped" in finished.stdout
    assert "uvloop.Loop" in finished.stdout


@pytest.mark.slow
def test_one_that_is_not_the_interpreter_it_says_fails(python: Path, tmp_path: Path) -> None:
    """A server that runs another Python than its cell's name says is no figure of that one."""
    runners = tmp_path / "runners"
    runners.mkdir()
    text = (shipped_runners() / "uvicorn.toml").read_text()
    (runners / "stubborn.toml").write_text(text.replace('"{python}"', f'"{sys.executable}"'))
    setup = Setup(name="0.0", python=str(python), python_version="CPython 0.0.0")
    selection = Selection(
        servers=("stubborn",), variants=("default",), workers=(1,), runner_folders=(runners,)
    )
    plan = plan_over_interpreters(selection, (setup,))
    (proof,) = prove(plan, lambda key, round, block: tmp_path / f"{round}-{block}.log")
    assert proof.fault is not None
    assert "its python is CPython" in proof.fault
    assert "states CPython 0.0.0" in proof.fault
