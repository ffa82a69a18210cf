"""What callgrind writes, read back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.counting.callgrind import (
    BadProfile,
    CFunction,
    Profile,
    merged,
    object_name,
    read_profile,
)
from asgi_bench.model.counts import UNPLACED

SAMPLES = Path(__file__).with_name("samples")
TINY = "/src/tiny"
IN_TINY = {
    CFunction(TINY, "(below main)"): 5,
    CFunction(TINY, "deep"): 111,
    CFunction(TINY, "twice"): 165,
}
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1).filter(
    lambda name: "'" not in name and not name.startswith(("(", "0x")) and name != "???"
)
COSTS = st.dictionaries(st.builds(CFunction, NAMES, NAMES), st.integers(0, 10**15), max_size=8)


def sample(name: str) -> str:
    """A file that valgrind wrote."""
    return (SAMPLES / name).read_text()


@pytest.mark.parametrize("name", ["tiny.callgrind.out", "tiny.plain.out"])
def test_callgrind_s_own_files_are_read(name: str) -> None:
    """Compressed or not, with jumps and instructions or without, a file says the same."""
    profile = read_profile(sample(name))
    assert profile == Profile(281, IN_TINY)
    assert profile.by_object == {TINY: 281}


def written(costs: dict[CFunction, int], *, numbered: bool, calls: bool) -> str:
    """Costs as callgrind writes them: names numbered once told, calls between the lines."""
    numbers: dict[tuple[str, str], int] = {}

    def name(space: str, text: str) -> str:
        if not numbered:
            return text
        known = (space, text) in numbers
        number = numbers.setdefault((space, text), len(numbers))
        return f"({number})" if known else f"({number}) {text}"

    total = sum(costs.values())
    lines = ["version: 1", "positions: line", "events: Dr Ir", f"summary: 7 {total}", ""]
    for (shared, function), cost in costs.items():
        lines += [f"ob={name('object', shared)}", "fl=(1) a.c", f"fn={name('function', function)}"]
        if calls:
            called = [f"cob={name('object', TINY)}", f"cfn={name('function', function)}"]
            lines += [*called, "calls=1 +3", "* 5 123456"]
        lines += [f"+2 9 {cost}", "-1 4", ""]
    return "\n".join([*lines, f"totals: 7 {total}", ""])


@given(COSTS, st.booleans(), st.booleans())
def test_what_is_written_is_read(costs: dict[CFunction, int], numbered: bool, calls: bool) -> None:
    """Every function has what stands in its own lines, and nothing of what it calls."""
    profile = read_profile(written(costs, numbered=numbered, calls=calls))
    assert profile.total == sum(costs.values())
    assert {key: count for key, count in profile.by_function.items() if count} == {
        key: count for key, count in costs.items() if count
    }


@given(st.integers(0, 530))
def test_a_file_that_ends_early_is_refused(length: int) -> None:
    """Of a process that was killed while it wrote, no other count is read than the whole."""
    whole = sample("tiny.callgrind.out")
    try:
        profile = read_profile(whole[:length])
    except BadProfile:
        return
    assert profile == read_profile(whole)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(sample("tiny.callgrind.out").splitlines()),
            st.sampled_from(["events:", "events: Ir", "totals: x", "totals:", "5 x", "fn=(9)"]),
        )
    ).map("\n".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text brings another fault than a bad profile."""
    try:
        profile = read_profile(text)
    except BadProfile:
        return
    assert sum(profile.by_function.values()) == profile.total


def test_a_fault_names_its_line() -> None:
    """What can't be read is quoted with its number."""
    with pytest.raises(BadProfile, match=r"line 2 can't be read: '5 many'"):
        read_profile("events: Ir\n5 many\n")


def test_lines_of_a_command_are_passed_over() -> None:
    """The head tells the command as it is, and a word of it may have several lines."""
    text = "cmd: python -c 1\n7\nfn=g\nevents: Ir\nfn=f\n1 4\ntotals: 4\n"
    assert read_profile(text).by_function == {CFunction(UNPLACED, "f"): 4}


def test_parts_that_do_not_come_to_the_total_are_refused() -> None:
    """A file that contradicts itself is no count."""
    with pytest.raises(BadProfile, match="its parts add up to 4, but it states 5"):
        read_profile("events: Ir\nfn=f\n1 4\ntotals: 5\n")


def test_processes_add_up() -> None:
    """Several processes are counted as one."""
    one, other = CFunction("a", "f"), CFunction("b", "f")
    both = merged([Profile(3, {one: 3}), Profile(5, {one: 1, other: 4}), Profile(0, {})])
    assert both == Profile(8, {one: 4, other: 4})
    assert both.by_object == {"a": 4, "b": 4}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6"),
        ("/a/lib/python3.12/site-packages/uvloop/loop.abi3.so", "uvloop/loop.abi3.so"),
        ("/usr/lib/python3/dist-packages/x.so", "x.so"),
        (UNPLACED, UNPLACED),
    ],
)
def test_an_object_has_the_same_name_in_every_environment(path: str, name: str) -> None:
    """Where two sides have it in other folders, it is the same object."""
    assert object_name(path) == name


def test_parts_come_to_the_total() -> None:
    """By object and by function it is the same total, whatever lies in folders of one name."""
    counted = {CFunction("/a/libx.so", "f"): 3, CFunction("/b/libx.so", "f"): 4}
    assert Profile(7, counted).parts() == {
        "object": {"libx.so": 7},
        "function": {"f [libx.so]": 7},
    }
