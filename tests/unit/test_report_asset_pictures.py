"""What pictures of result tables say, word for word: read off the figure before it is drawn."""

from __future__ import annotations

import pandas as pd
import pytest

from liftos_pipeline.causal.plots import small
from liftos_pipeline.report import asset_pictures

ANALYSIS = {"platform": "meta", "treatment_type": "budget_change", "design": "landmarked"}


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What was to be drawn as a grid."""
    drawn: list[tuple] = []

    def keep(found: dict, columns: tuple[str, ...] = ()) -> bytes:
        drawn.append((found, list(columns)))
        return b"png"

    monkeypatch.setattr(small, "small_grid", keep)
    return drawn


@pytest.mark.parametrize(
    ("verdict", "direction", "word", "state"),
    [
        ("report", "up", "T3 report, up", "good"),
        ("widen", "down", "T3 widened, down", "good"),
        ("direction_only", "unclear", "T3 direction, unclear", "fair"),
        ("refuse", None, "T3 refused", "poor"),
    ],
)
def test_verdicts_in_words(cells: list, verdict: str, direction: str | None, word: str, state: str) -> None:
    row = {**ANALYSIS, "outcome": "orders", "tier": "T3", "verdict": verdict, "direction": direction}
    asset_pictures.verdicts_picture(pd.DataFrame([row]))
    assert cells == [({("Meta, budget", "orders"): (word, state)}, [])]


def test_gates_are_counted_by_platform(cells: list) -> None:
    seen = [
        ("overlap", "meta.budget_change", True, "error"),
        ("overlap", "meta.creative_change", False, "error"),
        ("balance", "klaviyo.budget_change", False, "warn"),
        ("claims", "orders", True, "warn"),
    ]
    asset_pictures.gates_picture(pd.DataFrame(seen, columns=["gate", "subject", "passed", "severity"]))
    assert cells == [
        (
            {
                ("balance", "Klaviyo"): ("0 of 1 passed", "fair"),
                ("claims", "all"): ("passed", "good"),
                ("overlap", "Meta"): ("1 of 2 passed", "poor"),
            },
            ["Meta", "Klaviyo", "all"],
        )
    ]


@pytest.mark.parametrize(
    ("score", "cell"),
    [
        (0.95, ("0.95", "good")),
        (0.9499, ("0.94", "fair")),
        (0.8, ("0.80", "fair")),
        (0.7999, ("0.79", "poor")),
        (float("nan"), ("not known", "none")),
    ],
)
def test_scores_by_their_limits(cells: list, score: float, cell: tuple[str, str]) -> None:
    asset_pictures.scores_picture(pd.DataFrame([{"platform": "meta", "part": "overall", "score": score}]))
    assert cells[0][0] == {("overall", "Meta"): cell}


def test_refused_effects_are_named_so_and_secondary_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list = []
    monkeypatch.setattr(small, "small_forest", lambda lines, label: drawn.append((lines, label)))
    base = {**ANALYSIS, "outcome": "orders", "role": "primary", "label": "effect_on_orders"}
    numbers = {"estimate": 1.0, "ci_low": 0.5, "ci_high": 1.5}
    rows = [
        {**base, **numbers, "refused": None},
        {**base, **numbers, "refused": "too few controls", "treatment_type": "creative_change"},
        {**base, **numbers, "refused": None, "role": "naive"},
        {**base, **numbers, "refused": None, "label": "secondary", "outcome": "clicks"},
        {**base, **numbers, "refused": None, "outcome": "order_revenue"},
    ]
    asset_pictures.effects_picture(pd.DataFrame(rows))
    ((lines, _),) = drawn
    assert [(line["name"], line["note"]) for line in lines] == [
        ("Meta, budget", ""),
        ("Meta, creative", "refused"),
    ]


def test_nothing_to_draw_is_no_picture() -> None:
    empty = pd.DataFrame(columns=[*ANALYSIS, "outcome", "role", "label", "scope", "verdict", "gate", "score"])
    for draw in (
        asset_pictures.effects_picture,
        asset_pictures.verdicts_picture,
        asset_pictures.attribution_picture,
        asset_pictures.gates_picture,
        asset_pictures.scores_picture,
        asset_pictures.placebos_picture,
    ):
        assert draw(empty) is None
