import re
import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from matplotlib.text import Text

from asgi_bench.analysis.estimates import Costs
from asgi_bench.analysis.percentiles import TailCurve, tail_curve
from asgi_bench.analysis.summary import summarize, survey
from asgi_bench.errors import BenchError
from asgi_bench.model import ClosedLoop, Run
from asgi_bench.reporting.charts import draw_charts
from asgi_bench.reporting.charts.bars import MEASURES, bar_notes, draw_bars
from asgi_bench.reporting.charts.drawing import draw
from asgi_bench.reporting.charts.latency import draw_latency
from asgi_bench.reporting.charts.palette import DASHES, HUES, assign_styles
from asgi_bench.reporting.charts.scaling import draw_scaling
from asgi_bench.reporting.charts.sheet import (
    WIDTH,
    fitted,
    save_sheet,
    sheet_settings,
    svg_of,
    text_width,
)
from asgi_bench.reporting.groups import group_cells
from asgi_bench.reporting.run.captions import captions
from tests.reporting.charts.sheets import is_within_sheet, texts, words
from tests.reporting.run.test_same_facts import RUNS
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    synthetic_run,
    troubled_run,
)

CHARTS = {"forest", "throughput", "latency", "cpu", "memory", "workers", "strip"}
# One server of each speed.
FEW = {("granian", "default"), ("hypercorn", "trio"), ("uvicorn", "default")}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The charts of a run with every kind of trouble, by file name."""
    folder = tmp_path_factory.mktemp("troubled")
    return {path.name: path for path in draw_charts(troubled_run(), folder / "charts")}


def curves_of(run: Run) -> dict[str, TailCurve]:
    """The latency curves of a run's cells."""
    found = {key: tail_curve(times) for key, times in survey(run).response_times.items()}
    return {key: curve for key, curve in found.items() if curve is not None}


def throughput_chart(run: Run, folder: Path) -> Path:
    """The throughput chart of a run, as SVG, drawn alone."""
    report = summarize(run)
    (group,) = group_cells(report.cells)
    with sheet_settings():
        styles = assign_styles(report.cells)
        figure = draw_bars(words(report), group, MEASURES[0][1], styles)
        return save_sheet(figure, folder / "throughput", svg_of(figure))[0]


def test_every_chart_as_svg_and_png(troubled: dict[str, Path]) -> None:
    """One set for the one scenario and load, both kinds of file each."""
    expected = {f"{name}-hello-c64.{kind}" for name in CHARTS for kind in ("svg", "png")}
    assert set(troubled) == expected
    assert all(path.stat().st_size > 0 for path in troubled.values())


def test_every_chart_says_its_circumstances(troubled: dict[str, Path]) -> None:
    """Machine, date, connections, workers and loop type stand on each, as text."""
    for name in CHARTS:
        shown = " ".join(texts(troubled[f"{name}-hello-c64.svg"]))
        for fact in ("AMD EPYC 7763", "2026-11-22", "closed loop", "64 connections", "2 workers"):
            assert fact in shown


def test_every_chart_says_what_it_shows(troubled: dict[str, Path]) -> None:
    """Each has a sentence made from the run's figures, and each sentence has its chart."""
    found = captions(summarize(troubled_run()))
    assert set(found) == {path.stem for path in troubled.values()}
    for name, caption in found.items():
        shown = " ".join(texts(troubled[f"{name}.svg"]))
        assert caption.sentence in shown


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_every_chart_of_any_run_says_what_it_shows(run: Run) -> None:
    """The same of runs of every kind, slices apart, which only the stored trials tell of."""
    found = survey(run)
    drawn = {one.name: one.words.says for one in draw(found)}
    said = {name: caption.sentence for name, caption in captions(found.report).items()}
    assert drawn == said


def test_text_is_stored_as_text(troubled: dict[str, Path]) -> None:
    """Names of servers can be searched and read aloud: they are text, not paths."""
    for name in CHARTS:
        shown = " ".join(texts(troubled[f"{name}-hello-c64.svg"]))
        for server in ("uvicorn", "granian", "hypercorn", "daphne"):
            assert server in shown


def test_latency_of_a_closed_loop_says_saturation(troubled: dict[str, Path]) -> None:
    """Nobody shall take response times at saturation for those of a server with spare time."""
    shown = texts(troubled["latency-hello-c64.svg"])
    assert any("at saturation" in text for text in shown)
    assert {"p50", "p90", "p99", "p99.9", "p99.99"} <= set(shown)


