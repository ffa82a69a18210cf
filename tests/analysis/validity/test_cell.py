import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.validity.cell import NOT_REACHED, Verdict, judge_cell
from asgi_bench.analysis.validity.trial import worst_level
from asgi_bench.model import Reason, Trial, ValidityLevel


def trials(pattern: str) -> list[Trial]:
    """A trial for each letter: v(alid), s(uspect), i(nvalid), f(ailed), - for skipped."""
    made = []
    for number, letter in enumerate(pattern):
        trial = Trial("a/default/w1/hello/c64", number, 0, "2026-11-22T19:00:00Z", "ok")
        if letter in "si":
            level: ValidityLevel = "suspect" if letter == "s" else "invalid"
            reason = Reason("errors", level, 0.01 * (number + 1), 0.001, f"round {number}")
            trial = msgspec.structs.replace(trial, validity=level, validity_reasons=(reason,))
        elif letter == "f":
            trial = msgspec.structs.replace(trial, outcome="failed", reason="it exited")
        elif letter == "-":
            trial = msgspec.structs.replace(trial, outcome="skipped", reason="no such feature")
        made.append(trial)
    return made


def verdict(pattern: str, planned_rounds: int | None = None) -> Verdict:
    """The verdict on such a cell, by default of a run that was finished."""
    return judge_cell(trials(pattern), len(pattern) if planned_rounds is None else planned_rounds)


@pytest.mark.parametrize(
    ("pattern", "level", "codes"),
    [
        ("vvvvv", "valid", []),
        ("vvvvs", "valid", ["errors"]),
        ("vvs", "valid", ["errors"]),
        ("vvvss", "suspect", ["suspect-rounds", "errors"]),
        ("sssss", "suspect", ["suspect-rounds", "errors"]),
        ("vvvvi", "suspect", ["bad-rounds", "errors"]),
        ("vvvvf", "suspect", ["bad-rounds"]),
        ("vvii", "invalid", ["too-few-usable", "errors"]),
        ("vvi", "suspect", ["bad-rounds", "few-rounds", "errors"]),
        ("vvvvii", "suspect", ["bad-rounds", "errors"]),
        ("vvvii", "invalid", ["too-few-usable", "errors"]),
        ("vvvff", "invalid", ["too-few-usable"]),
        ("iiiii", "invalid", ["too-few-usable", "errors"]),
        ("vv", "valid", ["few-rounds"]),
        ("v", "valid", ["few-rounds"]),
        ("vf", "invalid", ["too-few-usable"]),
    ],
)
def test_cell_rules(pattern: str, level: str, codes: list[str]) -> None:
    """Invalid under two thirds usable, suspect with a bad round or over a third suspect."""
    found = verdict(pattern)
    assert (found.outcome, found.validity) == ("ok", level)
    assert [reason.code for reason in found.validity_reasons] == codes


@pytest.mark.parametrize(
    ("pattern", "code", "value", "limit"),
    [
        ("vvii", "too-few-usable", 1 / 2, 2 / 3),
        ("vvvvi", "bad-rounds", 1 / 5, 0.0),
        ("vvvss", "suspect-rounds", 2 / 5, 1 / 3),
    ],
)
def test_a_finding_on_rounds_has_their_share(
    pattern: str, code: str, value: float, limit: float
) -> None:
    """Of all that were run, beside the share that may be."""
    (reason,) = (one for one in verdict(pattern).validity_reasons if one.code == code)
    assert reason.value == pytest.approx(value)
    assert reason.limit == pytest.approx(limit)


@pytest.mark.parametrize("pattern", ["fff", "ffv", "fffvv", "ffi", "f"])
def test_more_than_half_failed_is_failed(pattern: str) -> None:
    """A cell of which most rounds failed has failed, with the reason, and is never valid."""
    found = verdict(pattern)
    assert (found.outcome, found.validity) == ("failed", "invalid")
    assert found.reason is not None
    assert "it exited" in found.reason


def test_failure_says_in_how_many_rounds() -> None:
    """A reader learns whether the server never came up or only sometimes not."""
    assert verdict("fffvv").reason == "in 3 of 5 rounds: it exited"
    assert verdict("fff").reason == "in all 3 rounds: it exited"
    assert verdict("f").reason == "it exited"


def test_skipped_rounds_make_a_skipped_cell() -> None:
    """A cell that was skipped carries its reason, and no verdict against it."""
    assert verdict("---") == Verdict("skipped", "no such feature", "valid", ())


def test_cell_that_was_never_reached_is_skipped() -> None:
    """A run that was stopped before a cell's first trial has a row for it nevertheless."""
    assert judge_cell([], 5) == Verdict("skipped", NOT_REACHED, "valid", ())


def test_stopped_run_is_told_and_as_valid_as_its_rounds() -> None:
    """Rounds that were never run are a note; those that were run count as ever."""
    found = verdict("vvv", planned_rounds=10)
    assert found.validity == "valid"
    assert [reason.code for reason in found.validity_reasons] == ["missing-rounds"]
    assert "3 of 10" in found.validity_reasons[0].text


def test_same_finding_is_told_once_with_its_worst_figure() -> None:
    """Five rounds with errors are one finding, that of the worst round, with their number."""
    (_, errors) = verdict("vssssv").validity_reasons
    assert errors.code == "errors"
    assert errors.value == pytest.approx(0.05)
    assert errors.text == "in 4 of 6 rounds, at worst: round 4"


def test_worst_of_a_share_that_should_be_high_is_the_lowest() -> None:
    """Where less is worse, the finding that is told is that with the lowest figure."""
    shares = (0.7, 0.2, 0.5)
    idle = [
        msgspec.structs.replace(
            trial,
            validity_reasons=(Reason("concurrency-bound", "valid", share, 0.9, f"{share}"),),
        )
        for trial, share in zip(trials("vvv"), shares, strict=True)
    ]
    (reason,) = judge_cell(idle, 3).validity_reasons
    assert reason.value == min(shares)


def test_finding_of_one_round_weighs_no_more_than_the_cell() -> None:
    """An invalid round makes a cell suspect, and so its finding is told as suspect."""
    found = verdict("vvvvi")
    assert {reason.level for reason in found.validity_reasons} == {"suspect"}


@given(st.text(alphabet="vsif", min_size=1, max_size=12), st.integers(min_value=0, max_value=14))
def test_level_is_that_of_its_reasons(pattern: str, planned_rounds: int) -> None:
    """A verdict always has a reason of its level, and none above it."""
    found = verdict(pattern, planned_rounds)
    if found.outcome == "ok":
        assert found.validity == worst_level(reason.level for reason in found.validity_reasons)


@given(st.text(alphabet="vsif-", max_size=12))
def test_rules_as_the_interface_states_them(pattern: str) -> None:
    """The verdict agrees with the rules in their own words, whatever the rounds."""
    found = verdict(pattern)
    tried = pattern.replace("-", "")
    rounds, usable = len(tried), tried.count("v") + tried.count("s")
    if not rounds:
        assert found.outcome == "skipped"
    elif tried.count("f") > rounds / 2:
        assert found.outcome == "failed"
    elif usable < rounds * 2 / 3:
        assert found.validity == "invalid"
    elif {"i", "f"} & set(tried) or tried.count("s") > rounds / 3:
        assert found.validity == "suspect"
    elif "-" not in pattern:
        assert found.validity == "valid"
