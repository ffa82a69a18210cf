"""The page in a real browser, as people open it: from the disk, offline."""

from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from asgi_bench.analysis.summary import survey
from asgi_bench.model import PlannedCell, Run
from asgi_bench.reporting.pages import write_page
from asgi_bench.store.runs import read_run
from tests.reporting.browsing import IN_A_BROWSER, PHONE_WIDTH, Visit
from tests.reporting.run.hostile import hostile_run
from tests.synthetic_behaviour import BEHAVIOURS, WELL
from tests.synthetic_levels import CLOSED_256
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    store_run,
    synthetic_run,
    troubled_run,
)

pytestmark = IN_A_BROWSER


def page_file(run: Run, folder: Path) -> Path:
    """The page of a run, stored with a folder of logs."""
    stored = store_run(run, folder)
    (stored / "logs").mkdir()
    return write_page(survey(msgspec.structs.replace(read_run(stored), behaviours=run.behaviours)))


def with_scenario(planned: PlannedCell, name: str) -> PlannedCell:
    """The same cell of another scenario."""
    cell = msgspec.structs.replace(planned.cell, scenario=name)
    return msgspec.structs.replace(planned, cell=cell)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of every kind of load, two scenarios, and behaviour under either."""
    cells = planned_cells((CLOSED_64, *OPEN_AND_SWEEP))
    others = (with_scenario(planned, "json") for planned in planned_cells(worker_counts=(1,)))
    other = msgspec.structs.replace(WELL, setting="uvicorn/default/w2/json", scenario="json")
    run = synthetic_run((*cells, *others), rounds=6)
    run = msgspec.structs.replace(run, behaviours=(*BEHAVIOURS, other))
    return page_file(run, tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with every kind of trouble."""
    return page_file(troubled_run(6), tmp_path_factory.mktemp("troubled"))