def test_invalid_is_hatched_and_named(troubled: dict[str, Path], tmp_path: Path) -> None:
    """Hatching occurs exactly where a cell is invalid, with the word beside it."""
    svg = troubled["throughput-hello-c64.svg"]
    assert "<pattern" in svg.read_text()
    assert sum(text.endswith("invalid") for text in texts(svg)) >= 2
    sound = throughput_chart(synthetic_run(planned_cells()[:1], rounds=3), tmp_path)
    assert "<pattern" not in sound.read_text()


def test_absent_cells_are_rows_with_their_reason(troubled: dict[str, Path]) -> None:
    """What failed or was skipped isn't left out of the chart."""
    shown = texts(troubled["throughput-hello-c64.svg"])
    assert any(text.startswith("failed, in 4 of 5 rounds: exited with 1") for text in shown)
    assert any(text.startswith("skipped, not installed") for text in shown)


def test_png_is_twice_the_width_of_a_readme(troubled: dict[str, Path]) -> None:
    """Dense screens get their pixels: 1660 for the 830 that a README shows."""
    for path in troubled.values():
        if path.suffix == ".png":
            (width,) = struct.unpack(">I", path.read_bytes()[16:20])
            assert width == 2 * WIDTH


def test_svg_is_as_wide_as_a_readme(troubled: dict[str, Path]) -> None:
    """622.5 points are 830 CSS pixels, so that the sizes of letters are those planned."""
    for path in troubled.values():
        if path.suffix == ".svg":
            width = ElementTree.parse(path).getroot().attrib["width"]
            assert float(width.removesuffix("pt")) * 96 / 72 == pytest.approx(WIDTH)


def test_same_run_gives_the_same_svg(tmp_path: Path) -> None:
    """Neither a date nor a random id gets in: charts in a repository change with data alone."""
    run = synthetic_run(planned_cells()[:2], rounds=3)
    first = throughput_chart(run, tmp_path).read_bytes()
    assert throughput_chart(run, tmp_path).read_bytes() == first


def test_one_set_for_each_load(tmp_path: Path) -> None:
    """Two connection counts give two sets of files; one worker count gives no scaling chart."""
    loads = (ClosedLoop(8), ClosedLoop(64))
    cells = planned_cells(loads, worker_counts=(1,))[:2]  # one server, both loads
    names = {path.name for path in draw_charts(synthetic_run(cells, rounds=2), tmp_path)}
    # Without the reference there are no ratios.
    topics = CHARTS - {"forest", "workers"}
    expected = {f"{name}-hello-{load}" for name in topics for load in ("c8", "c64")}
    expected |= {"concurrency-hello"}
    assert {name.rsplit(".", 1)[0] for name in names} == expected


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Markup and formulas in a name are letters: the file is well-formed and shows them."""
    (planned,) = planned_cells(worker_counts=(1,))[:1]
    name = "<script>&\x1b[0m $\\frac{1}{2$"
    hostile = msgspec.structs.replace(
        planned, cell=msgspec.structs.replace(planned.cell, variant=name, scenario="a/../b")
    )
    files = draw_charts(synthetic_run((hostile,), rounds=1), tmp_path / "charts")
    assert {file.parent for file in files} == {tmp_path / "charts"}
    shown = " ".join(text for file in files if file.suffix == ".svg" for text in texts(file))
    assert "daphne <script>& $\\frac{1}{2$" in shown


@pytest.mark.parametrize("rounds", [0, 1])
def test_few_rounds_are_drawn_without_intervals(tmp_path: Path, rounds: int) -> None:
    """A run that was stopped early still has charts, without whiskers that nothing supports."""
    files = draw_charts(synthetic_run(planned_cells()[:1], rounds=rounds), tmp_path)
    assert {file.name.split("-")[0] for file in files} >= {"throughput", "cpu", "memory"}
    shown = [text for file in files if file.suffix == ".svg" for text in texts(file)]
    assert not any("interval" in text for text in shown)


def test_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """A file in the folder's place is named, in place of a traceback."""
    (tmp_path / "charts").write_text("")
    with pytest.raises(BenchError, match="charts can't be written"):
        draw_charts(synthetic_run(planned_cells()[:1], rounds=1), tmp_path / "charts")


