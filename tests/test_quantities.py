import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.errors import UsageError
from asgi_bench.quantities import (
    SECONDS,
    Changes,
    duration_text,
    parse_changes,
    parse_counts,
    parse_duration,
    parse_number,
    parse_share,
    parse_size,
    parse_whole,
    share_text,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2s", 2.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("1.5 h", 5400.0),
        (" 20us ", 2e-5),
        ("1m40s", 100.0),
    ],
)
def test_durations_carry_their_unit(text: str, seconds: float) -> None:
    """Each unit has its own size, and decimals count."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["2", "s", "", "2 days", "-2s", "2s3", "1e3s", "0s", "٢s", "2S", "9" * 400 + "s"]
)
def test_a_wrong_duration_is_one_clear_line(text: str) -> None:
    """What is no duration is refused with the flag's name, the text and an example."""
    with pytest.raises(UsageError, match=r"^--duration: ") as caught:
        parse_duration(text, "--duration")
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"), [("13B", 13), ("64kB", 64_000), ("64KiB", 65_536), ("1.5MiB", 1_572_864)]
)
def test_sizes_know_powers_of_ten_and_of_two(text: str, size: int) -> None:
    """`kB` is a thousand bytes, `KiB` 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["1", "1K", "1kb", "0B", "-1kB"])
def test_a_wrong_size_is_refused(text: str) -> None:
    """An unknown unit, none, or nothing at all is an error that names the flag."""
    with pytest.raises(UsageError, match=r"^--max-growth: "):
        parse_size(text, "--max-growth")


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.5 %", 0.005), ("0.03", 0.03)])
def test_shares_are_percent_or_plain(text: str, share: float) -> None:
    """`2%` is 0.02, and so is that."""
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["2", "0", "100%", "-1%", "%", "2%%", "nan", ""])
def test_a_wrong_share_is_refused(text: str) -> None:
    """None, all or more of something is no precision; the error names the flag."""
    with pytest.raises(UsageError, match=r"^--precision: .* such as 2%"):
        parse_share(text, "--precision")


def test_changes_are_of_all_metrics_or_of_some() -> None:
    """A share alone is that of all which have none of their own."""
    assert parse_changes("3%") == Changes(0.03)
    assert parse_changes("a=3%, b=0.5%") == Changes(None, {"a": 0.03, "b": 0.005})
    assert parse_changes("a=3%,2%") == Changes(0.02, {"a": 0.03})


@pytest.mark.parametrize("text", ["", "0", "2%,3%", "a=1%,a=2%", "=2%", "a=", "a", "2%,"])
def test_wrong_changes_are_refused(text: str) -> None:
    """No share, or two of the same; the error names the flag."""
    with pytest.raises(UsageError, match=r"^--min-change: "):
        parse_changes(text, "--min-change")


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever is typed, the result is a positive number or a usage error, never another one."""
    with contextlib.suppress(UsageError):
        assert parse_duration(text) > 0
        assert any(text.strip().endswith(unit) for unit in SECONDS)
    with contextlib.suppress(UsageError):
        found = parse_changes(text)
        assert all(0 < share < 1 for share in (*found.of.values(), found.share or 0.5))
    with contextlib.suppress(UsageError):
        assert 3 <= parse_whole(text, least=3, most=9) <= 9
    with contextlib.suppress(UsageError):
        assert 0.1 <= parse_number(text, least=0.1) < math.inf


@given(st.floats(0.001, 1e6).map(lambda value: float(f"{value:.6g}")))
def test_what_is_written_is_read_as_the_same(value: float) -> None:
    """Durations and shares come back from their text."""
    assert parse_duration(duration_text(value)) == pytest.approx(value)
    if value < 1:
        assert parse_share(share_text(value)) == pytest.approx(value)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_counts_keep_their_order_and_appear_once(numbers: list[int]) -> None:
    """`2,1,2` is 2 and 1."""
    text = ", ".join(map(str, numbers))
    assert parse_counts(text) == tuple(dict.fromkeys(numbers))


@pytest.mark.parametrize("text", ["", "0", "1,", "a", "1.5", "-1", "1 2", "9999999999"])
def test_wrong_counts_are_refused(text: str) -> None:
    """Zero, gaps, fractions and absurd numbers are errors that name the flag."""
    with pytest.raises(UsageError, match=r"^--workers: .* such as 1,2,4$"):
        parse_counts(text, "--workers")
