import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.side_differences import side_differences
from asgi_bench.model import Difference, Side

BASELINE = Side("baseline", "/one/bin/python", packages={"uvicorn": "0.50.0", "h11": "0.16"})
PACKAGES = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["1", "2"]))


def changed(**changes: object) -> tuple[Difference, ...]:
    """What is told of a candidate that differs from the baseline in this."""
    return side_differences(BASELINE, msgspec.structs.replace(BASELINE, **changes))


def test_the_same_in_another_place_is_no_difference() -> None:
    """Where an environment lies, what it is called and which side it is says nothing."""
    assert changed(role="candidate", python="/other/bin/python", description="h11==0.16") == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"commit": "abc"}, Difference("commit", "commit", None, "abc")),
        ({"app": "a:b"}, Difference("app", "app", None, "a:b")),
        ({"app_dir": "/x"}, Difference("app", "app_dir", None, "/x")),
        (
            {"server_args": ("--http", "h11 x")},
            Difference("args", "server flags", None, "--http 'h11 x'"),
        ),
        ({"env": {"A": ""}}, Difference("env", "A", None, "")),
        (
            {"python_version": "CPython 3.13.1"},
            Difference("python", "python", None, "CPython 3.13.1"),
        ),
        (
            {"packages": {"uvicorn": "0.51.0", "h11": "0.16"}},
            Difference("package", "uvicorn", "0.50.0", "0.51.0"),
        ),
        ({"packages": {"uvicorn": "0.50.0"}}, Difference("package", "h11", "0.16", None)),
    ],
)
def test_each_difference_is_told(changes: dict[str, object], found: Difference) -> None:
    """Whatever is not the same is told once, with both values."""
    assert changed(**changes) == (found,)


def test_the_folder_of_a_commit_is_no_difference_of_its_own() -> None:
    """A worktree lies somewhere; the commit tells what is in it."""
    found = changed(commit="abc", app_dir="/cache/abc/src")
    assert [one.kind for one in found] == ["commit"]


@given(PACKAGES, PACKAGES)
def test_packages_are_compared_both_ways(ours: dict[str, str], theirs: dict[str, str]) -> None:
    """Each package that differs is told once, by name; turned round it is the same list."""
    old, new = (Side("baseline", "python", packages=one) for one in (ours, theirs))
    found = side_differences(old, new)
    names = [one.name for one in found]
    assert names == sorted({name for name, _ in ours.items() ^ theirs.items()})
    turned = [Difference(one.kind, one.name, one.candidate, one.baseline) for one in found]
    assert list(side_differences(new, old)) == turned
