"""Dagster's pages in a browser: the graph, what a result shows of itself, and a backfill that is launched by clicks."""

from __future__ import annotations

import re
from concurrent.futures import Future

from playwright.sync_api import Page, expect

from tests.pipeline.interface import Interface

GROUPS = (
    *("raw", "staging", "intermediate", "mart", "factors", "confounders", "treatments", "causal_data"),
    *("propensity", "effects", "quality", "decisions", "published"),
)
"""In the order of the flow."""


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
    page.get_by_role("button", name="Events").click()  # by partition it shows the last 120 days alone
    expect(page.get_by_text("meta_overall")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()


def test_a_backfill_that_is_launched_by_clicks_finishes(
    clicked_backfill: Future[tuple[set[str], set[str]]],
) -> None:
    before, after = clicked_backfill.result()
    assert len(after) == 1 and before.isdisjoint(after)
