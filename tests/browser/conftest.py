"""A page of a real browser, which may not complain on its console."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.driver import opened_browser, watched


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with the module: the driver's event loop would run on under the tests that follow in this process."""
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser) as opened:
        yield opened
