import html
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from asgi_bench.analysis.summary import survey
from asgi_bench.cli.main import command
from asgi_bench.errors import UsageError
from asgi_bench.model import RESPONSE_TIME
from asgi_bench.reporting.charts import drawing
from asgi_bench.reporting.pages import write_page
from asgi_bench.store.runs import read_run
from tests.situation import Said, situation
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import planned_cells, store_run, synthetic_run


def invoke(*args: str) -> Result:
    """Run the verb alone."""
    return CliRunner().invoke(command("plot"), args)


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


@situation(
    "alone",
    "A chart can't be drawn: the others are",
    says="warning: the chart strip-hello-c64 can't be drawn: ValueError: cannot convert float NaN "
    "to integer",
)
def test_a_chart_that_cant_be_drawn_costs_itself_alone(
    said: Said, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are drawn as ever, stderr and the page say which is missing and why."""
    everything = set(invoke(str(folder)).stdout.splitlines())

    def draw_strip(*_: object) -> None:
        raise ValueError("cannot convert float NaN to integer")

    monkeypatch.setattr(drawing, "draw_strip", draw_strip)
    result = invoke(str(folder))
    said(result.stderr)
    left_out = everything - set(result.stdout.splitlines())
    assert {Path(line).name for line in left_out} == {"strip-hello-c64.svg", "strip-hello-c64.png"}
    page = write_page(survey(read_run(folder))).read_text()
    assert "the chart strip-hello-c64 can't be drawn: ValueError" in html.unescape(page)
    assert "chart-1" in page


@situation(
    "alone",
    "So few requests were answered that p50 alone is known: the latency chart has one percentile",
    says="charts/latency-hello-c64.png",
)
def test_a_single_percentile_is_drawn_without_a_warning(said: Said, tmp_path: Path) -> None:
    """matplotlib has nothing to say about its axis."""
    (trial,) = synthetic_run(planned_cells()[:1], rounds=1).trials
    few = msgspec.structs.replace(trial, times_hdr={RESPONSE_TIME: histogram_blob(0.001, 30, 0.2)})
    run = synthetic_run(planned_cells()[:1], rounds=1)
    result = invoke(str(store_run(msgspec.structs.replace(run, trials=(few,)), tmp_path)))
    said(result.stdout)
    assert result.stderr == ""


@situation(
    "alone",
    "Your app's module has a name in a script that the charts' font doesn't have",
    says="charts/throughput-…-c64.png",
)
def test_a_name_without_glyphs_is_drawn_without_a_warning(said: Said, tmp_path: Path) -> None:
    """The SVG has it as text; matplotlib says nothing of its own font."""
    plain = planned_cells()[0]
    cell = msgspec.structs.replace(plain.cell, scenario="应用")
    planned = msgspec.structs.replace(plain, cell=cell)
    result = invoke(str(store_run(synthetic_run((planned,), rounds=1), tmp_path)))
    said(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