def test_system_time_and_the_span_of_memory_are_shown_where_they_are_known() -> None:
    """Each bar of CPU time has its part shaded; without the figures neither is spoken of."""
    report = summarize(synthetic_run(rounds=3))
    bare = msgspec.structs.replace(
        report, cells=tuple(msgspec.structs.replace(cell, costs=Costs()) for cell in report.cells)
    )
    notes = {}
    for which, shown in (("known", report), ("bare", bare)):
        (group,) = group_cells(shown.cells)
        with sheet_settings():
            for chart, measure in MEASURES:
                figure = draw_bars(words(shown), group, measure, assign_styles(shown.cells))
                drawn = [patch for axes in figure.axes for patch in axes.patches]
                notes[which, chart.name] = (
                    len(drawn),
                    " ".join(bar_notes(shown, group, measure, "")),
                )
    cells = len(report.cells)
    assert notes["known", "cpu"][0] == 2 * cells and "system time" in notes["known", "cpu"][1]
    assert notes["bare", "cpu"][0] == cells and "system time" not in notes["bare", "cpu"][1]
    assert "without load to the peak" in notes["known", "memory"][1]
    assert "whiskers" not in notes["bare", "memory"][1]


def test_no_text_leaves_the_sheet() -> None:
    """Every letter of every chart lies within the picture."""
    run = troubled_run()
    report = summarize(run)
    (group,) = group_cells(report.cells)
    styles = assign_styles(report.cells)
    points = {point.cell: point for scaling in report.scaling for point in scaling.points}
    with sheet_settings():
        figures = [draw_bars(words(report), group, measure, styles) for _, measure in MEASURES]
        for figure in (
            *figures,
            draw_latency(words(report), group, curves_of(run), styles),
            draw_scaling(words(report), group, styles, points),
        ):
            assert figure is not None
            assert is_within_sheet(figure)


def test_long_text_is_cut_to_the_room() -> None:
    """A text that is too wide ends in an ellipsis within its room; a short one stays."""
    with sheet_settings():
        assert fitted("uvicorn", 12, 500) == "uvicorn"
        cut = fitted("reason " * 50, 12, 200)
        assert cut.endswith("…")
        assert 150 < text_width(cut, 12) <= 200


def test_styles_tell_all_shipped_servers_apart() -> None:
    """Each server has a colour of its own, each variant of it a dash of its own."""
    cells = summarize(synthetic_run(rounds=0)).cells
    styles = assign_styles(cells)
    assert len({(style.color, str(style.dash)) for style in styles.values()}) == len(styles) == 11
    for (server, variant), style in styles.items():
        assert style.color == styles[server, "default"].color
        assert style.marker == styles[server, "default"].marker
        assert (style.dash == DASHES[0]) == (variant == "default")


def test_more_servers_than_colours_differ_by_marker() -> None:
    """Servers that share a colour have markers of their own."""
    (cell,) = summarize(synthetic_run(planned_cells()[:1], rounds=0)).cells
    cells = [msgspec.structs.replace(cell, server=f"s{n:02}") for n in range(2 * len(HUES))]
    styles = assign_styles(cells)
    assert len({(style.color, style.marker) for style in styles.values()}) == 2 * len(HUES)


@pytest.mark.parametrize("newcomer", ["aiohttp", "blacksheep", "robyn", "socketify", "zzz"])
def test_one_more_server_recolours_at_most_one(newcomer: str) -> None:
    """A server keeps its colour when another joins, unless that one asks for the same colour."""
    cells = summarize(synthetic_run(rounds=0)).cells
    before = assign_styles(cells)
    after = assign_styles((*cells, msgspec.structs.replace(cells[0], server=newcomer)))
    moved = {
        server for server, variant in before if before[server, variant] != after[server, variant]
    }
    assert len(moved) <= 1
    assert len({style.color for style in after.values()}) == len(HUES)


