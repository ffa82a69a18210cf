from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asgi_bench.analysis.history.environment import KINDS, changes, surroundings
from asgi_bench.model import Gate, Proof, RunHeader, ServerEnvironment, Setup, WeightedRequest
from asgi_bench.store.runs import read_run
from tests.synthetic_history import run_at

replace = msgspec.structs.replace
RECORDED = Path(__file__).resolve().parents[2] / "results" / "recorded"


def with_scenario(**changed: Any) -> Callable[[RunHeader], RunHeader]:
    """The run whose only scenario is another one in this."""

    def edit(header: RunHeader) -> RunHeader:
        (scenario,) = header.plan.scenarios
        scenarios = (replace(scenario, **changed),)
        return replace(header, plan=replace(header.plan, scenarios=scenarios))

    return edit


def with_cells(**changed: Any) -> Callable[[RunHeader], RunHeader]:
    """The run whose cells are other ones in this."""

    def edit(header: RunHeader) -> RunHeader:
        cells = tuple(replace(planned, **changed) for planned in header.plan.cells)
        return replace(header, plan=replace(header.plan, cells=cells))

    return edit


def with_machine(**changed: Any) -> Callable[[RunHeader], RunHeader]:
    """The run on another machine."""
    return lambda header: replace(header, machine=replace(header.machine, **changed))


def with_python(version: str) -> Callable[[RunHeader], RunHeader]:
    """The run whose servers have an interpreter of their own, of that version."""
    return lambda header: replace(
        header, server_python=version, plan=replace(header.plan, python="/venv/bin/python")
    )


def differing(
    before: Callable[[RunHeader], RunHeader], after: Callable[[RunHeader], RunHeader]
) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """What differs in two runs that were the same before they were edited."""
    sides = (surroundings(edit(run_at(0).header)) for edit in (before, after))
    return {(each.kind, each.name): (each.before, each.after) for each in changes(*sides)}


def requests(*weights: float, **changed: Any) -> tuple[WeightedRequest, ...]:
    """So many requests; the last has what is given."""
    found = [WeightedRequest(f"r{place}", weight=weight) for place, weight in enumerate(weights)]
    return (*found[:-1], replace(found[-1], **changed))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            with_scenario(),
            with_scenario(headers={"accept": "text/html"}),
            {("load", "headers of scenario hello"): ("none", "accept: text/html")},
        ),
        (
            with_scenario(requests=requests(1, 2)),
            with_scenario(requests=requests(1, 3)),
            {("load", "weights of scenario hello"): ("r0 1, r1 2", "r0 1, r1 3")},
        ),
        (
            with_scenario(requests=requests(1, 2)),
            with_scenario(requests=requests(1, 2, path="/items")),
            {("load", "request r1 of scenario hello"): ("GET /", "GET /items")},
        ),
        (
            with_machine(details={"processor": "cpu family 23", "caches": "L2 512K"}),
            with_machine(details={"processor": "cpu family 25", "caches": "L2 1024K"}),
            {
                ("machine", "processor"): ("cpu family 23", "cpu family 25"),
                ("machine", "caches"): ("L2 512K", "L2 1024K"),
            },
        ),
        (
            with_python("CPython 3.11.7"),
            with_python("CPython 3.12.1"),
            {("interpreter", "of the servers"): ("CPython 3.11.7", "CPython 3.12.1")},
        ),
    ],
)
def test_what_differs_is_told(
    before: Callable[[RunHeader], RunHeader],
    after: Callable[[RunHeader], RunHeader],
    told: dict[tuple[str, str], tuple[str, str]],
) -> None:
    """Requests, processor and interpreter: each difference is told, and nothing else."""
    assert differing(before, after) == told


def test_interpreters_of_several_setups_are_told_by_name() -> None:
    """Each setup of a plan has facts of its own; an A/B has those of its baseline."""
    setups = tuple(
        Setup(name, f"/{name}/python", packages={"uvicorn": version}, python_version=name)
        for name, version in (("py3.12", "0.49"), ("py3.13", "0.50"))
    )
    header = run_at(0).header
    matrix = replace(header, plan=replace(header.plan, setups=setups))
    facts = surroundings(matrix)
    assert facts["interpreter of the servers of py3.13"] == "py3.13"
    assert facts["package uvicorn of py3.12"] == "0.49"
    ab = surroundings(replace(matrix, plan=replace(matrix.plan, gate=Gate())))
    assert (ab["interpreter of the servers"], ab["package uvicorn"]) == ("py3.12", "0.49")


def test_bodies_of_one_size_are_told_apart() -> None:
    """A body may be long or no text: its size and a digest stand for it."""
    for before, after in (
        ({"body": "aa"}, {"body": "ab"}),
        ({"body_bytes": b"\xff"}, {"body_bytes": b"\xfe"}),
    ):
        found = differing(with_scenario(**before), with_scenario(**after))
        ((old, new),) = found.values()
        assert old != new and list(found) == [("load", "body of scenario hello")]
        one, other = (with_scenario(requests=requests(1, **changed)) for changed in (before, after))
        assert list(differing(one, other)) == [("load", "body of request r0 of scenario hello")]


