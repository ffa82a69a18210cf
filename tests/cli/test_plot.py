from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from asgi_bench.cli.plot import plot
from asgi_bench.errors import UsageError
from tests.synthetic_run import planned_cells, store_run, synthetic_run


def invoke(*args: str) -> Result:
    """Run the verb alone."""
    app = typer.Typer()
    app.command()(plot)
    return CliRunner().invoke(app, args)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small stored run."""
    return store_run(synthetic_run(planned_cells()[:1], rounds=1), tmp_path)


def test_charts_lie_in_the_run_folder(folder: Path) -> None:
    """Each file is named, the last line is the folder, and the files are there."""
    result = invoke(str(folder))
    assert result.exit_code == 0, result.output
    *files, last = map(Path, result.stdout.splitlines())
    assert last == folder / "charts"
    assert files
    assert set(files) == set((folder / "charts").iterdir())


def test_charts_of_the_newest_run_are_made_again(folder: Path) -> None:
    """Charts that were deleted come back from the stored files, the same as before."""
    invoke(str(folder))
    first = {path.name: path.read_bytes() for path in (folder / "charts").iterdir()}
    for path in (folder / "charts").iterdir():
        path.unlink()
    # This time without naming the run: `--output` says where to look for the newest.
    result = invoke("-o", str(folder.parent))
    assert result.stdout.splitlines()[-1] == str(folder / "charts")
    assert {path.name: path.read_bytes() for path in (folder / "charts").iterdir()} == first


def test_missing_run_is_a_usage_error(tmp_path: Path) -> None:
    """An empty results folder is the user's to mend."""
    assert isinstance(invoke("-o", str(tmp_path)).exception, UsageError)


def test_damage_goes_to_stderr(folder: Path) -> None:
    """A run that was cut off is drawn, with a warning."""
    trials = folder / "trials.jsonl"
    trials.write_bytes(trials.read_bytes()[:-5])
    result = invoke(str(folder))
    assert "is cut off" in result.stderr
    assert result.stdout.splitlines()[-1] == str(folder / "charts")
