"""From causal-ready rows to effects and what they add up to: numbers by hand, and a reason wherever there is none."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.stages.analysis import COVARIATES, analyses, covariates, to_panel
from liftos_pipeline.stages.designs import DESIGNS, LANDMARKED
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.roles import MACRO, PRIMARY_OUTCOMES, SECONDARY_OUTCOMES
from liftos_pipeline.stages.weekly import PANEL_COLUMNS

ANALYSIS = {"platform": "meta", "treatment_type": "creative_change", "design": LANDMARKED}
METHODS, PRIMARY_METHOD = DESIGNS[LANDMARKED].landmarked, DESIGNS[LANDMARKED].primary
WINDOW = pd.Timestamp(2026, 2, 1)
AS_OF = date(2026, 5, 31)
LEVEL = 0.9
OUTCOMES = (*PRIMARY_OUTCOMES, *SECONDARY_OUTCOMES)
NUMBERS = ["estimate", "std_error", "ci_low", "ci_high", "p_value"]


def causal_ready(treated: list[float], controls: list[float], **columns: object) -> pd.DataFrame:
    """One row per unit; the lists have each unit's change of the count, the value changes ten times as much."""
    change = np.array([*treated, *controls], dtype=float)
    is_treated = np.array([1] * len(treated) + [0] * len(controls))
    frame = pd.DataFrame({**ANALYSIS, "window_start": WINDOW, "is_treated": is_treated})
    frame["unit_id"] = [f"unit_{number:03d}" for number in range(len(frame))]
    levels = {
        **dict.fromkeys(COVARIATES, 1.0),
        **dict.fromkeys(MACRO, 1.0),
        **{f"{outcome}_{when}": 0.0 for outcome in OUTCOMES for when in ("before", "after", "trend")},
    }
    outcomes = {"count_before": 4.0, "count_after": 4.0 + change, "value_before": 7.0}
    return frame.assign(**{**levels, **outcomes, "value_after": 7.0 + 10 * change, **columns})


def many(effect: float, **columns: object) -> pd.DataFrame:
    """30 treated units that change by ``effect`` more than the 60 controls, each arm half above and half below."""
    return causal_ready([1 + effect, effect - 1] * 15, [1.0, -1.0] * 30, **columns)


def treatments(*analysed: tuple[str, str]) -> pd.DataFrame:
    """Two units that started in each analysis."""
    frame = pd.DataFrame(analysed, columns=["platform", "treatment_type"])
    told = {
        "standing": "current",
        "evidence": "logged",
        "assignment_method": "observational",
        "started_on": WINDOW,
    }
    return pd.concat([frame.assign(unit_id=unit, **told) for unit in ("a", "b")], ignore_index=True)


NO_PANEL = pd.DataFrame(columns=list(PANEL_COLUMNS))


def scored(rows: pd.DataFrame, propensity: object) -> pd.DataFrame:
    return rows[[*ANALYSIS, "window_start", "unit_id", "is_treated"]].assign(propensity=propensity)


def effects_of(
    rows: pd.DataFrame, scores: pd.DataFrame | None = None, *wanted: tuple[str, str], controls: float = 20.0
) -> pd.DataFrame:
    given = scored(rows, 0.5) if scores is None else scores
    called_for = treatments(("meta", "creative_change"), *wanted)
    effects = estimate_effects(
        rows, given, called_for, pd.DataFrame(), NO_PANEL, level=LEVEL, seed=1, min_effective_controls=controls
    )
    return effects[(effects["label"] != "secondary") & (effects["method"] != "staggered_did")]


def by_method(effects: pd.DataFrame, outcome: str = "conversions_reported") -> pd.DataFrame:
    return effects[effects["outcome"] == outcome].set_index("method")


def test_analyses_come_in_a_fixed_order_whatever_the_order_of_the_rows() -> None:
    rows = pd.concat(
        [
            causal_ready([1], [0]),
            causal_ready([1], [0], platform="google_ads"),
            causal_ready([1], [0], treatment_type="budget_change"),
            causal_ready([1], [0], window_start=WINDOW - timedelta(days=7)),
        ]
    )
    for order in (rows, rows[::-1]):
        found = analyses(order)
        assert [(platform, kind, len(part)) for platform, kind, _, part in found] == [
            ("google_ads", "creative_change", 2),
            ("meta", "budget_change", 2),
            ("meta", "creative_change", 4),
        ]
        last = found[2][3]
        assert list(last.index) == [0, 1, 2, 3]
        keys = list(zip(last["window_start"], last["unit_id"], strict=True))
        assert keys == sorted(keys)
    assert analyses(rows.iloc[:0]) == []


