import subprocess
import sys
from pathlib import Path

import pytest

from asgi_bench.errors import BenchError, UsageError
from asgi_bench.setups import worktrees
from asgi_bench.setups.worktrees import commit_of, repository_of, worktree
from tests.repositories import commit, git, make_repository


def test_a_commit_is_a_folder_for_a_while(tmp_path: Path, cache: Path) -> None:
    """It holds what was committed; afterwards neither the folder nor its entry is left."""
    repository = make_repository(tmp_path / "repository")
    (repository / "file").write_text("old")
    old = commit(repository, "old")
    (repository / "file").write_text("new")
    commit(repository, "new")
    (repository / "file").write_text("not committed")
    with worktree(repository, old) as first, worktree(repository, old) as second:
        assert first != second
        assert len(str(first)) == len(str(second))
        assert (first / "file").read_text() == "old"
        (first / "scratch").write_text("left by an app")
    assert git(repository, "worktree", "list").count("\n") == 0
    assert list((cache / "worktrees").iterdir()) == []
    assert (repository / "file").read_text() == "not committed"


def test_what_a_killed_run_left_is_removed(tmp_path: Path, cache: Path) -> None:
    """The next worktree sweeps those that nobody holds any more."""
    repository = make_repository(tmp_path / "repository")
    head = commit(repository, "first")
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from asgi_bench.setups.worktrees import worktree\n"
        "with worktree(Path(sys.argv[1]), sys.argv[2]):\n    os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(repository), head], check=True)
    (left,) = (cache / "worktrees").iterdir()
    with worktree(repository, head) as used:
        assert not left.exists()
        assert used.exists()
        with worktree(repository, head):
            assert used.exists()
    assert git(repository, "worktree", "list").count("\n") == 0


def test_refs_are_found(tmp_path: Path) -> None:
    """Branches, tags and hashes name commits, wherever in the repository one stands."""
    repository = make_repository(tmp_path / "repository")
    head = commit(repository, "first")
    git(repository, "tag", "-a", "v1", "-m", "the first")
    (repository / "inner").mkdir()
    assert repository_of(repository / "inner", "--baseline-ref") == repository
    for ref in ("HEAD", "main", "v1", head[:8]):
        assert commit_of(repository, ref, "--baseline-ref") == head


@pytest.mark.parametrize("ref", ["nowhere", "--all", "", "HEAD:file", "main..main"])
def test_what_is_no_commit_is_told(ref: str, tmp_path: Path) -> None:
    """One line names the flag and the ref, whatever git would take it for."""
    repository = make_repository(tmp_path / "repository")
    (repository / "file").write_text("x")
    commit(repository, "first")
    with pytest.raises(UsageError, match=r"--baseline-ref: .* is not a commit of"):
        commit_of(repository, ref, "--baseline-ref")


def test_a_folder_without_repository_is_told(tmp_path: Path) -> None:
    """One line says that there is none."""
    with pytest.raises(UsageError, match="is not in a git repository: fatal: not a git repo"):
        repository_of(tmp_path, "--baseline-ref")


def test_git_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git one line says so; within one of its hooks it still looks at the right place."""
    repository = make_repository(tmp_path / "repository")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert repository_of(repository, "--baseline-ref") == repository
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="needs git, and git is not installed"):
        repository_of(repository, "--baseline-ref")


def test_a_commit_that_is_not_there_is_told(tmp_path: Path, cache: Path) -> None:
    """One line with git's reason, and no folder is left."""
    repository = make_repository(tmp_path / "repository")
    told = "commit 000000000000 can't be checked out: fatal: "
    with pytest.raises(BenchError, match=told), worktree(repository, "0" * 40):
        pass
    assert list((cache / "worktrees").iterdir()) == []


def test_git_may_fail_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then its code is told; and if it never ends, how long that was waited for."""
    git_of_ours = tmp_path / "git"
    git_of_ours.write_text("#!/bin/sh\nexit 3\n")
    git_of_ours.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UsageError, match="is not in a git repository: git ended with code 3"):
        repository_of(tmp_path, "--baseline-ref")
    git_of_ours.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(worktrees, "GIT_TIMEOUT_S", 0.2)
    with pytest.raises(BenchError, match=r"git rev-parse took more than 0\.2 s"):
        repository_of(tmp_path, "--baseline-ref")
