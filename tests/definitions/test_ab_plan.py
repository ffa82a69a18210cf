import os
import sys
import venv
from pathlib import Path

import msgspec
import pytest

from asgi_bench.definitions.app_import import AppFault
from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import (
    PADDING,
    load_ab_plan,
    plan_over,
    plan_over_interpreters,
)
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.model import Gate, Plan, PlannedCell, Setup

SERVERS = Path(__file__).parents[1] / "servers"
TINY = Selection(servers=("tiny",), runner_folders=(SERVERS,), seed=5)
BASELINE = Setup("baseline", sys.executable)
CANDIDATE = Setup("candidate", sys.executable, server_args=("--delay-ms", "2"))


def plan(selection: Selection = TINY, candidate: Setup = CANDIDATE) -> Plan:
    """The plan of an A/B."""
    return load_ab_plan(selection, BASELINE, candidate, Gate())


def by_side(found: Plan) -> dict[str | None, PlannedCell]:
    """The cells of a plan of one, by side."""
    return {planned.cell.setup: planned for planned in found.cells}


def test_a_cell_is_there_once_for_each_side() -> None:
    """One cell unless told otherwise, three processes; only the candidate's flags differ."""
    found = plan()
    assert [planned.cell.key for planned in found.cells] == [
        "tiny/default@baseline/w1/hello/c64",
        "tiny/default@control/w1/hello/c64",
        "tiny/default@candidate/w1/hello/c64",
    ]
    sides = by_side(found)
    assert sides["control"].command == sides["baseline"].command
    assert sides["candidate"].command == (*sides["baseline"].command, "--delay-ms", "2")
    assert {planned.blocks for planned in found.cells} == {(0,)}


def test_a_plan_may_be_over_any_setups() -> None:
    """Each cell is there once for each, in their order, and nothing compares them by a gate."""
    setups = [Setup(name, sys.executable, env={"AT": name}) for name in ("py3.12", "py3.13")]
    found = plan_over(msgspec.structs.replace(TINY, variants=("default",), workers=(1,)), setups)
    assert [planned.cell.key for planned in found.cells] == [
        "tiny/default@py3.12/w1/hello/c64",
        "tiny/default@py3.13/w1/hello/c64",
    ]
    assert [planned.env["AT"] for planned in found.cells] == ["py3.12", "py3.13"]
    assert [setup.name for setup in found.setups] == ["py3.12", "py3.13"]
    assert (found.reference, found.gate) == ("tiny/default@py3.12/w1", None)


def test_the_default_is_uvicorn_with_one_worker() -> None:
    """Without filters an A/B has the one cell that the interface names."""
    found = plan(Selection(), Setup("candidate", sys.executable, env={"A": "1"}))
    assert {planned.cell.without_setup.key for planned in found.cells} == {
        "uvicorn/default/w1/hello/c64"
    }
    assert found.reference == "uvicorn/default@baseline/w1"
    assert by_side(found)["candidate"].env["A"] == "1"


def test_the_plan_knows_its_sides_and_its_rule() -> None:
    """What judging takes is stored: three sides, the control as the baseline, the gate."""
    found = plan()
    assert [side.name for side in found.setups] == ["baseline", "control", "candidate"]
    assert found.setups[1] == msgspec.structs.replace(found.setups[0], name="control")
    assert found.gate == Gate()


def test_each_side_names_its_app_and_folder(tmp_path: Path) -> None:
    """Also the one that both share, or that a scenario has: what differs is told with both."""
    (tmp_path / "shop.py").write_text("async def app(scope, receive, send): ...\nother = app\n")
    own = OwnApp("shop:app", tmp_path)
    candidate = msgspec.structs.replace(CANDIDATE, app="shop:other")
    found = plan(msgspec.structs.replace(TINY, own_app=own), candidate)
    assert [side.app for side in found.setups] == ["shop:app", "shop:app", "shop:other"]
    assert {side.app_dir for side in found.setups} == {str(tmp_path)}
    shipped, *_ = plan().setups
    assert shipped.app == "hello:app"
    assert shipped.app_dir is not None
    assert Path(shipped.app_dir).name == "apps"


def test_filters_and_knobs_count_on_both_sides() -> None:
    """Several workers and loads give as many cells, each with all sides in its block."""
    found = plan(
        msgspec.structs.replace(TINY, workers=(1, 2), connections=(4, 8), server_args=("-x",))
    )
    assert len({planned.cell.without_setup for planned in found.cells}) == 4
    assert len(found.cells) == 12
    assert all("-x" in planned.command for planned in found.cells)
    assert {planned.cell.workers: planned.blocks for planned in found.cells} == {1: (0,), 2: (1,)}