def luminance(color: tuple[float, float, float]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_coloured_text_is_legible() -> None:
    """Labels in a server's ink have the 4.5:1 that WCAG 2 asks for on white."""
    cells = summarize(synthetic_run(rounds=0)).cells
    for style in assign_styles(cells).values():
        assert 1.05 / (luminance(style.ink) + 0.05) >= 4.5


def test_drawing_raises_no_warning(tmp_path: Path) -> None:
    """Charts are imported and drawn in a process where every warning is an error."""
    script = (
        "import pathlib\n"
        "from tests.synthetic_run import *\n"
        "from asgi_bench.reporting.charts import draw_charts\n"
        "run = synthetic_run(planned_cells()[-1:], rounds=1)\n"
        f"draw_charts(run, pathlib.Path({str(tmp_path)!r}))\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


def test_only_charts_import_matplotlib() -> None:
    """Tables and verbs don't pay for matplotlib: importing them leaves it alone."""
    script = (
        "import sys\n"
        "import asgi_bench.cli.report, asgi_bench.cli.plot, asgi_bench.reporting.run.report\n"
        "sys.exit('matplotlib' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    package = Path(__file__).parents[3] / "src/asgi_bench"
    importers = {
        path.relative_to(package).parts[:2]
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) matplotlib", path.read_text(), re.MULTILINE)
    }
    assert importers == {("reporting", "charts")}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The charts of a run of two closed loops, open ones that some can't keep, and a sweep."""
    cells = planned_cells((ClosedLoop(1), CLOSED_64, *OPEN_AND_SWEEP), worker_counts=(1,))
    kept = [c for c in cells if (c.cell.server, c.cell.variant) in FEW]
    run = synthetic_run(tuple(kept), rounds=3)
    return {path.name: path for path in draw_charts(run, tmp_path_factory.mktemp("mixed"))}


def test_open_loops_have_only_charts_that_tell_something(mixed: dict[str, Path]) -> None:
    """What an open loop answers is what it was offered, so throughput isn't drawn; nor memory."""
    names = {name.removesuffix(".svg") for name in mixed if name.endswith(".svg")}
    for load in ("r3000", "r50pct"):
        charts = {name.removesuffix(f"-hello-{load}") for name in names if name.endswith(load)}
        assert charts == {"latency", "cpu"}
    assert {"curve-hello-sweep", "concurrency-hello", "ratios-hello"} <= names


def test_latency_of_an_open_loop_names_its_rate(mixed: dict[str, Path]) -> None:
    """The title says the one rate that all servers had, and nothing says saturation."""
    shown = texts(mixed["latency-hello-r3000.svg"])
    assert "Response time at 3,000 requests/s: hello" in shown
    assert not any("saturation" in text for text in shown)
    assert any("from the intended time" in text for text in shown)
    closed = texts(mixed["latency-hello-c64.svg"])
    assert "Response time at saturation: hello" in closed


def test_overloaded_server_is_named_though_it_has_no_line(mixed: dict[str, Path]) -> None:
    """Who couldn't keep the rate is said beside the chart, not dropped from it."""
    shown = " ".join(texts(mixed["latency-hello-r3000.svg"]))
    assert "without a line: hypercorn trio (overloaded)" in shown


def test_a_group_without_a_measured_cell_has_the_common_charts_alone() -> None:
    """They say why there are no figures; charts of what only some cells have would be empty."""
    cells = tuple(
        msgspec.structs.replace(planned, skip_reason="speaks no TLS")
        for planned in planned_cells(worker_counts=(1,))
    )
    topics = {one.topic for one in draw(survey(synthetic_run(cells, rounds=1)))}
    assert topics == {"throughput", "cpu", "memory"}


@pytest.mark.parametrize(
    ("wanted", "axis"),
    [
        (("granian", "uvicorn"), "throughput, reference = 1"),
        (("granian",), "correct responses per second"),
    ],
)
def test_workers_are_drawn_over_the_reference_where_it_is_there(
    wanted: tuple[str, ...], axis: str
) -> None:
    """Without the reference beside both worker counts throughput itself is drawn, and named so."""
    cells = [
        one
        for one in planned_cells()
        if one.cell.server in wanted and one.cell.variant == "default"
    ]
    report = summarize(synthetic_run(tuple(cells), rounds=3))
    (group,) = group_cells(report.cells)
    points = {point.cell: point for scaling in report.scaling for point in scaling.points}
    with sheet_settings():
        figure = draw_scaling(words(report), group, assign_styles(report.cells), points)
        assert figure is not None
        shown = [text.get_text() for text in figure.findobj(Text)]
    assert axis in shown
    assert sum(text.startswith("granian") for text in shown) == 1
