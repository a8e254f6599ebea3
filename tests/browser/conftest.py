"""A real browser without a window. Where none is installed, what needs it says how to get one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
NONE = "no browser: apt-get install chromium, or .venv/bin/playwright install chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, else the one that playwright installed."""
    with sync_playwright() as started:
        found = next(filter(None, map(shutil.which, NAMES)), started.chromium.executable_path)
        if not Path(found).exists():
            pytest.skip(NONE)
        opened = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:
    """A new page; at the end nothing may have been complained of on its console."""
    with browser.new_context(viewport={"width": 1600, "height": 1000}) as context:
        opened = context.new_page()
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
    assert complaints == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser) as opened:
        yield opened
