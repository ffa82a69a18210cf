"""Debian's Chromium, and a visit to a page in it that notes whatever must not come up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# Chromium refuses to run sandboxed as root; and nothing of its own shall go out.
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE_WIDTH = 390
IN_CHROMIUM = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
# Of a module whose tests all need the browser.
IN_A_BROWSER = [pytest.mark.browser, IN_CHROMIUM]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless, inside the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


class Visit:
    """An open page, and what came up that must not: messages, errors, dialogs, requests."""

    def __init__(self, browser: Browser, file: Path, query: str = "", **options: Any) -> None:
        address = file.as_uri() + query
        self.page = browser.new_context(**options).new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self._dismiss(dialog))
        self.page.on("request", lambda request: self._note(request.url, address))
        self.page.goto(address)

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.page.context.close()
        assert self.wrong == []

    def _dismiss(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, address: str, own: str) -> None:
        if address != own:
            self.wrong.append(f"request: {address}")
