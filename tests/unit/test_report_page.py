"""The page: one file without network or script, a text beside every picture, headings in order, readable colours."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

import liftos_pipeline.report
from liftos_pipeline.report.contents import contents
from liftos_pipeline.report.inputs import ReportInput
from liftos_pipeline.report.page import as_html
from tests.report_tables import UNSAFE, earlier, empty_input, estimates, paths, report_input

CSS = (Path(liftos_pipeline.report.__file__).parent / "page.css").read_text()
READABLE = 4.5
"""WCAG 2.2, 1.4.3."""


class Page(HTMLParser):
    """Tags with their attributes, headings, and text outside of style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._is_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._is_style else data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(given: ReportInput) -> Page:
    return Page(as_html(given, contents(given)))


@cache
def full() -> Page:
    return page_of(dataclasses.replace(report_input(), earlier=earlier("refuse")))


@cache
def young() -> Page:
    return page_of(empty_input())


@pytest.mark.parametrize("page", [full, young])
def test_nothing_is_fetched_or_run(page) -> None:
    addresses = [
        value for _, attributes in page().tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    assert page().all("script") == []
    assert "url(" not in CSS and "@import" not in CSS
    (policy,) = [meta["content"] for meta in page().all("meta") if "http-equiv" in meta]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_picture_has_its_text() -> None:
    images = full().all("img")
    assert [image["alt"].split(".")[0] for image in images] == [
        "Caused beside reported",
        "Starts of changes by week, 2 in all; the table has the counts by month",
        "Meta, budget changes: effect by week",
        "Meta, budget changes: overlap of scores",
        "Meta, creative changes: overlap of scores",
    ]
    assert "caused +1,618 (1,048 to 2,187), reported +1,421" in images[0]["alt"]
    assert len(full().all("figcaption")) == len(images)


@pytest.mark.parametrize("page", [full, young])
def test_headings_are_in_order(page) -> None:
    levels = [int(tag[1]) for tag, _ in page().tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page().all("html") == [{"lang": "en"}]


def test_links_lead_to_sections() -> None:
    ids = {attributes["id"] for _, attributes in full().tags if "id" in attributes}
    assert {link["href"][1:] for link in full().all("a")} == ids - {"in-short"}


def test_every_table_has_a_caption_and_scopes() -> None:
    page = full()
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))


def test_what_platforms_send_is_escaped() -> None:
    assert UNSAFE in full().text
    assert full().all("script") == []


@pytest.mark.parametrize(("mode", "is_marked"), [("simulated", True), ("live", False)])
def test_simulated_stands_across_a_simulated_page_alone(mode: str, is_marked: bool) -> None:
    page = page_of(report_input(mode))
    assert ("SIMULATED" in page.text, "Truth" in page.text) == (is_marked, is_marked)


def test_a_young_home_says_what_it_waits_for() -> None:
    text = " ".join(young().text.split())
    assert "There is nothing to tell yet: no change has 28 days before and after it that are complete." in text
    assert "This is the first day with results." in text
    assert "nan" not in text.lower().split() and "None" not in text.split()


def test_what_may_not_be_told_has_its_way_out_in_the_card_and_in_the_evidence() -> None:
    text = " ".join(full().text.split())
    assert text.count("Way out: Widen the control pool.") == text.count("Way out: Compare.") == 2


def test_unknown_values_are_words_on_the_page() -> None:
    text = " ".join(full().text.split())
    assert "not known: 0 days were seen" in text
    assert re.search(r"\b(nan|None|null|inf)\b", text) is None


def test_a_single_campaign_has_the_gap_to_its_stand_in() -> None:
    method = {"method": "synthetic_control", "diagnostics": '{"placebo_gaps": {"a": [0, 0, 0, 0, 0]}}'}
    page = page_of(
        report_input(
            effect_estimates=estimates().iloc[[0]].assign(**method),
            effect_paths=paths().assign(method="synthetic_control"),
        )
    )
    alts = [image["alt"] for image in page.all("img")]
    assert "Meta, budget changes: gap to the synthetic control, 0.05 on average after the start" in alts


def test_pictures_end_after_the_first_analyses_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liftos_pipeline.report.page.MOST_ANALYSES", 1)
    page = page_of(report_input())
    assert [image["alt"].split(":")[0] for image in page.all("img")[2:]] == ["Meta, budget changes"] * 2
    assert page.text.count("Pictures are drawn of the first 1 answers") == 2


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["ink", "soft", "blue", "red", "green", "amber"])
def test_text_stands_out_from_its_ground(name: str) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})\b", CSS))
    dark = luminance(colours[name])
    assert all((light + 0.05) / (dark + 0.05) >= READABLE for light in (1.0, luminance(colours["wash"])))