@pytest.fixture(scope="module")
def every_section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that has every section, and few cells, for what looks at each element."""
    cells = tuple(
        planned
        for planned in planned_cells((CLOSED_64, CLOSED_256, *OPEN_AND_SWEEP))
        if planned.cell.server in ("uvicorn", "granian") and planned.cell.variant == "default"
    )
    run = msgspec.structs.replace(synthetic_run(cells, rounds=6), behaviours=BEHAVIOURS)
    return page_file(run, tmp_path_factory.mktemp("every"))


def column(page: Page, number: int) -> list[str]:
    """The texts of a column of the first table, from top to bottom, of the rows that are shown."""
    rows = page.locator("table.main").first.locator("tbody tr:visible")
    return [row.locator("th, td").nth(number).inner_text().strip() for row in rows.all()]


def test_page_opens_in_silence(browser: Browser, mixed: Path, troubled: Path) -> None:
    """No message, no error, and no request but the one for the page itself."""
    for file in (mixed, troubled):
        with Visit(browser, file) as page:
            expect(page.locator("h1")).to_be_visible()
            assert page.locator("svg.chart").count() > 3


def test_header_sorts_its_column(browser: Browser, mixed: Path) -> None:
    """A click sorts by what the column shows, the next one the other way round, and says so."""
    with Visit(browser, mixed) as page:
        header = page.locator("table.main").first.locator("thead th").nth(1)
        button = header.get_by_role("button")
        before = column(page, 1)
        button.click()
        assert column(page, 1) == sorted(before)
        assert header.get_attribute("aria-sort") == "ascending"
        expect(page.get_by_role("status")).to_have_text("Sorted by server, ascending.")
        button.click()
        assert column(page, 1) == sorted(before, reverse=True)
        assert header.get_attribute("aria-sort") == "descending"


def test_figures_sort_as_figures(browser: Browser, troubled: Path) -> None:
    """`9,851 ±42%` comes before `16,410 ±27%`, and what has no figure comes last either way."""
    with Visit(browser, troubled) as page:
        table = page.locator("table.main").first
        titles = [text.split("\n")[0] for text in table.locator("thead tr > *").all_inner_texts()]
        place = titles.index("req")
        for direction in (1, -1):
            table.get_by_role("button", name="req per s").click()
            texts = column(page, place)
            figures = [float(text.split()[0].replace(",", "")) for text in texts if text[0] != "–"]  # noqa: RUF001 (what stands for nothing)
            assert figures == sorted(figures, reverse=direction < 0)
            assert all(text == "–" for text in texts[len(figures) :])  # noqa: RUF001 (the same)
            assert len(figures) < len(texts)


def test_filters_narrow_every_table(browser: Browser, mixed: Path) -> None:
    """A server and a worker count leave their rows alone; how many is announced; all come back."""
    with Visit(browser, mixed) as page:
        status = page.get_by_role("status")
        page.locator("select[name='server']").select_option("uvicorn")
        page.locator("select[name='workers']").select_option("2")
        rows = page.locator("table.main tbody tr:visible")
        assert {row.get_attribute("data-server") for row in rows.all()} == {"uvicorn"}
        assert {row.get_attribute("data-workers") for row in rows.all()} == {"2"}
        every = page.locator("table.main tbody tr").count()
        expect(status).to_have_text(f"{rows.count()} of {every} rows are shown.")
        assert page.locator("#servers article[data-server]:visible").count() == 2
        assert page.locator("#servers pre:visible").count() == 1
        watched = page.locator("#behaviour tbody tr:visible, #behaviour article:visible")
        assert {each.get_attribute("data-server") for each in watched.all()} == {"uvicorn"}
        assert watched.count() == 4
        page.locator("select[name='scenario']").select_option("json")
        assert watched.count() == 2
        page.get_by_role("button", name="Show all").click()
        expect(status).to_have_text("All rows are shown.")
        assert rows.count() == every


def test_what_is_chosen_is_in_the_address(browser: Browser, mixed: Path) -> None:
    """Filters and the order of a table are in the address, and a page opened by it has them."""
    with Visit(browser, mixed) as page:
        page.locator("select[name='server']").select_option("granian")
        table = page.locator("table.main").first
        table.get_by_role("button", name="variant").click()
        table.get_by_role("button", name="variant").click()
        query = page.url.partition(".html")[2]
        seen = column(page, 2)
    assert "server=granian" in query and "sort=" in query
    with Visit(browser, mixed, query=query) as page:
        assert page.locator("select[name='server']").input_value() == "granian"
        assert column(page, 2) == seen == sorted(seen, reverse=True)
        page.get_by_role("button", name="Show all").click()
        expect(page.get_by_role("status")).to_have_text("All rows are shown.")
        assert "server=" not in page.url


def test_an_address_of_another_page_does_no_harm(browser: Browser, mixed: Path) -> None:
    """Filters and columns that this page hasn't are passed over."""
    with Visit(browser, mixed, query="?server=nobody&sort=9.99.up&other=1") as page:
        assert page.locator("select[name='server']").input_value() == ""
        assert page.locator("th[aria-sort]").count() == 0


def test_the_first_picture_heeds_the_address(browser: Browser, mixed: Path) -> None:
    """Ratios come first, below the filters; a scenario in the address leaves its own alone."""
    pictures = "figure[id^='forest-']"
    with Visit(browser, mixed) as page:
        first = page.locator("figure").first
        assert first.get_attribute("id") == "forest-hello-c64"
        assert first.evaluate("e => document.forms.filters.compareDocumentPosition(e)") & 4
        (says,) = first.locator(".says").all_inner_texts()
        assert says.startswith("At 64 connections")
        name = first.locator("svg").get_attribute("aria-labelledby") or ""
        described = page.locator(f"#{name.split()[-1]}").text_content() or ""
        assert described.startswith(says)
        both = page.locator(pictures).count()
        page.locator("select[name='scenario']").select_option("json")
        query = page.url.partition(".html")[2]
        command = page.locator("#servers pre").first
        expect(command.get_by_role("button", name="Copy command")).to_be_visible()
    with Visit(browser, mixed, query=query) as page:
        shown = page.locator(pictures).locator("visible=true")
        assert 0 < shown.count() < both
        assert {each.get_attribute("data-scenario") for each in shown.all()} == {"json"}
        page.get_by_role("button", name="Show all").click()
        expect(shown).to_have_count(both)


