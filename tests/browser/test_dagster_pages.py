"""Dagster's pages in a browser: the graph, what a result shows of itself, and a backfill that is launched by clicks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from liftos_pipeline.warehouse import Warehouse
from tests.browser.conftest import watched
from tests.pipeline.homes import FIRST, LAST
from tests.pipeline.interface import Interface

GROUPS = (
    *("raw", "staging", "intermediate", "mart", "factors", "confounders", "treatments", "causal_data"),
    *("propensity", "effects", "quality", "decisions", "published"),
)
"""In the order of the flow."""
PATIENCE_MS = 240_000


@pytest.fixture(scope="module", autouse=True)
def launched(browser: Browser, user_interface: Interface) -> tuple[str, set[str]]:
    """A backfill of two days by clicks, which runs while other pages are looked at: its page, and earlier runs."""
    before = runs(user_interface)
    with watched(browser) as page:
        page.goto(f"{user_interface.address}/assets/causal/verdicts", wait_until="networkidle")
        page.get_by_role("button", name="Materialize").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Show all partitions").click()
        dialog.get_by_role("textbox").first.fill(f"[{FIRST}...{LAST}]")
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("2 partitions", exact=True)).to_be_visible()
        dialog.get_by_role("button", name="Launch backfill").click()
        page.get_by_text("View", exact=True).click()
        expect(page).to_have_url(re.compile("/runs/b/"))
        return page.url, before


def runs(interface: Interface) -> set[str]:
    """Runs that the verdicts of both days are of."""
    with Warehouse(interface.home, "simulated").read() as connection:
        rows = connection.execute("SELECT DISTINCT as_of::VARCHAR, run_id FROM causal.verdicts").fetchall()
    assert {row[0] for row in rows} == {FIRST, LAST}
    return {row[1] for row in rows}


def left_edge(page: Page, group: str) -> float:
    """Where the box of a group stands in the graph, pixels."""
    box = page.locator("foreignObject").filter(has_text=re.compile(f"^{group}")).first.bounding_box()
    assert box is not None, group
    return box["x"]


def test_the_graph_reads_as_the_flow(page: Page, user_interface: Interface) -> None:
    page.goto(f"{user_interface.address}/asset-groups", wait_until="networkidle")
    expect(page.get_by_text("Global asset lineage")).to_be_visible()
    for group in GROUPS:
        expect(page.locator("foreignObject").filter(has_text=re.compile(f"^{group}")).first).to_be_visible()
    places = [left_edge(page, group) for group in ("raw", "mart", "confounders", "treatments", *GROUPS[-6:])]
    assert places == sorted(places)


def test_a_result_shows_its_picture_and_its_plots(page: Page, user_interface: Interface) -> None:
    page.goto(f"{user_interface.address}/assets/quality/scores", wait_until="networkidle")
    row = page.get_by_role("row").filter(has_text="picture")
    row.get_by_text("[Show Markdown]").click()
    picture = page.get_by_role("dialog").locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => [image.complete, image.naturalWidth]") == [True, 640]
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Plots").click()
    page.get_by_role(
        "button", name="Events"
    ).click()  # by partition it shows the last 120 days, which were not run here
    expect(page.get_by_text("meta_overall")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()


def test_the_backfill_that_was_launched_by_clicks_finishes(
    page: Page, user_interface: Interface, launched: tuple[str, set[str]]
) -> None:
    url, before = launched
    page.goto(url, wait_until="networkidle")
    expect(page.get_by_text("100% completed")).to_be_visible(timeout=PATIENCE_MS)
    after = runs(user_interface)
    assert len(after) == 1 and before.isdisjoint(after)
