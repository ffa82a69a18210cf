import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.ab.differences import Pair, pairs_of, side_differences
from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.model import Difference, PlannedCell, Proof, Run, Setup
from asgi_bench.reporting.ab import render_ab
from tests.situation import Said, situation
from tests.synthetic_sides import CELL, ab_run

BASELINE = Setup("baseline", "/one/bin/python", packages={"uvicorn": "0.50.0", "h11": "0.16"})
PACKAGES = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["1", "2"]))


def changed(**changes: object) -> tuple[Difference, ...]:
    """What is told of a candidate that differs from the baseline in this."""
    return side_differences(BASELINE, msgspec.structs.replace(BASELINE, **changes))


def test_the_same_in_another_place_is_no_difference() -> None:
    """Where an environment lies, what it is called and which side it is says nothing."""
    assert changed(name="candidate", python="/other/bin/python", description="h11==0.16") == ()


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


def test_two_commits_are_one_difference() -> None:
    """With what either side is of."""
    one, other = (msgspec.structs.replace(BASELINE, commit=commit) for commit in ("abc", "def"))
    assert side_differences(one, other) == (Difference("commit", "commit", "abc", "def"),)


def given_variables(baseline: dict[str, str], candidate: dict[str, str]) -> Pair:
    """A server that was given these variables on either side."""
    one, other = (PlannedCell(CELL, env=env) for env in (baseline, candidate))
    return Pair("", (one, other), None)


def test_variables_that_asgi_bench_sets_may_differ() -> None:
    """Those that the user set are told, once."""
    pair = given_variables(
        {"ASGI_BENCH_PROOF": "1", "A": "1", "B": "1"}, {"ASGI_BENCH_PROOF": "2", "A": "2", "B": "1"}
    )
    found = Difference("env", "A", "1", "2")
    assert side_differences(BASELINE, BASELINE, [pair]) == (found,)
    one, other = (msgspec.structs.replace(BASELINE, env={"A": value}) for value in "12")
    assert side_differences(one, other, [pair]) == (found,)


def test_the_app_s_folder_within_a_variable_is_no_difference_of_its_own() -> None:
    """It is told as the app's, and the rest of the variable is the same."""
    one, other = (
        msgspec.structs.replace(BASELINE, app_dir=folder) for folder in ("/one", "/other")
    )
    pair = given_variables({"PYTHONPATH": "/one/lib"}, {"PYTHONPATH": "/other/lib"})
    assert side_differences(one, other, [pair]) == (Difference("app", "app_dir", "/one", "/other"),)


@given(PACKAGES, PACKAGES)
def test_packages_are_compared_both_ways(ours: dict[str, str], theirs: dict[str, str]) -> None:
    """Each package that differs is told once, by name; turned round it is the same list."""
    old, new = (Setup("baseline", "python", packages=one) for one in (ours, theirs))
    found = side_differences(old, new)
    names = [one.name for one in found]
    assert names == sorted({name for name, _ in ours.items() ^ theirs.items()})
    turned = [Difference(one.kind, one.name, one.candidate, one.baseline) for one in found]
    assert list(side_differences(new, old)) == turned


def proven(*, baseline: Proof | None = None, **candidate: object) -> Run:
    """An A/A, but for what the proof of its candidate tells."""
    ours = baseline or Proof(
        "uvicorn/default@baseline/w1",
        loop="uvloop.Loop",
        parser="httptools.parser.parser.HttpRequestParser",
        socket_options={"TCP_NODELAY": 1, "TCP_CONGESTION": "cubic"},
        variables={"PATH": None, "MALLOC_ARENA_MAX": "2"},
    )
    theirs = msgspec.structs.replace(ours, setting="uvicorn/default@candidate/w1", **candidate)
    return msgspec.structs.replace(ab_run(0.0, blocks=3), proofs=(ours, theirs))


@situation(
    "gate",
    "`--loop auto` picks another event loop for the candidate, because a package brought it",
    says="What differs loop uvloop.Loop → rloop.loop.RLoop",
)
def test_another_loop_under_the_same_flags_is_told(said: Said) -> None:
    """What the proofs found is compared, whatever both command lines say."""
    said(render_ab(ab_report(proven(loop="rloop.loop.RLoop")), "text"))


@situation(
    "gate",
    "The new version of a server no longer sets TCP_NODELAY on what it accepts",
    says="What differs socket option TCP_NODELAY 1 → 0",
)
def test_other_options_of_the_sockets_are_told(said: Said) -> None:
    """Options of accepted sockets are compared one by one, of older proofs the one they have."""
    options = {"TCP_NODELAY": 0, "TCP_CONGESTION": "cubic"}
    said(render_ab(ab_report(proven(socket_options=options)), "text"))
    old = Proof("uvicorn/default@baseline/w1", tcp_nodelay=True)
    said(render_ab(ab_report(proven(baseline=old, tcp_nodelay=False)), "text"))


