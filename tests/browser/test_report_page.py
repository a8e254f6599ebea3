"""The report in a browser: on a telephone, with everything unfolded, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.pipeline.homes import LAST, liftos

NARROW_PX = 360
_SEEN = """() => {
  document.querySelectorAll("details").forEach(part => part.open = true);
  const limit = document.documentElement.clientWidth;
  const cut = [...document.querySelectorAll("td, th, p, img")].filter(e => e.getBoundingClientRect().right > limit);
  return {
    title: document.title, images: document.images.length, width: document.documentElement.scrollWidth, cut: cut.length,
    broken: [...document.images].filter(image => !image.complete || image.naturalWidth === 0).length,
    silent: [...document.images].filter(image => !image.alt).length};
}"""


@pytest.fixture(scope="module")
def written(quiet_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    done = liftos(quiet_home, "report", "--out", str(file))
    assert done.returncode == 0, done.stderr
    return file


def test_a_telephone_shows_all_of_it(page: Page, written: Path) -> None:
    page.set_viewport_size({"width": NARROW_PX, "height": 800})
    page.goto(written.as_uri())
    seen = page.evaluate(_SEEN)
    assert seen["title"] == f"SIMULATED: What our marketing caused, as of {LAST}"
    assert seen["images"] >= 10
    assert (seen["broken"], seen["silent"], seen["width"], seen["cut"]) == (0, 0, NARROW_PX, 0)


def test_it_asks_nothing_of_the_network(page: Page, written: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri(), wait_until="networkidle")
    assert [url for url in asked if not url.startswith("data:")] == [written.as_uri()]


def test_it_prints_on_paper(page: Page, written: Path) -> None:
    page.goto(written.as_uri())
    page.emulate_media(media="print")
    assert page.pdf(format="A4")[:5] == b"%PDF-"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
