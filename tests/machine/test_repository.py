import subprocess
from pathlib import Path

import pytest

from asgi_bench.machine.repository import source_of


def git(folder: Path, *args: str) -> str:
    """Run git in a folder, whatever the user's own settings are."""
    settings = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *settings, *args], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, and an app in a folder of it."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("app = None\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Add an app\n\nIts body.")
    return tmp_path


def test_commit_around_a_folder(repository: Path) -> None:
    """A folder within the work tree has its commit, subject, time and branch."""
    source = source_of(repository / "src")
    assert source is not None
    assert source.commit == git(repository, "rev-parse", "HEAD")
    assert (source.branch, source.dirty, source.subject) == ("trunk", False, "Add an app")
    assert source.committed_at == git(repository, "log", "-1", "--format=%cI")


def test_changes_make_it_dirty(repository: Path) -> None:
    """A tracked file that differs does, a new one that git doesn't know does not."""
    (repository / "notes.txt").write_text("mine")
    clean = source_of(repository)
    (repository / "src" / "app.py").write_text("app = 1\n")
    changed = source_of(repository)
    assert clean is not None and not clean.dirty
    assert changed is not None and changed.dirty


def test_detached_head_has_no_branch(repository: Path) -> None:
    """As CI checks out."""
    git(repository, "checkout", "--quiet", "--detach")
    source = source_of(repository)
    assert source is not None and source.branch is None


def test_no_repository_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a plain folder, nor one without a commit, nor a machine without git is a fault."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source_of(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert source_of(tmp_path) is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert source_of(tmp_path) is None
