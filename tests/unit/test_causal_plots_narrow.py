"""Figures of the page: numbers where they belong, letters as text, equal bytes for equal figures."""

from __future__ import annotations

from datetime import date

import numpy as np

from liftos_pipeline.causal.plots.narrow import narrow_attribution, narrow_timeline, svg_of

ROWS = [
    {
        "name": "Meta\nbudget",
        "reported": 1421.0,
        "caused": 1618.0,
        "low": 1048.0,
        "high": 2187.0,
        "truth": 1500.0,
        "note": "",
    },
    {
        "name": "Meta\nmail",
        "reported": -20.0,
        "caused": None,
        "low": None,
        "high": None,
        "truth": None,
        "note": "no answer",
    },
]
WEEKS = [
    {"channel": "Meta", "change": "budget changes", "week": date(2026, 3, 2), "starts": 8.0},
    {"channel": "Meta", "change": "budget changes", "week": date(2026, 3, 9), "starts": 2.0},
    {"channel": "Klaviyo", "change": "creative changes", "week": date(2026, 3, 9), "starts": 4.0},
]


def test_caused_stands_beside_reported() -> None:
    (axes,) = narrow_attribution(ROWS, "conversions").axes
    bars = [patch.get_width() for patch in axes.patches]
    assert bars == [1421.0, -20.0]
    (interval,) = [container for container in axes.containers if hasattr(container, "has_xerr")]
    point, caps, _ = interval.lines
    assert point.get_xdata()[0] == 1618.0
    np.testing.assert_allclose([cap.get_xdata()[0] for cap in caps], [1048.0, 2187.0])
    assert [text.get_text().strip() for text in axes.texts] == ["no answer"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "counted by the platform",
        "caused, with its interval",
        "truth (simulated)",
    ]


def test_an_unknown_limit_has_no_bar() -> None:
    row = {**ROWS[0], "high": None, "truth": None}
    (axes,) = narrow_attribution([row], "conversions").axes
    (interval,) = [container for container in axes.containers if hasattr(container, "has_xerr")]
    assert interval.lines[1][1].get_xdata()[0] == 1618.0


def test_the_area_of_a_dot_is_its_starts() -> None:
    (axes,) = narrow_timeline(WEEKS).axes
    sizes = [list(dots.get_sizes()) for dots in axes.collections]
    assert sizes[0][0] == 4 * sizes[0][1] and sizes[1][0] == 2 * sizes[0][1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Meta, budget", "Klaviyo, creative"]
    assert axes.get_title(loc="right") == "largest dot: 8 starts in a week"


def test_svg_keeps_letters_and_is_the_same_each_time() -> None:
    first, second = (svg_of(narrow_attribution(ROWS, "conversions")) for _ in range(2))
    assert first == second
    assert b">caused, with its interval</text>" in first and b"<dc:date>" not in first
