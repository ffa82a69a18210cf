"""The documentation as a site, built by `make docs`: its links, what it loads, who can read it."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.reporting.browsing import IN_CHROMIUM, PHONE_WIDTH, chromium

SITE = Path(__file__).resolve().parents[1] / "build" / "site"
BUILT = pytest.mark.skipif(not SITE.exists(), reason="there is no build/site: make docs")
# Text and links; tables, and code of several kinds; charts. The report's page has tests of its own.
LOOKED_AT = ("index", "ci", "add-a-server", "results")
# What a page loads by itself, by tag and attribute; `link` loads where it says so.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}


class Links(HTMLParser):
    """What a page leads to, what it loads, and the anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.led_to: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a tag."""
        found = {name: text or "" for name, text in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.led_to.append(found["href"])
        elif tag == "link" and LOADING_LINKS & set(found.get("rel", "").split()):
            self.loaded.append(found["href"])
        elif tag in LOADED and LOADED[tag] in found:
            self.loaded.append(found[LOADED[tag]])


def read(page: Path) -> Links:
    """Return the links of a page."""
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


@BUILT
@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere() -> None:
    """A link within the site leads to a file and an anchor; nothing is loaded from outside."""
    pages = {page.resolve(): read(page) for page in SITE.rglob("*.html")}
    assert len(pages) > 30
    wrong = []
    for page, links in pages.items():
        wrong += [f"{page} loads {one}" for one in links.loaded if urlsplit(one).netloc]
        for one in (*links.led_to, *links.loaded):
            parts = urlsplit(one)
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            if parts.scheme or parts.netloc:
                if parts.scheme != "https" or "." not in parts.netloc:
                    wrong.append(f"{page}: {one} is no address")
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            # The page of what isn't found is served from anywhere.
            if page.name == "404.html":
                continue
            if not target.exists():
                wrong.append(f"{page}: {one} leads to no file")
            elif target in pages and not has_anchor(pages[target], parts.fragment):
                wrong.append(f"{page}: {one} has no such anchor")
    assert wrong == []


def has_anchor(page: Links, fragment: str) -> bool:
    """Whether a page has an anchor; each has its own top."""
    return not fragment or unquote(fragment) in page.anchors


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with chromium() as browser:
        yield browser


def looked_at(browser: Browser, name: str, **options: Any) -> tuple[list[str], bool]:
    """Return what is wrong with a page, and whether it is wider than the window."""
    wrong: list[str] = []
    page = browser.new_context(offline=True, **options).new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda one: wrong.append(one.url) if one.url.startswith("http") else None)
    page.goto((SITE / f"{name}.html").as_uri())
    is_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    found = Axe().run(page).response["violations"]
    wrong += [
        f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    page.context.close()
    return wrong, is_wide


@BUILT
@IN_CHROMIUM
@pytest.mark.browser
@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_of_the_site_is_accessible(name: str, browser: Browser) -> None:
    """Offline, axe finds nothing serious on a phone's light page, which fits into its window."""
    phone = {"width": PHONE_WIDTH, "height": 844}
    wrong, is_wide = looked_at(browser, name, viewport=phone, color_scheme="light")
    assert wrong == []
    assert not is_wide


@BUILT
@IN_CHROMIUM
@pytest.mark.browser
@pytest.mark.parametrize("name", LOOKED_AT[1:2])
def test_a_dark_page_of_the_site_is_accessible(name: str, browser: Browser) -> None:
    """Nor does it on a wide, dark one."""
    wrong, _ = looked_at(browser, name, color_scheme="dark")
    assert wrong == []


@BUILT
@IN_CHROMIUM
@pytest.mark.browser
def test_a_phone_shows_a_chart_that_can_be_read(browser: Browser) -> None:
    """On a phone each chart is as large as it was drawn, scrolls by itself, and a hint says so."""
    page = browser.new_page(viewport={"width": PHONE_WIDTH, "height": 844})
    page.goto((SITE / "results.html").as_uri())
    boxes = page.locator(".chart")
    assert boxes.count() > 3
    for box in boxes.all():
        assert box.evaluate("e => e.firstElementChild.offsetWidth") == 830
        assert box.evaluate("e => e.offsetWidth") < PHONE_WIDTH
    assert page.locator(".sideways:visible").count() == boxes.count()
    page.set_viewport_size({"width": 1280, "height": 844})
    assert page.locator(".sideways:visible").count() == 0
    page.context.close()
