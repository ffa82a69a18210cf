"""Who may be called faster, and how many are named."""

from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.estimates import Interval
from asgi_bench.reporting.run.claims import Effect, Phrases, compared, over

PHRASES = Phrases(
    than=" than it", neither=("is tied", "are tied"), neither_then=("is tied too", "are tied too")
)


def effect(name: str, value: float, spread: float = 0.01, *, claimed: bool = True) -> Effect:
    """A ratio with an interval of that share on either side."""
    return Effect(name, Interval(value, value * (1 - spread), value * (1 + spread)), claimed)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    """A ratio, claimed or not, of someone with a name of one letter."""
    ratio = draw(st.floats(0.01, 100, exclude_min=True).filter(lambda value: value != 1))
    return effect(draw(st.sampled_from("abcdef")), ratio, claimed=draw(st.booleans()))


@given(st.lists(effects(), min_size=1, max_size=12))
def test_words_follow_from_claims(members: list[Effect]) -> None:
    """Someone is faster only if a claim says so, slower likewise, and tied only without one."""
    text = compared(members, PHRASES)
    claimed = [one for one in members if one.is_claimed]
    assert ("faster" in text) == any(one.change > 0 for one in claimed)
    assert ("slower" in text) == any(one.change < 0 for one in claimed)
    assert ("tied" in text) == (len(claimed) < len(members))
    assert text.count("than it") == (1 if claimed else 0)


def test_a_wide_interval_makes_it_about() -> None:
    """A change that is hardly known is no exact figure."""
    assert compared([effect("a", 1.2)], PHRASES) == "a is 20% faster than it"
    assert compared([effect("a", 1.2, 0.1)], PHRASES) == "a is about 20% faster than it"


def test_more_than_three_are_counted() -> None:
    """The one that differs least and the one that differs most are named."""
    members = [effect(name, 1 - n / 10) for n, name in enumerate("abcd", start=1)]
    assert compared(members, PHRASES) == "4 settings are slower than it, by 10% (a) to 40% (d)"
    members[1] = members[1]._replace(is_suspect=True)
    assert compared(members, PHRASES).startswith("4 settings (1 of them suspect) are ")
    suspects = [one._replace(is_suspect=True) for one in members]
    assert compared(suspects, PHRASES).startswith("4 settings (all suspect) are ")


def test_a_ratio_of_estimates_is_as_wide_as_theirs() -> None:
    """Its bounds are the furthest that the bounds of both allow; without them it has none."""
    found = over(Interval(2.0, 1.0, 3.0), Interval(4.0, 2.0, 5.0))
    assert found == Interval(0.5, 0.2, 1.5)
    assert over(Interval(2.0), Interval(4.0)) == Interval(0.5)
    assert over(Interval(2.0), Interval()) == Interval()