def test_a_command_is_copied(browser: Browser, mixed: Path) -> None:
    """The button beside a server's command puts that alone on the clipboard, and says so."""
    with Visit(browser, mixed, permissions=["clipboard-read", "clipboard-write"]) as page:
        command = page.locator("#servers pre").first
        command.get_by_role("button", name="Copy command").click()
        expect(command.get_by_role("button")).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == command.locator("code").inner_text()


def test_scenario_filter_narrows_tables_charts_and_behaviour(browser: Browser, mixed: Path) -> None:
    """With two scenarios one can be chosen; nothing that is of the other one stays."""
    with Visit(browser, mixed) as page:
        other = page.locator("[data-scenario='hello']:visible")
        assert other.count() > 0
        page.locator("select[name='scenario']").select_option("json")
        assert other.count() == 0
        for place in ("table.main tbody tr", "#behaviour tbody tr", "#behaviour article"):
            shown = page.locator(place).locator("visible=true")
            assert {each.get_attribute("data-scenario") for each in shown.all()} == {"json"}


def test_keyboard_alone_is_enough(browser: Browser, mixed: Path) -> None:
    """The first tab stop skips to the ranking; filters, headers and wide tables can be reached."""
    with Visit(browser, mixed) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the ranking"
        page.locator("select[name='server']").focus()
        page.keyboard.press("g")
        assert page.locator("select[name='server']").input_value() == "granian"
        button = page.locator("table.main").first.get_by_role("button", name="server")
        button.focus()
        page.keyboard.press("Enter")
        assert page.locator("th[aria-sort]").count() == 1
        for region in page.locator(".scroll:visible").all():
            assert region.get_attribute("tabindex") == "0"
            assert region.get_attribute("role") == "region"


def test_links_lead_somewhere(browser: Browser, mixed: Path) -> None:
    """Each link is a place on the page or a file beside it."""
    with Visit(browser, mixed) as page:
        links = [link.get_attribute("href") or "" for link in page.locator("a").all()]
        assert {"./run.json", "./trials.jsonl", "./logs/"} <= set(links)
        for link in links:
            if link.startswith("#"):
                assert page.locator(link).count() == 1
            else:
                assert (mixed.parent / unquote(link)).exists()


def test_page_is_whole_without_script(browser: Browser, mixed: Path) -> None:
    """With JavaScript off every row is there, and no control that does nothing."""
    with Visit(browser, mixed, java_script_enabled=False) as page:
        assert page.locator("table.main tbody tr:visible").count() > 50
        assert page.locator("button:visible, select:visible").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", PHONE_WIDTH)])
def test_nothing_bars_the_way(
    scheme: Literal["light", "dark"],
    width: int,
    browser: Browser,
    every_section: Path,
    troubled: Path,
) -> None:
    """axe-core has no serious or critical finding, in light on a desk and in dark on a phone."""
    for file in (every_section, troubled):
        size = {"width": width, "height": 900}
        with Visit(browser, file, color_scheme=scheme, viewport=size) as page:
            # Charts are pictures with a name: what is within is no content of its own.
            found = Axe().run(page, {"exclude": [["svg.chart > *"]]}).response["violations"]
            grave = [each for each in found if each["impact"] in ("serious", "critical")]
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in grave] == []


def test_dark_page_is_dark_and_its_charts_too(browser: Browser, mixed: Path) -> None:
    """In the dark neither the page nor a chart has a white ground, nor dark letters."""
    with Visit(browser, mixed, color_scheme="dark") as page:
        ground = page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
        assert light(ground) < 0.2
        for ground in page.locator("svg.chart > path:first-of-type").all():
            assert light(ground.evaluate("e => getComputedStyle(e).fill")) < 0.2
        for text in page.locator("svg.chart text").all()[:200]:
            assert light(text.evaluate("e => getComputedStyle(e).fill")) > 0.4


