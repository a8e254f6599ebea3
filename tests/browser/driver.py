"""A real browser without a window, and a backfill by clicks in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from liftos_pipeline.warehouse import Warehouse
from tests.pipeline.homes import FIRST, LAST
from tests.pipeline.interface import Interface

NAMES = ("chromium", "chromium-browser", "google-chrome")
NONE = "no browser: apt-get install chromium, or .venv/bin/playwright install chromium"
PATIENCE_MS = 240_000


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """The machine's Chromium, else the one that playwright installed, else the test is skipped."""
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


def backfill_by_clicks(interface: Interface) -> tuple[set[str], set[str]]:
    """Launch a backfill of two days and wait until its page says that it is done; runs of the rows before and after."""
    before = runs(interface)
    with opened_browser() as browser, watched(browser) as page:
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(f"{interface.address}/assets/causal/verdicts", wait_until="networkidle")
        page.get_by_role("button", name="Materialize").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Show all partitions").click()
        dialog.get_by_role("textbox").first.fill(f"[{FIRST}...{LAST}]")
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("2 partitions", exact=True)).to_be_visible()
        dialog.get_by_role("button", name="Launch backfill").click()
        page.get_by_text("View", exact=True).click()
        expect(page).to_have_url(re.compile("/runs/b/"))
        expect(page.get_by_text("100% completed")).to_be_visible()
    return before, runs(interface)


def runs(interface: Interface) -> set[str]:
    """Runs that the verdicts of both days are of."""
    with Warehouse(interface.home, "simulated").read() as connection:
        rows = connection.execute("SELECT DISTINCT as_of::VARCHAR, run_id FROM causal.verdicts").fetchall()
    assert {row[0] for row in rows} == {FIRST, LAST}
    return {row[1] for row in rows}
