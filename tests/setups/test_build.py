import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.errors import UsageError
from asgi_bench.model import Setup
from asgi_bench.setups.build import built_setups
from asgi_bench.setups.environments import overlay
from asgi_bench.setups.spec import Asked, Line
from tests.repositories import commit, git, make_repository
from tests.setups.test_environments import answer
from tests.setups.tiny_project import write_project

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def sides(
    baseline: Asked, candidate: Asked, own: OwnApp | None = None, python: str = sys.executable
) -> Iterator[tuple[Setup, Setup]]:
    """Both sides, built."""
    with built_setups((baseline, candidate), python=python, own_app=own, announce=print) as both:
        first, second = both
        yield first, second


def environment_with(project: Path) -> str:
    """The interpreter of a user's environment that has a project of theirs installed."""
    python = overlay(sys.executable, [Line("tiny", str(project))], "--python", print).python
    # Their own pip would have noted where it was installed from.
    (noted,) = Path(python).parents[1].rglob("direct_url.json")
    noted.write_text(json.dumps({"url": project.as_uri(), "dir_info": {}}))
    return python


def test_what_is_not_given_is_the_same() -> None:
    """Flags alone leave the environment, the app and its folder as they are."""
    candidate = Asked("candidate", server_args=("--http", "h11"))
    with sides(Asked("baseline"), candidate) as (first, second):
        assert (first.python, second.python) == (sys.executable, sys.executable)
        assert (first.app, first.app_dir, second.app, second.app_dir) == (None,) * 4
        assert first.packages == second.packages
        assert (first.server_args, second.server_args) == ((), ("--http", "h11"))
        assert (first.description, second.description) == ("installed", "--http h11")


@pytest.mark.slow
def test_packages_are_told(tmp_path: Path) -> None:
    """The packages of a side are those that its servers will import."""
    project = write_project(tmp_path / "project", version="7")
    candidate = Asked("candidate", texts=(str(project),))
    with sides(Asked("baseline"), candidate) as (first, second):
        assert second.packages == {**first.packages, "tiny-server": "7"}
        assert second.python != first.python


def test_a_ref_is_checked_out_beside_the_working_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app's folder is the same one within the worktree; the working tree stays as it is."""
    repository = make_repository(tmp_path / "repository")
    (repository / "src").mkdir()
    (repository / "src" / "shop.py").write_text("old")
    old = commit(repository, "old")
    (repository / "src" / "shop.py").write_text("new")
    new = commit(repository, "new")
    own = OwnApp("shop:app", repository / "src")
    monkeypatch.chdir(repository)
    asked = Asked("baseline", ref="HEAD~1"), Asked("candidate", ref="main")
    with sides(*asked, own) as (first, second):
        assert (first.commit, second.commit) == (old, new)
        assert (first.app, second.app) == (None, None)
        assert first.app_dir is not None and second.app_dir is not None
        assert Path(first.app_dir, "shop.py").read_text() == "old"
        assert Path(second.app_dir, "shop.py").read_text() == "new"
        assert first.app_dir.endswith("/src")
        assert Path(first.app_dir).parent == Path(first.working_dir or "")
        assert (first.description, second.description) == ("HEAD~1", "main")
    assert git(repository, "worktree", "list").count("\n") == 0


def test_what_is_installed_from_the_repository_is_installed_from_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project in the user's environment is that of the commit on its side, without its needs."""
    repository = make_repository(tmp_path / "repository")
    project = write_project(repository / "packages" / "tiny", word="old")
    commit(repository, "old")
    theirs = environment_with(project)
    write_project(project, word="new", version="2.0", needs=("no-such-need",))
    commit(repository, "new")
    monkeypatch.chdir(repository)
    asked = Asked("baseline", ref="HEAD~1"), Asked("candidate", ref="HEAD")
    with sides(*asked, python=theirs) as both:
        words = [answer(one.python, "import tiny_server as t; print(t.WORD)") for one in both]
        assert words == ["old", "new"]
        assert [one.packages["tiny-server"] for one in both] == ["1.0", "2.0"]
        assert [one.app_dir for one in both] == [None, None]


