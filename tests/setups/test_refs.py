"""What refs and folders give a setup where nothing has to be built."""

import sys
from pathlib import Path

import pytest

from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.errors import UsageError
from asgi_bench.setups.build import built_setups
from asgi_bench.setups.spec import Asked
from tests.repositories import commit, git, make_repository


def _built(own: OwnApp | None, *asked: Asked) -> list[tuple[str | None, str | None, str]]:
    """App folder, working folder and description of each setup, while they are there."""
    with built_setups(asked, python=sys.executable, own_app=own, announce=print) as setups:
        return [(one.app_dir, one.working_dir, one.description) for one in setups]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an app in a folder."""
    made = make_repository(tmp_path / "repository")
    (made / "src").mkdir()
    (made / "src" / "shop.py").write_text("app = 1")
    commit(made, "first")
    return made


def test_a_commit_is_checked_out_once(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setups of one commit have the same folder, by whatever names they ask for it."""
    monkeypatch.chdir(repository)
    own = OwnApp("shop:app", repository / "src")
    first, second = _built(own, Asked("baseline", ref="HEAD"), Asked("candidate", ref="main"))
    assert first[:2] == second[:2]
    assert (first[2], second[2]) == ("HEAD", "main")
    assert git(repository, "worktree", "list").count("\n") == 0


def test_servers_start_where_the_command_was_given(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same folder of the worktree, else its top; outside the repository just there."""
    own = OwnApp("shop:app", repository / "src")
    (repository / "younger").mkdir()
    places = {}
    for here in (repository / "src", repository / "younger", tmp_path):
        monkeypatch.chdir(here)
        ((app_dir, working_dir, _),) = _built(own, Asked("baseline", ref="HEAD"))
        assert app_dir is not None and working_dir is not None
        top = Path(app_dir).parent
        is_within = Path(working_dir).is_relative_to(top)
        places[here.name] = str(Path(working_dir).relative_to(top)) if is_within else working_dir
    assert places == {"src": "src", "younger": ".", tmp_path.name: str(tmp_path)}


def test_a_project_that_the_commit_lacks_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed by the project's name is expected in the commit, however it was noted."""
    monkeypatch.chdir(repository)
    (repository / "pyproject.toml").write_text("[project]\nname = 'MsgSpec'\n")
    told = r"--baseline-ref: msgspec is installed from \. of the repository, where commit .* has no"
    with pytest.raises(UsageError, match=told):
        _built(None, Asked("baseline", ref="HEAD"))
    assert git(repository, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("text", ["", "project = 3\n", "[project]\nversion = '1'\n"])
def test_a_project_without_a_name_is_none(
    repository: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Nothing is installed from it, so a ref alone changes nothing."""
    monkeypatch.chdir(repository)
    (repository / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match="--baseline-ref would change nothing"):
        _built(None, Asked("baseline", ref="HEAD"))


def test_a_folder_alone_describes_its_setup(tmp_path: Path) -> None:
    """The app is the same one, from another folder; with an app of its own that is told."""
    own = OwnApp("shop:app", tmp_path)
    (tmp_path / "new").mkdir()
    there = str(tmp_path / "new")
    alone = Asked("candidate", app_dir=tmp_path / "new")
    named = Asked("candidate", app="shop:fast", app_dir=tmp_path / "new", server_args=("-x", "1"))
    found = [(app_dir, told) for app_dir, _, told in _built(own, alone, named)]
    assert found == [(there, there), (there, "shop:fast, -x 1")]
