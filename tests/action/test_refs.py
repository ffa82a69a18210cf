from pathlib import Path

import pytest

from tests.action.job import Step, run_step
from tests.repositories import commit, git, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A branch with two commits of its own, beside one on `main`, merged as GitHub would."""
    folder = make_repository(tmp_path / "workspace")
    commit(folder, "first")
    commit(folder, "second")
    git(folder, "switch", "--quiet", "--create", "branch")
    commit(folder, "mine")
    commit(folder, "mine again")
    git(folder, "switch", "--quiet", "main")
    commit(folder, "another's")
    git(folder, "switch", "--quiet", "--detach", "main")
    git(folder, "merge", "--quiet", "--no-ff", "--message", "merge", "branch")
    git(folder, "tag", "merged")
    return folder


def refs(
    repository: Path,
    base: str = "",
    head: str = "HEAD",
    pull: str = "",
    tip: str = "",
    before: str = "",
) -> Step:
    """What the step finds; `pull` and `tip` are the event's base and head, `before` a push's."""
    env = {"BASE_REF": base, "HEAD_REF": head, "PUSH_BEFORE": before}
    env |= {"PULL_REQUEST_BASE": pull, "PULL_REQUEST_HEAD": tip}
    return run_step("refs", repository, repository.parent, **env)


def named(repository: Path, base: str, head: str) -> dict[str, str]:
    """Two commits by their names."""
    return {
        "base": git(repository, "rev-parse", base),
        "head": git(repository, "rev-parse", head),
    }


def test_a_merged_pull_request_is_compared_with_its_base(repository: Path) -> None:
    """Of the merge commit that GitHub checks out the base is the tip of the base branch."""
    tip = git(repository, "rev-parse", "main")
    assert refs(repository, pull=tip).outputs == named(repository, "main", "merged")


def test_a_stale_base_is_not_believed(repository: Path) -> None:
    """The merge may be newer than the event: what others merged between is not compared."""
    stale = git(repository, "rev-parse", "main~1")
    tip = git(repository, "rev-parse", "branch")
    assert refs(repository, pull=stale, tip=tip).outputs == named(repository, "main", "merged")


def test_a_branch_that_ends_in_a_merge_of_its_own_is_a_branch(repository: Path) -> None:
    """Checked out itself, its tip is no merge of GitHub's: its first parent is its own work."""
    git(repository, "switch", "--quiet", "branch")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "catch up", "main")
    found = refs(
        repository,
        pull=git(repository, "rev-parse", "main"),
        tip=git(repository, "rev-parse", "branch"),
    )
    assert found.outputs == named(repository, "main", "branch")


def test_a_branch_is_compared_with_where_it_began(repository: Path) -> None:
    """What others merged since is not the doing of a branch that is checked out itself."""
    git(repository, "switch", "--quiet", "branch")
    found = refs(repository, pull=git(repository, "rev-parse", "main"))
    assert found.outputs == named(repository, "branch~2", "branch")


def test_a_push_is_compared_with_what_it_found(repository: Path) -> None:
    """All its commits count, and not the last one alone."""
    git(repository, "switch", "--quiet", "branch")
    before = git(repository, "rev-parse", "branch~2")
    found = refs(repository, before=before)
    assert found.outputs == named(repository, "branch~2", "branch")
    assert "::notice::" not in found.said


def test_a_pull_request_is_not_compared_with_its_last_push(repository: Path) -> None:
    """Its events have a push's earlier commit too; its base is what counts."""
    before = git(repository, "rev-parse", "branch~1")
    tip = git(repository, "rev-parse", "main")
    found = refs(repository, pull=tip, before=before)
    assert found.outputs == named(repository, "main", "merged")


@pytest.mark.parametrize("before", ["", "0" * 40, "main", "--all"])
def test_else_a_push_is_compared_with_the_commit_before(repository: Path, before: str) -> None:
    """Where there is no push, or what it found is nothing, the base is the first parent."""
    git(repository, "switch", "--quiet", "main")
    found = refs(repository, before=before)
    assert found.outputs == named(repository, "main~1", "main")


@pytest.mark.parametrize("before", ["branch", "a" * 40, "main"])
def test_a_forced_push_is_compared_with_the_commit_before(repository: Path, before: str) -> None:
    """What a push left out, or did not change, is no base of it; the fall-back is said."""
    git(repository, "switch", "--quiet", "main")
    commit_hash = before if len(before) == 40 else git(repository, "rev-parse", before)
    found = refs(repository, before=commit_hash)
    assert found.outputs == named(repository, "main~1", "main")
    assert "::notice::compared with the commit before alone" in found.said


def test_refs_may_be_given(repository: Path) -> None:
    """Branches and tags name commits; `none` compares none."""
    found = refs(repository, base="main~1", head="branch")
    assert found.outputs == named(repository, "main~1", "branch")
    assert refs(repository, base="none").outputs == {"base": "", "head": ""}


@pytest.mark.parametrize("name", ["nowhere", "--all", "$(touch pwned)", "`touch pwned`", "a\nb=c"])
def test_what_is_no_commit_ends_the_job(repository: Path, name: str) -> None:
    """Whatever stands in a ref's place is never carried out, and the line says what to do."""
    for given in ({"base": name}, {"head": name}):
        step = refs(repository, **given)
        assert step.code == 1
        assert "::error::" in step.said
        assert "fetch-depth: 0" in step.said
        assert step.outputs == {}
    assert not (repository / "pwned").exists()


def test_a_shallow_checkout_is_told(repository: Path, tmp_path: Path) -> None:
    """A checkout of one commit has no base; the line says how to get it."""
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", str(shallow))
    assert "check out with fetch-depth: 0" in refs(shallow).said
    assert "check out with fetch-depth: 0" in refs(shallow, pull="a" * 40).said
