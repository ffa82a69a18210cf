"""Where the counts of two sides differ: the parts that changed most."""

from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.explanation import LEAST_CALLS, MOST_CHANGES, changed_most, explanations
from asgi_bench.model.counts import Backend, Breakdown, Change, Counter, Life, Tally

PARTS = st.dictionaries(st.text(max_size=3), st.floats(-1e9, 1e9), max_size=15)


def life(
    counter: Counter, requests: int, parts: dict[Breakdown, dict[str, int]], layout: int = 0
) -> Life:
    """A life whose total is that of its first breakdown."""
    total = sum(next(iter(parts.values())).values())
    backend: Backend = "monitoring" if counter == "python_calls" else "valgrind"
    return Life("uvicorn", counter, backend, layout, requests, 1.0, tally=Tally(total, parts))


@given(PARTS, PARTS, st.floats(0, 1e6))
def test_the_largest_changes_come_first(
    baseline: dict[str, float], candidate: dict[str, float], least: float
) -> None:
    """No change that is left out is larger than one that is told, and none is too small."""
    found = changed_most(baseline, candidate, least)
    sizes = [abs(one.candidate - one.baseline) for one in found]
    assert len(found) <= MOST_CHANGES
    assert sizes == sorted(sizes, reverse=True)
    assert all(size >= least and size > 0 for size in sizes)
    told = {one.name for one in found}
    others = {
        abs(candidate.get(name, 0.0) - baseline.get(name, 0.0))
        for name in {*baseline, *candidate} - told
    }
    if len(found) == MOST_CHANGES:
        assert max(others, default=0.0) <= sizes[-1]
    else:
        assert max(others, default=0.0) <= max(least, 1e-12)


@given(PARTS, PARTS)
def test_sides_that_change_places_change_signs(
    baseline: dict[str, float], candidate: dict[str, float]
) -> None:
    """What came is what goes the other way round, in the same order."""
    there = changed_most(baseline, candidate, 0.0)
    back = changed_most(candidate, baseline, 0.0)
    assert [(one.name, one.candidate, one.baseline) for one in back] == [
        (one.name, one.baseline, one.candidate) for one in there
    ]


def test_a_part_that_a_side_lacks_is_none_there() -> None:
    """A function that is new was called 0 times before."""
    found = changed_most({"f": 2.0}, {"f": 2.0, "g": 3.0}, LEAST_CALLS)
    assert found == (Change("g", 0.0, 3.0),)


def lives(calls: int, instructions: int) -> list[Life]:
    """Lives of one side: so many calls of `shop.work` and instructions in `libx.so` a request."""
    return [
        *(
            life("python_calls", n, {"python_function": {"start": 900, "shop.work": calls * n}})
            for n in (400, 2400)
        ),
        *(
            life("instructions", n, {"object": {"libx.so": 10**9 + instructions * n}})
            for n in (400, 2400)
        ),
    ]


def test_what_a_request_does_more_is_told_by_name() -> None:
    """Start and import fall out; what remains is per request, in each breakdown."""
    found = explanations("uvicorn", lives(0, 1000), lives(3, 1500))
    told = {one.by: (one.baseline, one.candidate, one.changes) for one in found}
    assert told == {
        "object": (1000, 1500, (Change("libx.so", 1000, 1500),)),
        "python_function": (0, 3, (Change("shop.work", 0, 3),)),
    }


def test_sides_that_do_the_same_have_no_change() -> None:
    """Nothing is told of an A/A."""
    found = explanations("uvicorn", lives(3, 1000), lives(3, 1000))
    assert [one.changes for one in found] == [(), ()]


def test_what_was_not_to_be_explained_is_not() -> None:
    """Lives that judge alone explain nothing."""
    judging = [life("syscalls", n, {"name": {"read": n}}) for n in (400, 2400)]
    assert explanations("uvicorn", judging, judging) == ()


def test_a_side_that_was_not_counted_leaves_its_breakdown_out() -> None:
    """Where one side's Python told nothing, the others stand."""
    silent = [one for one in lives(3, 1000) if one.counter != "python_calls"]
    assert {one.by for one in explanations("x", lives(3, 1000), silent)} == {"object"}
