import csv
import io
import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.cli.main import command
from asgi_bench.cli.report import ReportFlags, report
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.model import RESPONSE_TIME
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.run.report import render_report
from tests.situation import Said, situation
from tests.synthetic_run import planned_cells, store_run, synthetic_run, troubled_run


def invoke(*args: str) -> Result:
    """Run the verb alone."""
    return CliRunner().invoke(command("report"), args)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stored run with every kind of trouble."""
    return store_run(troubled_run(), tmp_path)


@pytest.mark.parametrize("format", ["text", "json", "markdown", "csv"])
def test_every_format_is_what_reporting_renders(folder: Path, format: str) -> None:
    """The verb adds nothing to the document and takes nothing away."""
    result = invoke(str(folder), "--format", format)
    assert result.exit_code == 0, result.output
    expected = render_report(summarize(troubled_run()), format)  # type: ignore[arg-type]
    assert result.stdout_bytes.decode() == expected


def test_text_is_the_default(folder: Path) -> None:
    """Without a format people read it."""
    assert invoke(str(folder)).stdout == invoke(str(folder), "--format", "text").stdout


def test_json_can_be_piped(folder: Path) -> None:
    """Standard output holds the document and nothing else."""
    document = msgspec.json.decode(invoke(str(folder), "--format", "json").stdout, type=Report)
    assert document.run.id == folder.name


def test_csv_can_be_piped(folder: Path) -> None:
    """Standard output holds a line for each cell and nothing else."""
    rows = list(csv.DictReader(io.StringIO(invoke(str(folder), "--format", "csv").stdout)))
    assert len(rows) == len(planned_cells())


def test_page_is_written_and_its_path_printed(folder: Path) -> None:
    """`--format html` writes the page beside the files, and prints where it lies alone."""
    result = invoke(str(folder), "--format", "html")
    assert result.stdout == f"{folder / 'report.html'}\n"
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_newest_run_of_the_output_folder(tmp_path: Path) -> None:
    """Without a run, `--output` says where to look for the newest."""
    run = synthetic_run(planned_cells()[:1], rounds=1)
    newer = msgspec.structs.replace(
        run.header, started_at="2027-01-01T00:00:00Z", run_id="20270101T000000Z"
    )
    for each in (msgspec.structs.replace(run, header=newer), run):
        store_run(each, tmp_path)
    result = invoke("--output", str(tmp_path), "--format", "json")
    assert msgspec.json.decode(result.stdout, type=Report).run.id == "20270101T000000Z"
    by_id = invoke(run.header.run_id, "-o", str(tmp_path), "--format", "json")
    assert msgspec.json.decode(by_id.stdout, type=Report).run.id == run.header.run_id


def test_damage_goes_to_stderr(folder: Path) -> None:
    """A run that was cut off is reported on, with a warning that leaves the document whole."""
    trials = folder / "trials.jsonl"
    trials.write_bytes(trials.read_bytes()[:-5])
    result = invoke(str(folder), "--format", "json")
    assert "is cut off" in result.stderr
    msgspec.json.decode(result.stdout, type=Report)


def test_missing_run_is_a_usage_error(tmp_path: Path) -> None:
    """A wrong name or an empty results folder is the user's to mend, in one line."""
    for args in ((str(tmp_path / "none"),), ("-o", str(tmp_path))):
        error = invoke(*args).exception
        assert isinstance(error, UsageError)
        assert "\n" not in str(error)


def test_unreadable_run_is_an_error(folder: Path) -> None:
    """A run whose header is broken names the file."""
    (folder / "run.json").write_text("{")
    error = invoke(str(folder)).exception
    assert isinstance(error, BenchError)
    assert "run.json" in str(error)


def test_unknown_format_is_refused_with_the_known_ones(folder: Path) -> None:
    """A typing error is answered with what is allowed."""
    with pytest.raises(UsageError, match=r"^--format: 'xml' must be one of text, json, markdown,"):
        raise invoke(str(folder), "--format", "xml").exception or AssertionError


def test_columns_set_the_width(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a pipe the table has its full width, unless COLUMNS says otherwise."""
    assert max(map(len, invoke(str(folder)).stdout.splitlines())) == WIDTH
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, invoke(str(folder)).stdout.splitlines())) == 80


@pytest.mark.parametrize(
    ("variables", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colour_on_a_terminal_unless_forbidden(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colored: bool
) -> None:
    """A terminal gets colour, unless NO_COLOR is set or it can't show any."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    report(ReportFlags(run=str(folder)))
    assert ("\x1b[" in terminal.getvalue()) == colored


def test_another_reference_may_be_named(tmp_path: Path) -> None:
    """--reference: ratios refer to it; a name that wasn't measured is a usage error."""
    folder = store_run(synthetic_run(rounds=3), tmp_path)
    printed = invoke(str(folder), "--format", "json", "--reference", "granian/uvloop").stdout
    document = msgspec.json.decode(printed, type=Report)
    assert document.run.reference == "granian/uvloop/w1"
    ratios = {cell.throughput_ratio.reference for cell in document.cells if cell.throughput_ratio}
    assert ratios == {"granian/uvloop/w1/hello/c64"}
    wrong = invoke(str(folder), "--reference", "caddy")
    assert isinstance(wrong.exception, UsageError)
    assert "granian/default/w1" in str(wrong.exception)


@situation(
    "alone",
    "A stored histogram of one trial is damaged: the report has all the others",
    says="warning: trials.jsonl line 1: a histogram of …, round 0, can't be read: the trial "
    "counts as failed",
)
def test_a_damaged_histogram_costs_its_trial_alone(said: Said, tmp_path: Path) -> None:
    """Every other cell keeps its figures, in each format."""
    run = synthetic_run(planned_cells()[:2], rounds=3)
    first, *others = run.trials
    broken = msgspec.structs.replace(first, times_hdr={RESPONSE_TIME: "HISTFAAAbroken"})
    run = msgspec.structs.replace(run, trials=(broken, *others))
    result = invoke(str(store_run(run, tmp_path)), "--format", "json")
    said(result.stderr)
    cells = {cell["cell"]: cell for cell in json.loads(result.stdout)["cells"]}
    assert cells.pop(first.cell)["rounds"] == 2
    assert all(cell["rounds"] == 3 and cell["validity"] == "valid" for cell in cells.values())
