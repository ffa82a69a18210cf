import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from asgi_bench.setups.environments import Site, environment_key
from asgi_bench.setups.spec import Line
from asgi_bench.setups.worktrees import worktree
from tests.repositories import commit, git, make_repository
from tests.setups.tiny_project import write_project

SITE = Site("3.11", ())
PIN = Line("uvicorn==0.50.0")


def key(*lines: Line, environ: Mapping[str, str] | None = None) -> str:
    """The key of an environment in front of the interpreter that runs the tests."""
    return environment_key(sys.executable, SITE, lines, environ or {})


def test_what_is_asked_for_counts(tmp_path: Path) -> None:
    """The same is the same; text, extras, needs and content make another; a range always does."""
    folder = Line("tiny", str(write_project(tmp_path / "project")))
    keys = [
        key(PIN),
        key(Line("uvicorn==0.51.0")),
        key(folder),
        key(msgspec.structs.replace(folder, extras="[fast]")),
        key(msgspec.structs.replace(folder, with_needs=False)),
        key(folder, PIN),
    ]
    assert (key(PIN), key(folder)) == (keys[0], keys[2])
    write_project(tmp_path / "project", word="two")
    keys += [key(folder), key(Line("uvicorn")), key(Line("uvicorn"))]
    assert len(set(keys)) == len(keys)


def test_a_worktree_is_what_lies_in_it(tmp_path: Path) -> None:
    """A commit's worktrees, each in a folder of its own, have one environment."""
    repository = make_repository(tmp_path / "repository")
    write_project(repository / "inner")
    (repository / "shared.txt").write_text("1")
    (repository / "inner" / "shared.txt").symlink_to("../shared.txt")
    head = commit(repository, "first")
    keys = set()
    for _ in range(2):
        with worktree(repository, head) as tree:
            keys.add(key(Line("tiny of it", str(tree / "inner"), with_needs=False)))
    assert len(keys) == 1


def test_tags_count(tmp_path: Path) -> None:
    """A version told by git changes with a tag, or a commit, and no file does."""
    project = write_project(make_repository(tmp_path / "repository"))
    line = Line("tiny", str(project))
    keys = [key(line)]
    commit(project, "first")
    keys.append(key(line))
    git(project, "tag", "v1")
    keys.append(key(line))
    commit(project, "nothing")
    keys.append(key(line))
    assert len(set(keys)) == 4
    assert key(line) == keys[-1]


def test_a_folder_needs_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git is not installed a source folder is told by its content alone."""
    line = Line("tiny", str(write_project(tmp_path / "project")))
    with_git = key(line)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert key(line) == with_git


@pytest.mark.parametrize(
    "name",
    [
        "PIP_NO_BINARY",
        "PIP_INDEX_URL",
        "PIP_CONSTRAINT",
        "CFLAGS",
        "SETUPTOOLS_SCM_PRETEND_VERSION",
    ],
)
def test_settings_of_a_build_count(name: str) -> None:
    """What pip and compilers would do otherwise is another environment; other variables are not."""
    keys = [key(PIN), key(PIN, environ={name: "a"}), key(PIN, environ={name: "b"})]
    assert len(set(keys)) == 3
    assert key(PIN, environ={name: "a", "HOME": "/", "NO_COLOR": "1"}) == keys[1]


def test_constraints_count_by_what_they_say(tmp_path: Path) -> None:
    """The files that a setting names are read, each of them; one that isn't there is pip's care."""
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("h11<0.16")
    environ = {"PIP_CONSTRAINT": f"{first} {second} {'x' * 5000}"}
    keys = [key(PIN, environ=environ)]
    for path, text in ((second, "wsproto<2"), (first, "h11<0.15")):
        path.write_text(text)
        keys.append(key(PIN, environ=environ))
    assert len(set(keys)) == 3