def test_variables_of_servers_are_told_wherever_the_app_lies() -> None:
    """A variable that is set for a server is a difference; the folder of the app in it is none."""
    here, there = (
        with_cells(env={"PYTHONPATH": f"{folder}:/lib"}, working_dir=folder)
        for folder in ("/a", "/b")
    )
    assert differing(here, there) == {}
    more = with_cells(env={"PYTHONPATH": "/a:/lib", "FOO": "1 2"}, working_dir="/a")
    found = differing(here, more)
    assert found["variables", "uvicorn/default/w1"] == (
        "PYTHONPATH='{app_dir}:/lib'",
        "FOO='1 2' PYTHONPATH='{app_dir}:/lib'",
    )
    assert {kind for kind, _ in found} == {"variables"}
    assert differing(with_cells(), with_cells(env={"A": "1"}))[
        "variables", "uvicorn/default/w1"
    ] == (
        "none",
        "A=1",
    )


def test_a_version_that_is_not_known_any_more_is_told() -> None:
    """It keeps a server from being a reference, so it must be named."""
    found = differing(with_cells(), with_cells(server_version=None))
    assert found["server", "uvicorn"] == ("1.2.3", "of unknown version")


def test_what_one_run_measures_alone_is_no_difference() -> None:
    """A server, or a scenario with another app, more or less leaves what both have the same."""

    def with_more(header: RunHeader) -> RunHeader:
        plan = header.plan
        other = replace(plan.scenarios[0], name="other", app="other:app")
        cells = (
            *(
                replace(
                    planned,
                    cell=replace(planned.cell, scenario="other"),
                    command=("python", "-m", planned.cell.server, "other:app"),
                )
                for planned in plan.cells
            ),
            replace(plan.cells[0], cell=replace(plan.cells[0].cell, server="new")),
        )
        return replace(
            header,
            plan=replace(plan, scenarios=(*plan.scenarios, other), cells=(*plan.cells, *cells)),
        )

    def serving(header: RunHeader) -> RunHeader:
        cells = tuple(
            replace(planned, command=("python", "-m", planned.cell.server, "hello:app"))
            for planned in header.plan.cells
        )
        return replace(header, plan=replace(header.plan, cells=cells))

    assert differing(serving, lambda header: with_more(serving(header))) == {}


def test_a_recorded_run_has_facts_of_known_kinds() -> None:
    """What is committed can still be compared, and each fact's first word is its kind."""
    for header in RECORDED.glob("*/run.json"):
        facts = surroundings(read_run(header.parent).header)
        assert {fact.partition(" ")[0] for fact in facts} <= set(KINDS)
        assert facts["variables uvicorn/default/w1"] == "PYTHONPATH='{app_dir}'"


def with_variables(**variables: str | None) -> Callable[[RunHeader], RunHeader]:
    """The run whose servers inherit these."""
    return lambda header: replace(header, variables=variables)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"PATH": None}, {"PATH": None, "FEATURE_X": None}, {"FEATURE_X": (None, "set")}),
        (
            {"PYTHONUNBUFFERED": "1", "MALLOC_CONF": "a"},
            {"MALLOC_CONF": "b"},
            {"PYTHONUNBUFFERED": ("1", None), "MALLOC_CONF": ("a", "b")},
        ),
        # An older run has recorded none.
        ({}, {"PATH": None}, {}),
        ({"PATH": None}, {}, {}),
    ],
)
def test_variables_that_servers_inherit_are_compared(
    before: dict[str, str | None],
    after: dict[str, str | None],
    told: dict[str, tuple[str | None, str | None]],
) -> None:
    """Each that is there in one run alone, or has another recorded value, by its name."""
    found = differing(with_variables(**before), with_variables(**after))
    assert found == {("environment", name): values for name, values in told.items()}


def test_what_ran_is_compared() -> None:
    """Loop, options of sockets and a wrapper's variables, as the proofs of both runs tell."""
    header = replace(run_at(0).header, variables={"PATH": None})
    setting = header.plan.cells[0].cell.setting
    old = Proof(setting, loop="a.Loop", tcp_nodelay=True, variables={"PATH": None})
    new = replace(
        old,
        loop="b.Loop",
        socket_options={"TCP_NODELAY": 0},
        variables={"PATH": None, "MALLOC_CONF": "x y"},
    )
    found = changes(*(surroundings(header, [proof]) for proof in (old, new)))
    assert [(each.kind, each.name, each.before, each.after) for each in found] == [
        ("running", f"TCP_NODELAY of {setting}", "1", "0"),
        ("running", f"further variables of {setting}", "none", "MALLOC_CONF='x y'"),
        ("running", f"loop of {setting}", "a.Loop", "b.Loop"),
    ]
    unproven = Proof(setting, unproven="no answer")
    assert changes(*(surroundings(header, [proof]) for proof in (old, unproven))) == ()


def test_an_edited_app_is_no_secret() -> None:
    """Modules of the app are compared by digest, where both runs have told them."""
    header = run_at(0).header
    setting = header.plan.cells[0].cell.setting
    old = Proof(setting, modules={"shop": "1", "shop.views": "2"})
    new = replace(old, modules={"shop": "1", "shop.views": "3", "shop.extra": "4"})
    found = changes(*(surroundings(header, [proof]) for proof in (old, new)))
    assert [(each.kind, each.name, each.before, each.after) for each in found] == [
        ("module", "shop.extra", None, "4"),
        ("module", "shop.views", "2", "3"),
    ]
    untold = Proof(setting)
    assert changes(*(surroundings(header, [proof]) for proof in (untold, new))) == ()


def test_packages_of_a_servers_own_environment_are_told_by_server() -> None:
    """What is installed for one server alone may change alone."""
    old, new = (
        with_cells(environment=ServerEnvironment("/x/python", {"fastest": version}))
        for version in ("2.1", "2.2")
    )
    assert differing(old, new)["package", "fastest of uvicorn"] == ("2.1", "2.2")