def test_a_missing_covariate_gets_the_mean_and_an_indicator_and_constant_ones_go() -> None:
    rows = causal_ready(
        [0, 0],
        [0, 0],
        log_spend_before=[1.0, 2.0, 3.0, 4.0],
        quality_before=[1.0, math.nan, 4.0, 4.0],
        spend_momentum=[math.nan, 2.0, 2.0, 2.0],
        click_rate_before=math.nan,
        count_before=[1.0, 2.0, 1.0, 2.0],
        value_before=[8.0, 9.0, 8.0, 8.0],
        value_trend=[0.0, 0.0, 0.0, 5.0],
        window_start=[WINDOW, WINDOW, WINDOW + timedelta(days=7), WINDOW + timedelta(days=14)],
    )
    unit = {
        "log_spend_before": [1, 2, 3, 4],
        "spend_momentum_missing": [1, 0, 0, 0],
        "quality_before": [1, 3, 4, 4],
        "quality_before_missing": [0, 1, 0, 0],
    }
    calendar = {"window_2026-02-08": [0, 0, 1, 0], "window_2026-02-15": [0, 0, 0, 1]}
    assert covariates(rows, "count").to_dict("list") == {**unit, "count_before": [1, 2, 1, 2], **calendar}
    value = {"value_before": [8, 9, 8, 8], "value_trend": [0, 0, 0, 5]}
    assert covariates(rows, "value").to_dict("list") == {**unit, **value, **calendar}


def test_the_panels_outcome_is_after_minus_before() -> None:
    rows = causal_ready([3], [-1, 2], log_spend_before=[1.0, 2.0, 3.0])
    panel = to_panel(rows, "count", np.array([0.2, 0.3, 0.4]))
    assert (panel.y.tolist(), panel.d.tolist()) == ([3, -1, 2], [1, 0, 0])
    assert panel.propensity.tolist() == [0.2, 0.3, 0.4]
    assert panel.unit_labels.tolist() == rows["unit_id"].tolist()
    assert to_panel(rows, "value").y.tolist() == [30, -10, 20]
    assert to_panel(rows, "value").propensity is None


def test_the_level_of_the_outcome_is_left_to_the_scores() -> None:
    rows = causal_ready([3], [-1, 2], count_before=[1.0, 2.0, 3.0], count_trend=[0.0, 1.0, 2.0])
    assert "count_before" in to_panel(rows, "count").covariate_names
    scored_panel = to_panel(rows, "count", np.array([0.2, 0.3, 0.4]))
    assert scored_panel.covariate_names == ("count_trend",)
    assert scored_panel.X.shape == (3, 1)


def test_scores_belong_to_their_rows_and_small_analyses_have_none() -> None:
    """The treated sell much before their window and, as controls of the week before, as little as the others."""
    window = many(0.0, count_before=[5.0, 6.0] * 15 + [1.0, 2.0] * 30)
    earlier = causal_ready([], [0.0] * 30, window_start=WINDOW - timedelta(days=7), count_before=1.5)
    rows = pd.concat([window, earlier], ignore_index=True)
    small = causal_ready([1, 2], [0, 1], platform="google_ads")
    scores = propensity_scores(pd.concat([small, rows[::-1]]), seed=3)
    joined = rows.merge(scores, on=[*ANALYSIS, "window_start", "unit_id", "is_treated"], validate="one_to_one")
    assert len(joined) == len(scores) == len(rows)
    assert joined["propensity"].between(0, 1, inclusive="neither").all()
    assert (joined["propensity"] > 0.5).equals(joined["is_treated"] == 1)
    assert set(scores["fold"]) == set(range(5))
    assert scores.groupby("unit_id")["fold"].nunique().max() == 1
    assert not propensity_scores(rows, seed=4)["fold"].equals(scores["fold"])
    assert propensity_scores(small, seed=3).empty
    assert propensity_scores(rows.iloc[:0], seed=3).empty


def test_effects_are_treated_minus_untreated_with_the_level_asked_for() -> None:
    effects = effects_of(many(2.0))
    assert list(by_method(effects).index) == list(METHODS)
    assert set(effects["label"]) == {"effect_on_reported"}
    assert set(effects["estimand"]) == {"att"}
    for outcome, size in (("conversions_reported", 2.0), ("revenue_reported", 20.0)):
        found = by_method(effects, outcome)
        assert found["estimate"].tolist() == pytest.approx([size] * 3, rel=0.02)
        assert ((found["ci_low"] + found["ci_high"]) / 2).tolist() == pytest.approx(found["estimate"].tolist())
    assert set(effects["level"]) == {LEVEL}
    quantile = (effects["ci_high"] - effects["estimate"]) / effects["std_error"]
    assert quantile.between(1.645, 1.70).all()
    assert effects[["n_rows", "n_units", "n_treated"]].drop_duplicates().to_numpy().tolist() == [[90, 90, 30]]
    assert effects[["refused", "undefined"]].isna().all(axis=None)
    assert (effects["p_value"] < 0.001).all()
    assert by_method(effects_of(many(0.0))).loc["ipw", "p_value"] == pytest.approx(1.0)