@pytest.mark.slow
def test_a_commit_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second comparison takes what the first has built, though that one's worktree is gone."""
    repository = make_repository(tmp_path / "repository")
    project = write_project(repository / "packages" / "tiny", word="old")
    commit(repository, "old")
    theirs = environment_with(project)
    write_project(project, word="new")
    commit(repository, "new")
    monkeypatch.chdir(repository)
    capsys.readouterr()
    told = []
    for _ in range(2):
        with sides(_ref("HEAD~1"), Asked("candidate"), python=theirs) as (first, _second):
            assert answer(first.python, "import tiny_server as t; print(t.WORD)") == "old"
        told.append(capsys.readouterr().out)
    assert "--baseline-ref: building an environment with tiny-server of " in told[0]
    assert told[1] == ""


def test_a_ref_that_changes_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an app and with nothing installed from there, both sides would be the same."""
    repository = make_repository(tmp_path / "repository")
    commit(repository, "first")
    monkeypatch.chdir(repository)
    told = "--baseline-ref would change nothing"
    with pytest.raises(UsageError, match=told), sides(_ref("HEAD"), Asked("candidate")):
        pass


def test_a_folder_that_a_commit_lacks_is_told(tmp_path: Path) -> None:
    """An app's folder younger than the commit is one line, and leaves no worktree."""
    repository = make_repository(tmp_path / "repository")
    commit(repository, "first")
    (repository / "src").mkdir()
    own = OwnApp("shop:app", repository / "src")
    told = "--baseline-ref: commit .* has no folder src"
    with pytest.raises(UsageError, match=told), sides(_ref("HEAD"), Asked("candidate"), own):
        pass
    assert git(repository, "worktree", "list").count("\n") == 0


def _ref(ref: str) -> Asked:
    return Asked("baseline", ref=ref)


def test_a_package_hidden_by_a_folder_is_told(tmp_path: Path) -> None:
    """What lies beside the app and bears the package's name would be measured on both sides."""
    project = write_project(tmp_path / "project")
    app_dir = write_project(tmp_path / "app")
    own = OwnApp("shop:app", app_dir)
    candidate = Asked("candidate", texts=(str(project),))
    told = "--candidate: 'tiny_server' would be imported from .*/app/tiny_server.py"
    with pytest.raises(UsageError, match=told), sides(Asked("baseline"), candidate, own):
        pass


@pytest.mark.slow
def test_an_interpreter_is_a_side(tmp_path: Path) -> None:
    """Another interpreter runs the servers, with the packages that it has."""
    project = write_project(tmp_path / "project")
    theirs = overlay(sys.executable, [Line("tiny", str(project))], "--python", print).python
    with sides(Asked("baseline", texts=(theirs,)), Asked("candidate")) as (first, second):
        assert first.python == theirs
        assert "tiny-server" in first.packages
        assert second.python == sys.executable


def test_the_sides_may_have_apps_of_their_own(tmp_path: Path) -> None:
    """An app and its folder are those of the side that names them."""
    own = OwnApp("shop:app", tmp_path)
    (tmp_path / "other").mkdir()
    candidate = Asked("candidate", app="fast:app", app_dir=tmp_path / "other")
    with sides(Asked("baseline"), candidate, own) as (first, second):
        assert (first.app, first.app_dir) == (None, None)
        assert (second.app, second.app_dir) == ("fast:app", str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked("candidate", app="fast.py"), "--candidate-app: 'fast.py' must be module:attribute"),
        (
            Asked("candidate", app_dir=Path()),
            "--candidate-app-dir names the folder of your own app",
        ),
        (
            Asked("candidate", app="a:b", app_dir=Path("no")),
            "--candidate-app-dir: no is not a folder",
        ),
    ],
)
def test_flags_of_no_use_are_told(asked: Asked, told: str) -> None:
    """One line names the flag of the side."""
    with pytest.raises(UsageError, match=told), sides(Asked("baseline"), asked):
        pass
