import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.action.job import shell
from tests.action.workflows import EXAMPLES, steps_of

HEAD = "a" * 40
# Stands in for GitHub's client: notes what it is asked, and answers from the environment.
GH = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>asked
case $* in
*comments*--jq*) echo "$COMMENTS" ;;
*pulls/*) echo "$HEAD" ;;
esac
"""
ASGI_BENCH = """#!/usr/bin/env bash
echo "the report of $2 as $4"
"""


class Posted(NamedTuple):
    """How the step ended, what it asked GitHub, and what it would post."""

    code: int
    asked: list[str]
    comment: str


def posted(
    tmp_path: Path, files: Mapping[str, str], *, comments: str = "", head: str = HEAD
) -> Posted:
    """Run the example's last step on an artifact that holds these files."""
    (script,) = [
        one["run"] for one in steps_of(EXAMPLES / "asgi-bench-comment.yml") if "env" in one
    ]
    for name, text in files.items():
        path = tmp_path / "artifact" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in (("gh", GH), ("asgi-bench", ASGI_BENCH)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "REPOSITORY": "owner/name",
        "MEASURED_COMMIT": HEAD,
        "JOB": "https://example.org/job",
        "HEAD": head,
        "COMMENTS": comments,
    }
    done = subprocess.run([shell(), "-c", script], cwd=tmp_path, env=env, capture_output=True)
    asked, comment = tmp_path / "asked", tmp_path / "comment.md"
    return Posted(
        done.returncode,
        asked.read_text().splitlines() if asked.exists() else [],
        comment.read_text() if comment.exists() else "",
    )


RUN = {"pull-request": "12\n", "20261124T070000Z/run.json": "{}"}


def test_the_summary_is_made_anew_and_posted(tmp_path: Path) -> None:
    """The comment is made from the run's figures, not from a text that the job has left."""
    found = posted(tmp_path, {**RUN, "summary.md": "believe me"})
    assert found.code == 0
    assert "the report of artifact/20261124T070000Z as markdown" in found.comment
    assert "believe me" not in found.comment
    assert found.asked[-1] == (
        "api --method POST repos/owner/name/issues/12/comments --field body=@comment.md"
    )


def test_there_is_one_comment(tmp_path: Path) -> None:
    """An earlier one is edited in place."""
    found = posted(tmp_path, RUN, comments="77\n78")
    assert found.asked[-1] == (
        "api --method PATCH repos/owner/name/issues/comments/77 --field body=@comment.md"
    )


@pytest.mark.parametrize("number", ["", "x", "0", "-1", "12; touch pwned", "../../evil", "1" * 11])
def test_the_number_is_checked(tmp_path: Path, number: str) -> None:
    """What is no number is neither asked about nor posted to."""
    found = posted(tmp_path, {**RUN, "pull-request": f"{number}\n"})
    assert found.code != 0
    assert found.asked == []


def test_only_the_measured_pull_request_is_posted_to(tmp_path: Path) -> None:
    """A number of another pull request, whose commit is another, gets nothing."""
    found = posted(tmp_path, RUN, head="b" * 40)
    assert (found.code, len(found.asked), found.comment) == (0, 1, "")


def test_a_failure_is_posted_too(tmp_path: Path) -> None:
    """Without a run there is a line that nothing could be compared."""
    found = posted(tmp_path, {"pull-request": "12\n", "summary.md": "x"})
    assert "**failed**: nothing could be compared" in found.comment
    assert "(https://example.org/job)" in found.comment