@situation(
    "gate",
    "`--candidate` is a wrapper around Python that sets an allocator's variable",
    says="What differs variable API_TOKEN none → set variable MALLOC_ARENA_MAX 2 → 1",
)
def test_a_variable_that_one_side_sets_by_itself_is_told(said: Said) -> None:
    """Variables are those that the processes began with; of most the name alone is known."""
    variables = {"PATH": None, "MALLOC_ARENA_MAX": "1", "API_TOKEN": None}
    report = ab_report(proven(variables=variables))
    (found,) = (one for one in report.differences if one.name == "API_TOKEN")
    assert (found.kind, found.baseline, found.candidate) == ("env", None, "set")
    said(render_ab(report, "text"))


@pytest.mark.parametrize("unproven", ["no answer", None])
def test_what_is_not_known_of_a_side_is_no_difference(unproven: str | None) -> None:
    """A side of which nothing was told differs in nothing that is known."""
    assert ab_report(proven(unproven=unproven, loop=None)).differences == (
        () if unproven else (Difference("running", "loop", "uvloop.Loop", None),)
    )


def test_of_several_servers_each_is_named() -> None:
    """With more than one setting what differs says under which."""
    other = msgspec.structs.replace(CELL, server="granian")
    run = ab_run(0.0, blocks=3, cells=(CELL, other))
    proofs = tuple(
        Proof(f"granian/default@{side}/w1", loop=loop)
        for side, loop in (("baseline", "a.Loop"), ("candidate", "b.Loop"))
    )
    (found,) = ab_report(msgspec.structs.replace(run, proofs=proofs)).differences
    assert found == Difference("running", "loop of granian/default/w1", "a.Loop", "b.Loop")


@situation(
    "gate",
    "`--candidate-ref` alone: the candidate is a commit, the baseline your files",
    says="What differs commit the working tree → abcdef012345",
)
def test_files_against_a_commit_are_told_as_such(said: Said) -> None:
    """The side without a commit is told as what it is, and folders of commits not at all."""
    run = ab_run(0.0, blocks=3)
    plan = run.header.plan
    one, control, other = plan.setups
    sides = (
        msgspec.structs.replace(one, app="shop:app", app_dir="/work"),
        control,
        msgspec.structs.replace(other, app="shop:app", app_dir="/cache/1", commit="abcdef0123456"),
    )
    header = msgspec.structs.replace(run.header, plan=msgspec.structs.replace(plan, setups=sides))
    report = ab_report(msgspec.structs.replace(run, header=header))
    assert [one.kind for one in report.differences] == ["commit"]
    said(render_ab(report, "text"))


@situation(
    "gate",
    "Both sides name the same app, from folders in which a module beside it is another one",
    says="What differs app_dir /one → /other module shop.settings 0123456789ab → ba9876543210",
)
def test_other_files_beside_the_app_are_told(said: Said) -> None:
    """Modules that were loaded are compared by digest, unless a commit tells what they are."""
    run = proven(
        baseline=Proof(
            "uvicorn/default@baseline/w1",
            modules={"shop": "00", "shop.settings": "0123456789ab"},
        ),
        modules={"shop": "00", "shop.settings": "ba9876543210"},
    )
    plan = run.header.plan
    one, control, other = (
        msgspec.structs.replace(side, app="shop:app", app_dir=folder)
        for side, folder in zip(plan.setups, ("/one", "/one", "/other"), strict=True)
    )

    def told(candidate: Setup) -> str:
        sides = (one, control, candidate)
        header = msgspec.structs.replace(
            run.header, plan=msgspec.structs.replace(plan, setups=sides)
        )
        return render_ab(ab_report(msgspec.structs.replace(run, header=header)), "text")

    said(told(other))
    assert "module" not in told(msgspec.structs.replace(other, commit="abc"))


def test_a_variable_that_names_the_app_s_folder_is_told_with_its_mark() -> None:
    """Where the rest of it differs: the same mark on both sides."""
    one, other = (
        msgspec.structs.replace(BASELINE, app_dir=folder) for folder in ("/one", "/other")
    )
    pair = given_variables({"A": "/one/lib"}, {"A": "/other/src"})
    (_, found) = side_differences(one, other, [pair])
    assert found == Difference("env", "A", "{app_dir}/lib", "{app_dir}/src")


def test_cells_without_a_side_belong_to_no_pair() -> None:
    """Only what was started on both sides is compared."""
    plan = ab_run(0.0, blocks=1).header.plan
    stray = PlannedCell(CELL, ("python",))
    assert pairs_of(msgspec.structs.replace(plan, cells=(stray, *plan.cells)), ()) == pairs_of(
        plan, ()
    )
