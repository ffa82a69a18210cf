"""What a plain `pip install` gives, away from the checkout: the wheel must carry all it needs."""

import os
import re
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_bench import __version__
from asgi_bench.store.runs import read_run
from tests.command_line import LOCK_PATIENCE_S, REFUSED
from tests.situation import Said, situation

ROOT = Path(__file__).resolve().parents[1]
# Packed from a clean tree, or from one in which others have left their caches.
LEFT_OUT = ("__pycache__",)
# What a bare `uvicorn` doesn't bring along.
NOT_BARE = ("uvloop", "httptools", "uvicorn_worker", "daphne", "granian", "gunicorn", "hypercorn")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel, and borrows this one's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    pip("--python", str(folder / "bin" / "python"), "install", "--no-deps", str(wheel))
    (own,) = folder.glob("lib/python*/site-packages")
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # Behind its own, and without the checkout: a folder named in a .pth has its own .pth ignored.
    (own / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def bare(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel and what it requires, and a bare `uvicorn`."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    (own,) = folder.glob("lib/python*/site-packages")
    (wheels,) = installed.parent.glob("lib/python*/site-packages")
    for entry in [*wheels.glob("asgi_bench*"), *Path(sysconfig.get_path("purelib")).iterdir()]:
        name = entry.name.lower().replace("-", "_")
        is_ours = name.startswith(("asgi_bench", "__editable__", "_virtualenv"))
        is_left_out = name.startswith(NOT_BARE) or (is_ours and entry.parent != wheels)
        if not is_left_out and not (own / entry.name).exists():
            (own / entry.name).symlink_to(entry)
    return folder / "bin"


def test_the_description_leads_to_files_of_this_version(wheel: Path) -> None:
    """What an index shows is README, each picture and link of it an address of a file there is."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        description = packed.read(name).decode()
    assert f"Version: {__version__}\n" in description
    assert "Description-Content-Type: text/markdown" in description
    assert "pip install 'asgi-bench[servers]'" in description
    assert not re.findall(r"\]\((?!https://|#)", description)
    ours = re.findall(rf"\]\(https://[\w./-]+/v{re.escape(__version__)}/([^)#]+)", description)
    assert any(path.endswith(".svg") for path in ours)
    for path in ours:
        assert (ROOT / path).exists(), path


def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """What is installed from source is what is installed from the wheel."""
    backend = tmp_path / "backend"
    pip("install", "--target", str(backend), "hatchling")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    own = {**os.environ, "PYTHONPATH": str(backend)}
    subprocess.run(argv, cwd=ROOT, env=own, check=True, capture_output=True, timeout=300)
    (sdist,) = tmp_path.glob("*.tar.gz")
    pip("wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(sdist))
    (other,) = tmp_path.glob("*.whl")
    assert contents(other) == contents(wheel)


def contents(wheel: Path) -> dict[str, int]:
    """Each file of a wheel, with the checksum of what it holds."""
    with zipfile.ZipFile(wheel) as packed:
        return {one.filename: one.CRC for one in packed.infolist()}


def pip(*arguments: str) -> None:
    """Run this environment's pip."""
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(argv, check=True, timeout=300)


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def call(bin_folder: Path, arguments: Sequence[str], folder: Path) -> list[str]:
    """Return what the installed command printed, by lines; it must exit with 0.

    While another run holds the machine, it is asked again.
    """
    argv = [str(bin_folder / "asgi-bench"), *arguments]
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        done = subprocess.run(
            argv, cwd=folder, env=_clean(), capture_output=True, text=True, timeout=120, check=False
        )
        if REFUSED not in done.stderr or time.monotonic() > deadline:
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout.splitlines()
        time.sleep(0.5)


@pytest.mark.parametrize("folder", ["apps", "runners"])
def test_the_wheel_carries_the_shipped_files(folder: str, wheel: Path) -> None:
    """Every file beside the checkout's apps and runners lies in the package, and nothing else."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not set(LEFT_OUT) & set(path.parts)
    }
    prefix = "asgi_bench/shipped/"
    with zipfile.ZipFile(wheel) as archive:
        names = [name.removeprefix(prefix) for name in archive.namelist()]
    assert {name for name in names if name.startswith(f"{folder}/")} == expected


def test_the_wheel_carries_the_package_alone(wheel: Path) -> None:
    """All of the package is there, types and schemas included, and no test or script."""
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "asgi_bench").rglob("*")
        if path.is_file() and not set(LEFT_OUT) & set(path.parts)
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name for name in names if not name.startswith("asgi_bench/shipped/")} == expected


def test_the_installed_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    """`asgi-bench --version` works, from the wheel and not from the checkout."""
    assert call(installed, ["--version"], tmp_path) == [f"asgi-bench {__version__}"]
    code = "import asgi_bench; print(asgi_bench.__file__)"
    argv = [str(installed / "python"), "-I", "-c", code]
    where = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_installed_command_lists_the_shipped_servers(installed: Path, tmp_path: Path) -> None:
    """`asgi-bench list` knows every shipped runner and scenario, from an empty folder."""
    text = "\n".join(call(installed, ["list"], tmp_path))
    for runner in (ROOT / "runners").glob("*.toml"):
        assert runner.stem in text
    assert "hello" in text


def test_the_installed_command_checks_a_server(installed: Path, tmp_path: Path) -> None:
    """`asgi-bench check` starts a shipped runner with a shipped app, from an empty folder."""
    call(installed, ["check", "--server", "uvicorn", "--variant", "default"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_measures(installed: Path, tmp_path: Path) -> None:
    """`asgi-bench run` measures, stores and draws with what the wheel brought along."""
    flags = ["--server", "uvicorn", "--variant", "default", "--workers", "1"]
    lines = call(installed, ["run", *flags, "--rounds", "1", "--duration", "200ms"], tmp_path)
    folder = tmp_path / lines[-1]
    run = read_run(folder)
    assert [trial.outcome for trial in run.trials] == ["ok"]
    assert run.trials[0].requests > 0
    assert list((folder / "charts").glob("*.svg"))
    assert str(ROOT) not in (folder / "run.json").read_text().replace(sys.prefix, "")


@situation(
    "alone",
    "You installed a bare `uvicorn`, without what makes it fast: what is installed is measured",
    says="skipped  uvicorn/default/w1/hello: not installed: pip install 'uvicorn[standard]'",
)
def test_what_is_installed_is_measured(said: Said, bare: Path, tmp_path: Path) -> None:
    """The variant that a bare uvicorn picks needs no more than that."""
    argv = [str(bare / "python"), "-m", "asgi_bench", "check", "--wait", f"{LOCK_PATIENCE_S:g}s"]
    done = subprocess.run(argv, cwd=tmp_path, env=_clean(), capture_output=True, text=True)
    said(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert line.startswith("ok       uvicorn/h11-asyncio/w1/hello")


@situation(
    "alone",
    "No server is installed at all",
    says="nothing can be measured: none of the chosen servers has everything it needs; … -m pip "
    "install daphne 'granian[uvloop]'",
)
def test_without_any_server_one_line_says_what_helps(
    said: Said, bare: Path, tmp_path: Path
) -> None:
    """Its command installs them for the interpreter that looked; nothing is written."""
    for entry in bare.parent.glob("lib/python*/site-packages/uvicorn*"):
        entry.unlink()
    argv = [str(bare / "python"), "-m", "asgi_bench", "run", "--rounds", "2"]
    done = subprocess.run(argv, cwd=tmp_path, env=_clean(), capture_output=True, text=True)
    said(done.stderr)
    assert f"; {bare / 'python'} -m pip install " in done.stderr
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert list(tmp_path.iterdir()) == []
