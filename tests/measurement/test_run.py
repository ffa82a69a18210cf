from pathlib import Path

import msgspec
import pytest

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.measurement.run import app_folder
from asgi_bench.model import Setup
from tests.synthetic_run import plan_of, planned_cells

CELLS = planned_cells()[:2]


def test_source_is_that_of_the_own_app(tmp_path: Path) -> None:
    """The folder that the user's app is served from is where its commit is looked for."""
    cells = tuple(msgspec.structs.replace(one, working_dir=str(tmp_path)) for one in CELLS)
    assert app_folder(plan_of(cells)) == tmp_path


def test_source_of_shipped_apps_is_that_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They belong to nobody's project, so the one that stands around the command counts."""
    monkeypatch.chdir(tmp_path)
    shipped = str(shipped_apps())
    cells = tuple(msgspec.structs.replace(one, working_dir=shipped) for one in CELLS)
    assert app_folder(plan_of(cells)) == tmp_path


def test_source_of_an_ab_is_the_candidates(tmp_path: Path) -> None:
    """Of two work trees the one under test is the run's."""
    sides = {"baseline": "old", "candidate": "new"}
    cells = tuple(
        msgspec.structs.replace(
            CELLS[0],
            cell=msgspec.structs.replace(CELLS[0].cell, setup=side),
            working_dir=str(tmp_path / folder),
        )
        for side, folder in sides.items()
    )
    setups = tuple(Setup(name=side, python="python") for side in sides)
    plan = msgspec.structs.replace(plan_of(cells), setups=setups)
    assert app_folder(plan) == tmp_path / "new"
