"""What is newest, asked of pip with a folder of wheels for an index."""

import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.setups.environments import overlay
from asgi_bench.setups.releases import Upgrade, upgrade_of, upgrades
from asgi_bench.setups.spec import Line

pytestmark = pytest.mark.slow


def _wheel(folder: Path, version: str) -> None:
    """Write a wheel of `tiny-server`."""
    info = f"tiny_server-{version}.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-server\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_server.py": "",
    }
    texts[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*texts, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"tiny_server-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in texts.items():
            wheel.writestr(name, text)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, and nothing else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def test_the_newest_release_is_told_where_it_is_another(index: Path) -> None:
    """With its extras; what is installed in its newest release already is left out."""
    _wheel(index, "1.0")
    python = overlay(sys.executable, [Line("tiny-server==1.0")], "--python", print).python
    assert upgrades(["tiny-server"], python) == ()
    _wheel(index, "1.10")
    _wheel(index, "1.9")
    asked = ["tiny-server", "tiny-server[fast]>=1"]
    assert upgrades(asked, python) == ("tiny-server[fast]==1.10",)


def test_what_pip_can_not_find_is_its_fault(index: Path) -> None:
    """One line says what was asked, and how pip ended."""
    with pytest.raises(BenchError, match=r"--upgrade: pip can't find the newest releases: "):
        upgrades(["tiny-server"], sys.executable)


def test_a_pinned_server_is_compared_with_the_newest(index: Path) -> None:
    """The pin is the baseline's, the newest release the candidate's, and both are the server."""
    for version in ("1.0", "1.10"):
        _wheel(index, version)
    runner = 'requires = ["tiny-server"]\ndistribution = "tiny-server"\ncommand = ["{python}"]\n'
    (index / "tiny.toml").write_text(runner)
    asked = Selection(servers=("tiny==1.0",), runner_folders=(index,))
    newest = ("tiny-server==1.10",)
    assert upgrade_of(asked) == Upgrade(("tiny",), ("tiny-server==1.0",), newest)
    # Nothing pinned, nothing installed: the candidate gets what there is.
    plain = msgspec.structs.replace(asked, servers=("tiny",))
    assert upgrade_of(plain) == Upgrade(("tiny",), (), newest)
    current = msgspec.structs.replace(asked, servers=("tiny==1.10",))
    assert upgrade_of(current).candidate == ()
    several = msgspec.structs.replace(asked, servers=("tiny==1.0", "tiny==1.10"))
    with pytest.raises(UsageError, match=r"use one of 1\.0 and 1\.10"):
        upgrade_of(several)


def test_a_server_with_an_environment_of_its_own_is_compared_with_that(index: Path) -> None:
    """Its runner file pins what it would have; the newest release is another one, or it isn't."""
    for version in ("1.0", "1.10"):
        _wheel(index, version)
    runner = (
        'requires = ["tiny-server"]\ndistribution = "tiny-server"\ncommand = ["{python}"]\n'
        'environment = "own"\npins = ["tiny-server==%s"]\n'
    )
    for name, version in (("old", "1.0"), ("new", "1.10")):
        (index / f"{name}.toml").write_text(runner % version)
    for name, candidate in (("old", ("tiny-server==1.10",)), ("new", ())):
        asked = Selection(servers=(name,), runner_folders=(index,))
        assert upgrade_of(asked) == Upgrade((name,), (), candidate)
