"""What is said of wrong answers: what came, how often, to which request, from which process."""

import msgspec
import pytest

from asgi_bench.analysis.validity.answers import (
    answer_words,
    errors,
    is_credited,
    server_ended,
    wrong_words,
)
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, ErrorCounts, PlannedCell, Trial, WrongAnswer
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
CELL = Cell("uvicorn", "default", 2, "hello", CLOSED_64)
PLAIN = WrongAnswer("status", "", "status 500", 0.0, 3)


def seen(trial: Trial) -> Evidence:
    """A trial as rules see it."""
    return Evidence(trial, CELL, plan_of((PlannedCell(CELL),)))


def sound() -> Trial:
    """A trial that nothing is wrong with."""
    return make_trial(CELL, 0, 0)


def test_an_answer_is_told_with_all_that_is_known_of_it() -> None:
    """Its headers and its body where it has some; how often where there are others."""
    assert answer_words(PLAIN) == "status 500"
    assert answer_words(PLAIN, with_count=True) == "3 times status 500"
    whole = replace(
        PLAIN,
        request="GET /a",
        pid=7,
        headers={"retry-after": "1"},
        body="'sorry'",
        body_bytes=5,
    )
    assert answer_words(whole) == (
        "status 500 to GET /a from process 7 (retry-after: 1, body: 'sorry')"
    )
    assert answer_words(replace(whole, body="", body_bytes=0, headers={})) == (
        "status 500 to GET /a from process 7 (no body)"
    )


def test_the_most_frequent_come_first_and_the_rest_is_counted() -> None:
    """Three are told; of those that were never counted only where there is nothing else."""
    kinds = [WrongAnswer("status", "", f"status 50{n}", 0.0, n) for n in range(6)]
    words = wrong_words(replace(sound(), wrong_answers=tuple(kinds)), CELL)
    assert words == (
        "5 times status 505",
        "4 times status 504",
        "3 times status 503",
        "2 more kinds are in trials.jsonl",
    )
    assert wrong_words(replace(sound(), wrong_answers=tuple(kinds[:1])), CELL) == ("status 500",)
    assert wrong_words(replace(sound(), wrong_answers=tuple(kinds[:2])), CELL) == ("status 501",)
    three = wrong_words(replace(sound(), wrong_answers=tuple(kinds[1:4])), CELL)
    assert three[-1] == "1 times status 501"


@pytest.mark.parametrize(
    ("wrong", "held", "is_told"),
    [
        ({"7": 100}, {"7": 4, "8": 4}, True),
        ({"7": 100, "8": 1}, {"7": 4, "8": 4}, True),
        ({"7": 99, "8": 1}, {"7": 4, "8": 4}, True),
        ({"7": 98, "8": 2}, {"7": 4, "8": 4}, False),
        ({"7": 100}, {"7": 8}, False),
        ({}, {"7": 4, "8": 4}, False),
    ],
)
def test_wrong_answers_of_some_workers_are_a_matter_of_theirs(
    wrong: dict[str, int], held: dict[str, int], is_told: bool
) -> None:
    """One in a hundred may be another's; a lone worker, or all of them, have no such state."""
    trial = replace(sound(), wrong_by_process=wrong, connections_by_process=held)
    told = [part for part in wrong_words(trial, CELL) if "workers sent wrong" in part]
    assert bool(told) is is_told
    if told:
        assert told[0].startswith("only 1 of 2 workers sent wrong responses (process 7): ")
    assert wrong_words(trial, replace(CELL, workers=1)) == ()


def test_a_server_that_ended_is_told_with_what_it_answered() -> None:
    """What was sent, without what was reset or never answered; never less than nothing."""
    assert server_ended(seen(sound())) is None
    ended = replace(sound(), server_ended="exited with code 3")
    for sent, reset, timeout, answered in ((100, 3, 4, 93), (5, 3, 4, 0)):
        counted = replace(
            ended, sent_total=sent, errors_total=ErrorCounts(reset=reset, timeout=timeout)
        )
        reason = server_ended(seen(counted))
        assert reason is not None
        assert (reason.code, reason.level, reason.value) == (
            "server-ended",
            "invalid",
            float(answered),
        )
        assert f"exited with code 3 under load, after {answered} requests" in reason.text


@pytest.mark.parametrize(
    ("counts", "has_advice"),
    [
        (ErrorCounts(status=5), False),
        (ErrorCounts(status=1, body=2, timeout=2), False),
        (ErrorCounts(status=1, body=1, timeout=2), True),
        (ErrorCounts(reset=5), True),
    ],
)
def test_a_log_is_named_where_most_errors_had_no_answer(
    counts: ErrorCounts, has_advice: bool
) -> None:
    """An answer tells for itself what is wrong."""
    trial = replace(sound(), errors=counts, wrong_answers=(PLAIN,))
    reason = errors(seen(trial))
    assert reason is not None
    assert ("see the server's log" in reason.text) is has_advice
    bare = errors(seen(replace(trial, wrong_answers=())))
    assert bare is not None
    assert "see the server's log" in bare.text


def test_one_invalid_finding_takes_the_credit() -> None:
    """Answers that another program gave are nobody's."""
    assert is_credited(sound())
    assert not is_credited(replace(sound(), strangers=1))
