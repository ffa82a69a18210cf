"""What is newest, asked of pip with a folder of wheels for an index."""

import sys
import zipfile
from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.setups.environments import overlay
from asgi_bench.setups.releases import upgrades
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
    with pytest.raises(BenchError, match=r"--upgrade: pip can't tell what is newest: "):
        upgrades(["tiny-server"], sys.executable)
