"""A history's page in a real browser, as people open it: from the disk, offline."""

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from asgi_bench.cli.history import HistoryFlags, history
from tests.reporting.browsing import IN_A_BROWSER, PHONE_WIDTH, Visit
from tests.synthetic_history import store_history

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a folder of runs with a change."""
    folder = tmp_path_factory.mktemp("results")
    store_history(folder, 14, {8: 0.9})
    history(HistoryFlags(folder=folder))
    return folder / "history.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_quiet_and_accessible(
    browser: Browser, file: Path, scheme: Literal["light", "dark"]
) -> None:
    """No message, no request, no serious finding of axe-core; no sideways scrolling."""
    for width in (1180, PHONE_WIDTH):
        size = {"width": width, "height": 900}
        with Visit(browser, file, color_scheme=scheme, viewport=size) as page:
            found = Axe().run(page).response["violations"]
            grave = [each for each in found if each["impact"] in ("serious", "critical")]
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in grave] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_series_can_be_sorted(browser: Browser, file: Path) -> None:
    """A click on a head sorts the table and says so."""
    with Visit(browser, file) as page:
        page.get_by_role("button", name="changes").click()
        assert "Sorted by changes" in page.locator("#status").inner_text()