def light(color: str) -> float:
    """How light a colour is that a browser computed, from 0 to 1."""
    parts = [float(part) for part in color.partition("(")[2].rstrip(")").split(",")[:3]]
    return sum(parts) / 3 / 255


def test_phone_scrolls_up_and_down_alone(browser: Browser, mixed: Path, troubled: Path) -> None:
    """On a phone nothing is wider than the screen but tables and charts, in their own regions."""
    for file in (mixed, troubled):
        with Visit(browser, file, viewport={"width": PHONE_WIDTH, "height": 844}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_WIDTH


def test_a_phone_shows_a_chart_that_can_be_read(browser: Browser, mixed: Path) -> None:
    """On a phone a chart keeps letters of 11 pixels, scrolls by itself and says so; its button
    shows the whole.
    """
    with Visit(browser, mixed, viewport={"width": PHONE_WIDTH, "height": 844}) as page:
        figure = page.locator("figure").first
        region, hint = figure.locator(".scroll"), figure.get_by_text("Scroll the chart sideways")
        hidden = "e => e.scrollWidth - e.clientWidth"
        assert region.evaluate(hidden) > PHONE_WIDTH / 2
        assert hint.is_visible()
        sizes = figure.locator("text").evaluate_all(
            "all => all.map(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().d)"
        )
        assert min(sizes) > 10.9
        button = figure.get_by_role("button", name="Fit to screen")
        button.click()
        assert region.evaluate(hidden) <= 0
        assert button.get_attribute("aria-pressed") == "true"
        assert not hint.is_visible()
        button.click()
        assert region.evaluate(hidden) > PHONE_WIDTH / 2


def test_a_wide_screen_shows_whole_charts(browser: Browser, mixed: Path) -> None:
    """Where a chart fits, there is neither a hint nor a button."""
    with Visit(browser, mixed, viewport={"width": 800, "height": 844}) as page:
        assert page.locator(".sideways:visible, .fit:visible").count() == 0
        for region in page.locator("figure .scroll").all():
            assert region.evaluate("e => e.scrollWidth - e.clientWidth") <= 0


def test_print_is_light_and_whole(browser: Browser, mixed: Path) -> None:
    """On paper the dark is left out, and so are controls; no table is cut off at the right."""
    with Visit(browser, mixed, color_scheme="dark", viewport={"width": 720, "height": 900}) as page:
        page.emulate_media(media="print")
        assert (
            light(page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")) > 0.9
        )
        assert page.locator("nav:visible, form:visible, .skip:visible").count() == 0
        assert page.pdf(format="A4").startswith(b"%PDF")
        for table in page.locator("table").all():
            box = table.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 721


def test_hostile_text_stays_text(browser: Browser, tmp_path: Path) -> None:
    """Names, labels and reasons that would run, load or turn round are letters on the page."""
    file = page_file(hostile_run(), tmp_path)
    with Visit(browser, file) as page:
        assert page.locator("script").count() == 1
        assert page.locator("img, iframe, object, link, base").count() == 0
        shown = page.locator("body").inner_text()
        assert "<script>alert(1)</script>" in shown
        assert not {"\x1b", "\u202e"} & set(shown)
        page.locator("select[name='server']").select_option(index=1)
        assert page.locator("table.main tbody tr:visible").count() > 0


def test_policy_stops_what_would_slip_in(browser: Browser, mixed: Path, tmp_path: Path) -> None:
    """Were markup to get into the page after all, the policy would let it neither run nor load."""
    spoilt = tmp_path / "spoilt.html"
    slip = "<script>document.title = 'run'</script><img src='http://127.0.0.1:9/x.png'>"
    spoilt.write_text(mixed.read_text().replace("</main>", f"{slip}</main>"))
    visit = Visit(browser, spoilt)
    assert visit.page.title() != "run"
    assert sum("Content Security Policy" in text for text in visit.wrong) == 2
    visit.page.context.close()
