import subprocess
import sys
import threading
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.setups.environments import COMPLETE_FILE, Overlay, overlay
from asgi_bench.setups.spec import Line, parse_environment
from tests.setups.tiny_project import write_project

pytestmark = pytest.mark.slow


def built(*texts: str, said: list[str] | None = None) -> Overlay:
    """The environment that `--candidate` with these values gives."""
    lines = parse_environment(texts, "--candidate").lines
    return overlay(sys.executable, lines, "--candidate", (said if said is not None else []).append)


def answer(python: str, code: str) -> str:
    """What an interpreter prints."""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_only_what_was_asked_for_differs(tmp_path: Path) -> None:
    """A source folder's package comes first; folder and environment of the user's stay as is."""
    project = write_project(tmp_path / "project", version="2.5", needs=("msgspec",))
    # Of a project whose files are linked from elsewhere they are found all the same.
    (project / "needs.txt").rename(tmp_path / "needs.txt")
    (project / "needs.txt").symlink_to("../needs.txt")
    before = sorted(project.rglob("*"))
    made = built(str(project))
    assert sorted(project.rglob("*")) == before
    assert made.installed == {"tiny-server": "2.5"}
    assert answer(made.python, "import tiny_server; print(tiny_server.WORD)") == "one"
    told = "import importlib.metadata as m, msgspec; print(m.version('msgspec'), msgspec.__file__)"
    assert answer(made.python, told) == answer(sys.executable, told)
    assert answer(made.python, told).startswith(version("msgspec"))
    with pytest.raises(ModuleNotFoundError):
        __import__("tiny_server")


@pytest.mark.slow
def test_the_cache_goes_by_content(tmp_path: Path) -> None:
    """The same content is built once; other content of the same version is another environment."""
    project = write_project(tmp_path / "project")
    said: list[str] = []
    first, again = built(str(project), said=said), built(str(project), said=said)
    assert first == again
    assert len(said) == 1
    write_project(project, word="two")
    changed = built(str(project), said=said)
    assert len(said) == 2
    assert changed.python != first.python
    words = [
        answer(one.python, "import tiny_server as t; print(t.WORD)") for one in (first, changed)
    ]
    assert words == ["one", "two"]


@pytest.mark.slow
def test_an_interrupted_build_starts_over(tmp_path: Path) -> None:
    """What was left unfinished is not taken for an environment."""
    project = write_project(tmp_path / "project")
    made = built(str(project))
    folder = Path(made.python).parents[1]
    (folder / COMPLETE_FILE).unlink()
    (folder / "bin" / "python").unlink()
    assert built(str(project)) == made
    assert answer(made.python, "import tiny_server as t; print(t.WORD)") == "one"


@pytest.mark.slow
def test_two_at_once_build_once(tmp_path: Path) -> None:
    """The second waits for the first, and takes what it has built."""
    project = write_project(tmp_path / "project")
    said: list[str] = []
    made: list[Overlay] = []
    both = [
        threading.Thread(target=lambda: made.append(built(str(project), said=said)))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(said) == 1
    assert made[0] == made[1]


def test_a_failed_build_is_one_line_with_what_pip_said(tmp_path: Path, cache: Path) -> None:
    """The line names flag and requirement, the account is pip's end; nothing is left behind."""
    with pytest.raises(BenchError) as fault:
        built("no-such-server==1.0")
    assert str(fault.value).startswith(
        "--candidate: 'no-such-server==1.0' can't be installed: No matching distribution found"
    )
    assert "no-such-server" in fault.value.account
    assert [one.suffix for one in (cache / "environments").iterdir()] == [".lock"]
    project = write_project(tmp_path / "project", needs=("no-such-need",))
    with pytest.raises(BenchError, match="No matching distribution found for no-such-need"):
        built(str(project))


@pytest.mark.slow
def test_a_wheel_of_the_installed_version_counts(tmp_path: Path) -> None:
    """A wheel is installed though the environment has that version of it: it may be patched."""
    project = write_project(tmp_path / "project", version=version("sniffio"))
    for name in ("pyproject.toml", "backend.py"):
        text = (project / name).read_text()
        text = text.replace("tiny-server", "sniffio").replace("tiny_server-", "sniffio-")
        (project / name).write_text(text)
    made = built(str(project))
    assert made.installed == {"sniffio": version("sniffio")}


@pytest.mark.slow
def test_without_needs_nothing_else_is_installed(tmp_path: Path) -> None:
    """A line without its needs leaves them to the user's environment."""
    project = write_project(tmp_path / "project", needs=("no-such-need",))
    line = Line("project", str(project), with_needs=False)
    made = overlay(sys.executable, [line], "--candidate-ref", print)
    assert made.installed == {"tiny-server": "1.0"}


@pytest.mark.slow
def test_what_leads_back_to_where_it_was_built_is_refused(tmp_path: Path) -> None:
    """The copy of a source folder is gone after the build, so nothing may depend on it."""
    project = write_project(tmp_path / "project")
    backend = project / "backend.py"
    text = backend.read_text()
    backend.write_text(
        text.replace('"tiny_server.py": open', '"tiny.pth": os.getcwd(), "x.py": open')
    )
    with pytest.raises(BenchError, match=r"can't be used: its tiny.pth leads back to the folder"):
        built(str(project))


def test_an_environment_without_pip_gets_none(tmp_path: Path) -> None:
    """One is borrowed for the build; what can't be installed is left out where that is allowed."""
    venv.create(tmp_path / "bare", symlinks=True)
    project = write_project(tmp_path / "project")
    lines = parse_environment(["no-such-server==1.0", str(project)], "--candidate").lines
    made = overlay(str(tmp_path / "bare" / "bin" / "python"), lines, "x", print, leaves_out=True)
    assert made.installed == {"tiny-server": "1.0"}
    assert list(made.left_out) == ["no-such-server==1.0"]
    assert "No matching distribution found" in made.left_out["no-such-server==1.0"]
    assert answer(made.python, "import tiny_server as t; print(t.WORD)") == "one"
    assert answer(made.python, "import importlib.util as u; print(u.find_spec('pip'))") == "None"
