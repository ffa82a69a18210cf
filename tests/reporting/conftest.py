"""What holds for every test of a report."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.reporting.browsing import chromium


# Of a module, for a running Playwright forbids event loops to the tests that follow.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with chromium() as browser:
        yield browser
