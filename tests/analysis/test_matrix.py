import pytest

from asgi_bench.analysis.matrix import Accepted, judge_matrix, read_accepted
from asgi_bench.errors import UsageError
from asgi_bench.model.matrix import CheckEntry, Level, Matrix, MatrixResult, Result, Unchecked

CHECKS = (
    CheckEntry("http.head", "http", "must", "A sentence.", "https://example.org/#head"),
    CheckEntry("http.date-once", "http", "should", "A sentence.", "https://example.org/#date"),
    CheckEntry("http.server-name", "http", "differs", "A sentence.", "https://example.org/#server"),
)


def result(check: str, level: Level, found: Result, server: str = "mine") -> MatrixResult:
    """Return a result of a server."""
    return MatrixResult(server, "1.0", "default", "CPython 3.11.7", check, level, found)


def matrix(*results: MatrixResult, unchecked: tuple[Unchecked, ...] = ()) -> Matrix:
    """Return a matrix with these results."""
    return Matrix(results=results, checks=CHECKS, unchecked=unchecked)


def test_only_what_a_server_must_fails() -> None:
    """A no at `must` fails, at `should` where it is strict, at `differs` never."""
    found = matrix(
        result("http.date-once", "should", "no"), result("http.server-name", "differs", "no")
    )
    assert not judge_matrix(found).is_failed
    strict = judge_matrix(found, is_strict=True)
    assert strict.is_failed
    assert [one.check for one in strict.failures] == ["http.date-once"]
    assert judge_matrix(matrix(result("http.head", "must", "no"))).is_failed


def test_what_was_accepted_does_not_fail() -> None:
    """An accepted failure passes, of the servers that it is accepted of."""
    found = matrix(result("http.head", "must", "no"), result("http.head", "must", "no", "other"))
    verdict = judge_matrix(found, [Accepted("http.head", "mi*")])
    assert [one.server for one in verdict.failures] == ["other"]
    assert [one.server for one in verdict.accepted] == ["mine"]
    assert not judge_matrix(found, [Accepted("http.head")]).is_failed
    assert judge_matrix(found, [Accepted("http.head", "mine/other")]).is_failed


def test_an_accepted_failure_that_passes_is_named() -> None:
    """It fails only where it is strict; what can't be told is no pass."""
    found = matrix(result("http.head", "must", "yes"), result("http.head", "must", "can't tell"))
    verdict = judge_matrix(found, [Accepted("http.head")])
    assert len(verdict.outdated) == 1
    assert not verdict.is_failed
    assert judge_matrix(found, [Accepted("http.head")], is_strict=True).is_failed


def test_a_server_that_does_not_start_fails() -> None:
    """One that isn't installed is skipped instead."""
    assert judge_matrix(matrix(unchecked=(Unchecked("mine", "default", "died", True),))).is_failed
    assert not judge_matrix(matrix(unchecked=(Unchecked("mine", "default", "absent"),))).is_failed


def test_a_list_of_accepted_failures_is_read() -> None:
    """A line is a check, or a server and a check; comments and empty lines are left out."""
    text = "# known\nhttp.head\n\nmine http.date-once  # issue 7\n"
    assert read_accepted(text, "known.txt", CHECKS) == (
        Accepted("http.head"),
        Accepted("http.date-once", "mine"),
    )


@pytest.mark.parametrize("line", ["http.heads", "mine http.head because", "http.head mine"])
def test_a_wrong_line_is_named(line: str) -> None:
    """File and line, and what is wrong with it."""
    with pytest.raises(UsageError, match=r"known.txt:2: (there is no check|expected CHECK)"):
        read_accepted(f"http.head\n{line}\n", "known.txt", CHECKS)
