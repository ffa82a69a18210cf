import json
from pathlib import Path

import pytest

from asgi_bench.conformance.catalogue import ENTRIES
from asgi_bench.conformance.known_issues import known_issue, known_issues
from tests.command_line import Finished, in_process

RUNNERS = Path(__file__).with_name("runners")
OTHER_WAYS = {"scope.server-unix", "scope.client-unix", "scope.scheme-https"}


def matrix(folder: Path, *more: str) -> Finished:
    """Hold the small server to all checks, as its author would: by one file in a folder."""
    runners = folder / "runners"
    runners.mkdir()
    text = (RUNNERS / "good.toml").read_text().replace("{here}", str(RUNNERS))
    (runners / "newcomer.toml").write_text(text)
    return in_process(
        *("check", "--matrix", "--runners", str(runners), "-s", "newcomer", *more), folder=folder
    )


@pytest.mark.slow
def test_a_server_is_checked_by_its_runner_file_alone(tmp_path: Path) -> None:
    """The one that does all right passes, from start to stop; ways it lacks are not offered."""
    finished = matrix(tmp_path, "--format", "json")
    found = json.loads(finished.stdout)
    assert len(found["results"]) == len(ENTRIES)
    left = [one for one in found["results"] if one["result"] == "not offered"]
    others = [one for one in found["results"] if one["result"] not in ("yes", "not offered")]
    allowed = {"http.bare-lf", "connections.half-closed", "websocket.compression"}
    assert {one["check"] for one in others} <= allowed, others
    assert {one["check"] for one in left} >= OTHER_WAYS
    assert all(
        one["check"] in OTHER_WAYS or "http2" in one["check"] or "tls" in one["check"]
        for one in left
    )
    assert finished.code == 0


@pytest.mark.slow
def test_a_fault_fails_the_command_unless_it_is_accepted(tmp_path: Path) -> None:
    """Exit code 1, and 0 with the list; a line that is no longer true is named."""
    accepted = tmp_path / "accepted.txt"
    accepted.write_text("newcomer http.host-missing\nhttp.head\n")
    finished = matrix(tmp_path, "--variant", "bad", "--accept", str(accepted))
    assert finished.code == 0
    assert "accepted, but passes now: newcomer/bad http.head" in finished.stderr
    assert "http.host-missing (accepted)" in finished.stdout


def test_flags_of_the_matrix_need_it(tmp_path: Path) -> None:
    """--format, --accept and --strict mean nothing to a plain check."""
    for flags in (["--format", "json"], ["--strict"], ["--accept", __file__]):
        finished = in_process("check", *flags, folder=tmp_path)
        assert finished.code == 2
        assert "add --matrix" in finished.stderr


def test_what_is_known_upstream_is_of_checks_that_there_are() -> None:
    """Every entry names a check and links it; it is found by the distribution."""
    names = {entry.id for entry in ENTRIES}
    for issue in known_issues():
        assert issue.check in names
        assert issue.link.startswith("https://")
    first = known_issues()[0]
    assert known_issue(first.check, {first.distribution, "other"}) == first.link
    assert known_issue(first.check, {"other"}) is None