def test_stored_scores_are_used_where_every_row_has_one() -> None:
    """Controls change by 1 and -1 in turn; at scores 1/4 and 1/2 they weigh 1/3 and 1, so that their mean is -1/2."""
    rows = many(9.0)
    stored = scored(rows, [0.5] * 30 + [0.25, 0.5] * 30)
    weighted = by_method(effects_of(rows, stored[::-1])).loc["ipw"]
    assert weighted["estimate"] == pytest.approx(9.5)
    assert json.loads(weighted["diagnostics"])["propensity"] == "given"
    for unusable in (stored.iloc[1:], stored.assign(platform="google_ads"), stored.iloc[:0]):
        fitted = by_method(effects_of(rows, unusable)).loc["ipw"]
        assert fitted["estimate"] == pytest.approx(9.0, abs=0.1)
        assert json.loads(fitted["diagnostics"])["propensity"] != "given"


def test_what_is_asked_for_and_cannot_be_computed_says_why() -> None:
    small = causal_ready([3.0, 5.0], [1.0, 1.0, 2.5])
    one_arm = causal_ready([], [1.0, 2.0, 3.0], platform="google_ads")
    effects = effects_of(pd.concat([small, one_arm]), scored(small, 0.5).iloc[:0], ("klaviyo", "budget_change"))
    assert len(effects) == 3 * 2 * len(METHODS)
    assert not effects.duplicated(["platform", "treatment_type", "outcome", "method"]).any()
    simple = (effects["platform"] == "meta") & (effects["method"] == "difference_in_means")
    assert effects.loc[simple, "estimate"].tolist() == pytest.approx([2.5, 25.0])
    assert effects.loc[simple, "refused"].isna().all()
    refused = effects[~simple]
    assert refused[NUMBERS].isna().all(axis=None)
    assert set(refused["level"]) == {LEVEL}
    assert (refused[["n_rows", "n_units", "n_treated", "n_clusters"]] == 0).all(axis=None)
    said = refused.groupby("platform")["refused"].agg(set)
    expected = {
        "meta": "treated units outside",
        "google_ads": "all 3 rows untreated",
        "klaviyo": "28 observed days",
    }
    for platform, reason in expected.items():
        assert all(reason in text for text in said[platform])
    listed = effects[effects["platform"] == "klaviyo"]
    assert set(zip(listed["outcome"], listed["label"], strict=True)) == {
        ("orders", "effect_on_orders"),
        ("order_revenue", "effect_on_orders"),
    }
    nothing = (small.iloc[:0], scored(small, 0.5), treatments(), pd.DataFrame(), NO_PANEL)
    assert estimate_effects(*nothing, level=LEVEL, seed=1, min_effective_controls=20.0).empty


def test_a_refused_effect_keeps_its_number_and_its_reason() -> None:
    rows = many(2.0)
    effects = by_method(effects_of(rows, scored(rows, [0.95] * 30 + [0.5] * 60)))
    assert effects["estimate"].notna().all()
    assert effects["refused"].isna().to_dict() == {
        "difference_in_means": True,
        "ipw": False,
        "doubly_robust": False,
    }
    assert "below 0.9" in effects.loc["ipw", "refused"]
    assert "refused: " in effects.loc["ipw", "warnings"]
    diagnostics = json.loads(effects.loc["ipw", "diagnostics"])
    assert (diagnostics["score_max_treated"], diagnostics["seed"]) == (0.95, 1)


def test_an_effect_without_limits_keeps_its_number_and_says_why() -> None:
    effect = by_method(effects_of(causal_ready([3.0], [1.0, 1.0, 2.5, 2.0]))).loc["difference_in_means"]
    assert effect["estimate"] == pytest.approx(1.375)
    assert effect[["std_error", "ci_low", "ci_high", "p_value", "refused"]].isna().all()
    assert effect["undefined"] == "1 treated unit; at least 2 are needed"


def test_the_setting_of_effective_controls_decides_the_refusal() -> None:
    rows = many(2.0)
    for controls, refused in ((20.0, False), (100.0, True)):
        effects = by_method(effects_of(rows, controls=controls))
        assert bool(effects.loc[PRIMARY_METHOD, "refused"] is not None) == refused
        assert effects.loc["difference_in_means", "refused"] is None


def test_diagnostics_are_strict_json_and_a_reason_is_said_once() -> None:
    effects = by_method(effects_of(causal_ready([3.0], [1.0, 1.0, 2.5, 2.0])))
    told = json.loads(effects.loc["difference_in_means", "diagnostics"], parse_constant=lambda name: 1 / 0)
    assert told["degrees_of_freedom"] is None
    assert effects.loc["difference_in_means", "undefined"].count("at least 2 are needed") == 1
