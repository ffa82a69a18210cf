import base64
import hashlib
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from asgi_bench.analysis.history.series import count_history
from asgi_bench.analysis.summary import survey
from asgi_bench.errors import BenchError
from asgi_bench.model import ClosedLoop, Load, Run
from asgi_bench.reporting.charts.drawing import Draft, Drawing, Drawn, draw, drawn
from asgi_bench.reporting.history import Histories
from asgi_bench.reporting.pages import (
    CHARTS_BYTES,
    charts_of,
    render_page,
    write_counts_page,
    write_history_page,
    write_page,
)
from asgi_bench.store.index import Listing
from tests.reporting.run.hostile import hostile_run
from tests.synthetic_counts import counted_run
from tests.synthetic_history import ratio_history
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    store_run,
    synthetic_run,
    troubled_run,
)

replace = msgspec.structs.replace
BUILD_S = 2.0
PAGE_BYTES = 2_000_000


class Reader(HTMLParser):
    """What a page holds: its texts, and each element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Add the text, apart from what stands before it."""
        self.text += f" {data}"


def page_of(run: Run) -> str:
    """The page of a run that isn't stored."""
    return render_page(survey(run))


def read(page: str) -> Reader:
    """The page as a browser without script takes it."""
    reader = Reader()
    reader.feed(page)
    reader.text = " ".join(reader.text.split())
    return reader


@pytest.fixture(scope="module")
def troubled() -> str:
    """The page of a run with every kind of trouble."""
    return page_of(troubled_run())


def test_page_needs_nothing_else(troubled: str) -> None:
    """Nothing is loaded from elsewhere, and no markup could run or style but the page's own."""
    reader = read(troubled)
    assert "http://" not in re.sub(r"<style>.*?</style>", "", troubled)
    for tag, attributes in reader.elements:
        assert tag not in ("link", "img", "iframe", "object", "base", "image")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "./"))


def test_policy_allows_the_page_own_style_and_script_alone(troubled: str) -> None:
    """The content-security-policy names the hash of the one style and the one script."""
    policies = [a for tag, a in read(troubled).elements if a.get("http-equiv")]
    (policy,) = [attributes["content"] or "" for attributes in policies]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", troubled, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_charts_refer_to_what_is_there(troubled: str) -> None:
    """Hatches, clips and markers of each chart are its own: ids are there, each once."""
    ids = re.findall(r'\bid="([^"]+)"', troubled)
    assert len(set(ids)) == len(ids)
    named = re.findall(r'url\(#([^)]+)\)|<use href="#([^"]+)"', troubled)
    assert {one or other for one, other in named} <= set(ids)
    assert 'fill="url(#' in troubled  # the hatch of what is invalid


def test_hostile_text_stays_text() -> None:
    """Names, labels, commands and reasons from outside are letters, however they look."""
    page = page_of(hostile_run())
    assert "<img" not in page
    assert page.count("<script>") == 1
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<script>alert(1)</script>" in read(page).text


def test_page_of_60_cells_is_small_and_quick() -> None:
    """Charts aside, building takes less than 2 s, and the whole is less than 2 MB."""
    loads: tuple[Load, ...] = (
        *(ClosedLoop(connections) for connections in (8, 64, 256)),
        *OPEN_AND_SWEEP,
    )
    run = synthetic_run(planned_cells(loads)[:60], rounds=6, slices=40)
    found = survey(run)
    assert len(found.report.everything) == 60
    begin = time.process_time()
    render_page(found, ())
    assert time.process_time() - begin < BUILD_S
    assert len(render_page(found).encode()) < PAGE_BYTES


def test_page_lies_in_the_run_folder_and_links_to_its_files(tmp_path: Path) -> None:
    """`report.html` stands beside the files it is made from, and names those that are there."""
    run = synthetic_run(planned_cells((CLOSED_64,))[:2], rounds=1)
    folder = store_run(run, tmp_path)
    others = {"behaviour.json", "verdict.json", "locust_stats.csv", "locust-1_stats.csv"}
    for name in others | {"notes.txt"}:
        (folder / name).write_text("[]")
    file = write_page(survey(replace(run, folder=str(folder))))
    assert file == folder / "report.html"
    links = {a["href"] for tag, a in read(file.read_text()).elements if tag == "a" and "href" in a}
    files = {link for link in links if link and link.startswith("./")}
    assert files == {"./run.json", "./trials.jsonl", *(f"./{name}" for name in others)}