def test_argv_and_environment_are_as_long_on_every_side() -> None:
    """Padding evens out what would shift a process' stack."""

    def size(planned: PlannedCell) -> int:
        words = (*planned.command, *planned.env, *planned.env.values(), planned.working_dir)
        letters = sum(len(os.fsencode(word)) for word in (*words, planned.command[0]))
        # The byte that ends each word, and its address.
        return letters + 9 * (len(planned.command) + len(planned.env))

    longer = Setup("candidate", sys.executable, env={"TINY_PAD": "abc"})
    for found in (plan(), plan(candidate=longer)):
        assert len({size(planned) for planned in found.cells}) == 1
        assert all(PADDING in planned.env for planned in found.cells)


def test_another_app_takes_the_place_of_the_scenarios(tmp_path: Path) -> None:
    """A side's app is served from its folder under the scenario's request and answer."""
    candidate = Setup("candidate", sys.executable, app="slow:app", app_dir=str(tmp_path))
    sides = by_side(plan(Selection(), candidate))
    assert "slow:app" in sides["candidate"].command
    assert sides["candidate"].env["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)
    assert "hello:app" in sides["baseline"].command


def test_two_versions_of_ones_own_app_bear_one_name(tmp_path: Path) -> None:
    """Cells pair by name, so apps of different modules share that of the baseline's."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, name in ((old, "shop"), (new, "newshop")):
        folder.mkdir()
        (folder / f"{name}.py").write_text("async def app(scope, receive, send): ...\n")
    own = OwnApp("shop:app", old)
    candidate = Setup("candidate", sys.executable, app="newshop:app", app_dir=str(new))
    found = plan(Selection(own_app=own), candidate)
    assert {planned.cell.scenario for planned in found.cells} == {"shop"}
    assert "newshop:app" in by_side(found)["candidate"].command
    assert by_side(found)["candidate"].working_dir == str(new)


def test_what_one_side_lacks_is_told(tmp_path: Path) -> None:
    """A server that only the baseline has can't be compared, and the fault names the side."""
    (tmp_path / "half.toml").write_text(
        'command = ["{python}", "{port}"]\nrequires = ["no-such-package>=1"]\n[variants.default]\n'
    )
    nowhere = Selection(servers=("half",), runner_folders=(tmp_path,))
    with pytest.raises(BenchError, match="nothing can be measured: half/default/w1"):
        plan(nowhere)


def test_what_only_one_side_has_can_not_be_compared(tmp_path: Path) -> None:
    """The fault names the cell, the side, and what it lacks."""
    (tmp_path / "half.toml").write_text(
        'command = ["{python}", "{port}"]\nrequires = ["msgspec"]\n[variants.default]\n'
    )
    venv.create(tmp_path / "bare", symlinks=True)
    bare = Setup("candidate", str(tmp_path / "bare" / "bin" / "python"))
    half = Selection(servers=("half",), runner_folders=(tmp_path,))
    told = r"half/default/w1/hello/c64 can't be measured on both sides: candidate: not installed"
    with pytest.raises(BenchError, match=told):
        plan(half, bare)


def test_the_side_whose_app_is_broken_is_told(tmp_path: Path) -> None:
    """A name that was given wrongly is a fault of usage; what broke since is that of its side."""
    own = OwnApp("shop:app", tmp_path)
    asked = msgspec.structs.replace(TINY, own_app=own)
    with pytest.raises(AppFault, match="APP shop:app: no module 'shop'"):
        plan(asked)
    (tmp_path / "shop.py").write_text("async def app(scope, receive, send): ...\nother = 3\n")
    candidate = Setup("candidate", sys.executable, app="shop:other", description="shop:other")
    with pytest.raises(
        BenchError, match=r"^candidate \(shop:other\): APP shop:other is not"
    ) as one:
        plan(asked, candidate)
    assert not isinstance(one.value, UsageError)
    old = Setup("baseline", sys.executable, app="shop:gone", description="HEAD~1", commit="0" * 40)
    with pytest.raises(BenchError, match=r"^baseline \(HEAD~1\): APP shop:gone: module 'shop' has"):
        load_ab_plan(asked, old, candidate, Gate())


def test_each_server_has_to_prove_its_interpreter() -> None:
    """What a plan over interpreters says of each is held against what really runs."""
    setups = [
        Setup(name, sys.executable, python_version=f"CPython {name}.1") for name in ("3.12", "3.13")
    ]
    found = plan_over_interpreters(msgspec.structs.replace(TINY, workers=(1,)), setups)
    proved = {(planned.cell.setup, planned.proves["python"]) for planned in found.cells}
    assert proved == {("3.12", "CPython 3.12.1"), ("3.13", "CPython 3.13.1")}
