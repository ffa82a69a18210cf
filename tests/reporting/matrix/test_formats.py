import json
from typing import get_args

import msgspec
import pytest
from junitparser import JUnitXml

from asgi_bench.analysis.matrix import Accepted, judge_matrix
from asgi_bench.model.matrix import CheckEntry, Matrix, MatrixResult, Unchecked
from asgi_bench.reporting.matrix.formats import MatrixFormat, render_matrix

SAYS = "The server MUST NOT send content."
CHECKS = (
    CheckEntry("http.head", "http", "must", SAYS, "https://example.org/#head"),
    CheckEntry("http.date-once", "http", "should", SAYS, "https://example.org/#date"),
    CheckEntry("lifespan.state", "lifespan", "must", SAYS, "https://example.org/#state"),
    CheckEntry("scope.server", "scope", "must", SAYS, "https://example.org/#server"),
)
_MINE = ("mine", "1.0", "default", "CPython 3.11.7")
MATRIX = Matrix(
    tool_version="0.1.0",
    checked_at="2026-11-30T08:00:00Z",
    checks=CHECKS,
    results=(
        MatrixResult(
            *_MINE, "http.head", "must", "no", "came b'\x1b[31m<b>hello'", "https://e.org/1"
        ),
        MatrixResult(*_MINE, "http.date-once", "should", "no", "two dates"),
        MatrixResult(*_MINE, "lifespan.state", "must", "not offered", "no state"),
        MatrixResult(*_MINE, "scope.server", "must", "yes"),
    ),
    unchecked=(Unchecked("absent", "default", "not installed", False),),
)


@pytest.mark.parametrize("format", get_args(MatrixFormat))
def test_every_format_tells_what_was_seen(format: MatrixFormat) -> None:
    """Check, evidence, sentence and known issue, without control characters."""
    text = render_matrix(MATRIX, judge_matrix(MATRIX), format)
    for words in ("http.head", "hello", "https://e.org/1", SAYS):
        assert words in text
    assert "\x1b" not in text
    assert "<b>hello" not in text or format in ("text", "json")


def test_json_has_the_keys_that_are_promised() -> None:
    """It is read back as it was."""
    text = render_matrix(MATRIX, judge_matrix(MATRIX), "json")
    found = json.loads(text)
    assert (found["schema"], found["version"]) == ("asgi-bench/matrix", 1)
    promised = {"server", "server_version", "variant", "python", "check", "level", "result"}
    assert set(found["results"][0]) == promised | {"evidence", "known_issue"}
    assert msgspec.json.decode(text, type=Matrix) == MATRIX


def test_junit_counts_what_fails() -> None:
    """A failure is what counts; what was accepted or isn't offered is skipped."""
    suites = JUnitXml.fromstring(render_matrix(MATRIX, judge_matrix(MATRIX), "junit").encode())
    assert (suites.tests, suites.failures, suites.skipped) == (5, 1, 2)
    accepted = judge_matrix(MATRIX, [Accepted("http.head")], is_strict=True)
    suites = JUnitXml.fromstring(render_matrix(MATRIX, accepted, "junit").encode())
    assert (suites.failures, suites.skipped) == (1, 3)


def test_a_result_of_another_catalogue_is_told_without_a_sentence() -> None:
    """A check that the matrix has no entry for keeps its evidence, and the tables have a gap."""
    second = MatrixResult(
        "other", "2.0", "default", "CPython 3.11.7", "http.new", "must", "no", "x"
    )
    both = msgspec.structs.replace(MATRIX, results=(*MATRIX.results, second))
    text = render_matrix(both, judge_matrix(both), "markdown")
    assert "http.new" in text and "other" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| head ")]
    assert line.replace(" ", "").endswith("|no||")