def test_page_that_cant_be_written_is_an_error(tmp_path: Path) -> None:
    """A folder that is gone is told in one line."""
    run = synthetic_run(planned_cells()[:1], rounds=1)
    with pytest.raises(BenchError, match="can't be written"):
        write_page(survey(replace(run, folder=str(tmp_path / "gone"))))


def test_run_without_cells_has_a_page() -> None:
    """An empty plan gives a page that says so."""
    assert "Nothing was measured that could be ranked" in page_of(synthetic_run((), rounds=1))


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    """Any chart."""
    return draw(survey(synthetic_run(planned_cells()[:1], rounds=1)))[0]


def test_charts_are_shown_as_long_as_there_is_room(drawing: Drawing) -> None:
    """The first ones are kept, each with ids of its own, and the titles of the others are told."""
    ((_, figure),) = charts_of([drawing]).figures
    count = CHARTS_BYTES // len(figure.svg) + 5
    found = charts_of([drawing] * count)
    assert found.figures and found.left_out
    assert len(found.figures) + len(found.left_out) == count
    assert sum(len(figure.svg) for _, figure in found.figures) <= CHARTS_BYTES
    assert len({figure.svg for _, figure in found.figures}) == len(found.figures)
    assert set(found.left_out) == {drawing.words.title}


def test_a_chart_that_cant_be_drawn_costs_itself_alone(drawing: Drawing) -> None:
    """Its place is taken by a line that names it and says why; the others are there."""

    def broken(says: str) -> Drawn:
        raise ValueError("no range <b>")

    lost = drawn(Draft("throughput", "hello-c64", "hello", broken))
    assert lost is not None and lost.files == ()
    found = charts_of([lost, drawing])
    assert len(found.figures) == 1
    run = synthetic_run(planned_cells()[:1], rounds=1)
    page = read(render_page(survey(run), [lost, drawing]))
    assert "the chart throughput-hello-c64 can't be drawn: ValueError: no range <b>" in page.text


def test_a_run_that_counted_has_a_page(tmp_path: Path) -> None:
    """It says that nothing was timed, on which machine it was, and what a request takes."""
    run = counted_run()
    file = write_counts_page(run.header, run.lives, tmp_path)
    page = read(file.read_text())
    assert file == tmp_path / "report.html"
    for words in ("Counted per request, not timed", run.header.run_id, "AMD EPYC", "113,"):
        assert words in page.text
    assert "Nothing needs to be done" not in page.text


@pytest.mark.parametrize(("is_worse", "verdict"), [(False, "Pass"), (True, "Regression")])
def test_an_ab_of_counts_has_its_verdict_first(
    is_worse: bool, verdict: str, tmp_path: Path
) -> None:
    """The verdict heads the page with what to do, before the counts of both sides."""
    run = counted_run(is_ab=True)
    more, lives = 1 + is_worse / 10, []
    for life in run.lives:
        tally = life.tally
        if "@candidate/" in life.cell and tally is not None:
            tally = replace(tally, total=round(tally.total + (more - 1) * 113_500 * life.requests))
        lives.append(replace(life, tally=tally))
    page = read(write_counts_page(run.header, lives, tmp_path).read_text())
    assert page.text.index(f" {verdict} ") < page.text.index("Counted per request")
    assert ("Nothing needs to be done" in page.text) != is_worse
    assert "uvicorn/default@candidate/w1/hello/c1" in page.text


def test_a_history_has_a_page_with_its_charts(tmp_path: Path) -> None:
    """`history.html` lies beside the runs, and shows times and counts."""
    histories = Histories(
        ratio_history(lambda number: 1.0 if number < 8 else 0.9), count_history([], {})
    )
    file = write_history_page(histories, Listing((), (), {}, 0, 0, ()), tmp_path)
    assert file == tmp_path / "history.html"
    page = file.read_text()
    assert page.count("<svg") == 1 and "Throughput over time" in read(page).text
    assert "1 lasting change: 1 slower, 0 faster" in read(page).text
    with pytest.raises(BenchError, match="can't be written"):
        write_history_page(histories, Listing((), (), {}, 0, 0, ()), tmp_path / "gone")
