from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asgi_bench.analysis.summary import survey
from asgi_bench.cli.main import command
from asgi_bench.errors import BenchError
from asgi_bench.model import Run
from asgi_bench.reporting.exports.formats import ExportFormat
from tests.synthetic_run import planned_cells, store_run, synthetic_run


@pytest.fixture(scope="module")
def run() -> Run:
    """A small run."""
    return synthetic_run(planned_cells()[-2:], rounds=3)


def invoke(*args: str) -> Result:
    """Run the verb alone."""
    return CliRunner().invoke(command("export"), args)


@pytest.mark.parametrize("format", [one for one in ExportFormat if not one.is_several])
def test_single_documents_go_to_stdout(run: Run, format: ExportFormat, tmp_path: Path) -> None:
    """Standard output holds the document and nothing else."""
    result = invoke(str(store_run(run, tmp_path)), "--format", format)
    assert result.exit_code == 0, result.output
    (document,) = format.documents(survey(run))
    assert result.stdout_bytes.decode() == document.text


@pytest.mark.parametrize("format", [one for one in ExportFormat if one.is_several])
def test_several_files_go_into_the_run_folder(
    run: Run, format: ExportFormat, tmp_path: Path
) -> None:
    """Their paths are printed, the folder last."""
    folder = store_run(run, tmp_path)
    lines = invoke(str(folder), "--format", format).stdout.splitlines()
    assert Path(lines[-1]) == folder / "exports" / format
    texts = {path.name: path.read_text(encoding="utf-8") for path in map(Path, lines[:-1])}
    assert texts == {document.name: document.text for document in format.documents(survey(run))}


def test_target_can_be_chosen(run: Run, tmp_path: Path) -> None:
    """`--to` is the file of a single document and the folder of several, made where missing."""
    folder = str(store_run(run, tmp_path / "runs"))
    file, files = tmp_path / "new" / "out.xml", tmp_path / "bench"
    assert invoke(folder, "--format", "junit", "--to", str(file)).stdout == f"{file}\n"
    assert file.read_text().startswith("<?xml")
    invoke(folder, "--format", "github-action-benchmark", "--to", str(files))
    assert (files / "bigger-is-better.json").is_file()


def test_unwritable_target_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    """A file where a folder should be is named."""
    folder = str(store_run(run, tmp_path / "runs"))
    (tmp_path / "file").write_text("")
    result = invoke(folder, "--format", "bmf", "--to", str(tmp_path / "file" / "out.json"))
    assert isinstance(result.exception, BenchError)
    assert "can't write it" in str(result.exception)


def test_damage_goes_to_stderr(run: Run, tmp_path: Path) -> None:
    """A run that was cut off is exported with a warning that leaves the document whole."""
    folder = store_run(run, tmp_path)
    trials = folder / "trials.jsonl"
    trials.write_bytes(trials.read_bytes()[:-5])
    result = invoke(str(folder), "--format", "csv")
    assert "is cut off" in result.stderr
    assert "is cut off" not in result.stdout
