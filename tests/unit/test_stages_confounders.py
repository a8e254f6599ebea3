"""Which detector reads what of the panel, platform by platform, and how its answers become rows."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.stages.confounders import CHANGES, PANEL_COLUMNS, detected, find_confounders

AS_OF = date(2026, 5, 31)


def spend_of(unit: str, *steps: tuple[int, float], n_days: int = 120, platform: str = "meta") -> pd.DataFrame:
    """Noisy spend around 50 that grows by a log step from given days on."""
    log_spend = 4.0 + 0.03 * np.random.default_rng(5).standard_normal(n_days)
    for day, size in steps:
        log_spend[day:] += size
    days = pd.date_range(AS_OF - timedelta(days=n_days - 1), periods=n_days)
    named = {"platform": platform, "unit_type": "campaign", "unit_id": f"{platform}:{unit}", "account_id": "1"}
    known = {"date_day": days, "spend": np.exp(log_spend)}
    return pd.DataFrame({**named, **known}).reindex(columns=list(PANEL_COLUMNS))


NOBODY = pd.DataFrame(columns=["unit_id", "joined_on", "left_on", "has_unsubscribed"])


def test_confounders_are_one_verdict_per_campaign_and_its_dated_breaks() -> None:
    first = AS_OF - timedelta(days=119)
    unseen = spend_of("unseen").assign(spend=math.nan)
    account = spend_of("account", (60, 1.0)).assign(unit_type="account")
    lists = spend_of("list", (60, 1.0), platform="klaviyo").assign(unit_type="list")
    google = spend_of("same", platform="google_ads")
    panel = pd.concat(
        [spend_of("b", (45, 0.5), (85, -0.3)), spend_of("a", n_days=30), google, unseen, account, lists]
    )
    everything = find_confounders(panel, NOBODY, AS_OF, seed=1)
    found = everything[everything["detector"] == "budget_change"]
    verdicts = found[found["event_no"] == 0].set_index("unit_id")
    statuses = {"meta:a": "undetermined", "meta:b": "detected", "google_ads:same": "not_detected"}
    assert verdicts["status"].to_dict() == statuses
    assert verdicts["platform"].to_dict() == {unit: unit.split(":")[0] for unit in statuses}
    assert verdicts["event_on"].isna().all()
    assert "42 are needed" in verdicts.loc["meta:a", "reason"]
    events = found[found["event_no"] > 0]
    assert events["event_no"].tolist() == [1, 2]
    assert set(events["status"]) == {"detected"}
    assert events["event_on"].tolist() == [first + timedelta(days=45), first + timedelta(days=85)]
    assert events["estimate"].tolist() == pytest.approx([0.5, -0.3], abs=0.05)
    assert (events["confidence"] + events["p_value"]).tolist() == [1.0, 1.0]
    assert set(events["unit_id"]) == {"meta:b"}
    others = everything[everything["detector"] != "budget_change"]
    assert set(others["status"]) == {"undetermined"}
    assert find_confounders(unseen, NOBODY, AS_OF, seed=1).empty


def delivered(platform: str, unit_type: str, n_units: int, **columns: np.ndarray) -> pd.DataFrame:
    """Units of one account over 120 days with everything that a detector reads; shape (n_units, 120)."""
    rng = np.random.default_rng(3)
    shape = (n_units, 120)
    known = {
        "spend": np.exp(4.0 + 0.1 * rng.standard_normal(shape)),
        "impressions": np.full(shape, 20_000.0),
        "clicks": rng.poisson(300.0, shape).astype(float),
        "frequency": 1.0 + rng.random(shape),
        "conversions_reported": rng.poisson(20.0, shape).astype(float),
        "orders": rng.poisson(20.0, shape).astype(float),
        "email_sends": np.full(shape, 500.0),
        "email_clicks": rng.poisson(20.0, shape).astype(float),
        **{name: np.zeros(shape) for name in CHANGES.values()},
        **columns,
    }
    day = pd.date_range(AS_OF - timedelta(days=119), periods=120)
    keys = {"platform": platform, "unit_type": unit_type, "account_id": "1", "date_day": np.tile(day, n_units)}
    units = np.repeat([f"{platform}:{number}" for number in range(n_units)], 120)
    rows = {name: values.ravel() for name, values in known.items()}
    return pd.DataFrame({**keys, "unit_id": units, **rows}).reindex(columns=list(PANEL_COLUMNS))


def verdicts_of(rows: pd.DataFrame, detector: str) -> pd.DataFrame:
    return rows[(rows["detector"] == detector) & (rows["event_no"] == 0)].set_index("unit_id")


def test_a_jump_of_all_prices_is_the_markets_and_no_campaigns() -> None:
    rng = np.random.default_rng(5)
    dear = np.exp(4.0 + 0.1 * rng.standard_normal((10, 120)) + 0.8 * (np.arange(120) >= 70))
    rows = find_confounders(delivered("google_ads", "campaign", 10, spend=dear), NOBODY, AS_OF, seed=1)
    events = rows[(rows["detector"] == "market_shock") & (rows["event_no"] > 0)]
    assert events["unit_id"].tolist() == ["google_ads:market"]
    assert events["event_on"].tolist() == [AS_OF - timedelta(days=49)]
    assert verdicts_of(rows, "market_shock")["status"].tolist() == ["detected"] * 10
    assert not rows.duplicated(["detector", "unit_id", "event_no"]).any()


def test_meta_reads_fatigue_and_google_its_quality_score() -> None:
    rng = np.random.default_rng(6)
    frequency = np.cumsum(rng.exponential(0.4, (2, 3, 40)) * (rng.random((2, 3, 40)) < 0.2), axis=2).reshape(
        2, 120
    )
    tired = rng.poisson(600.0 * np.exp(-0.2 * frequency)).astype(float)
    creative = np.tile((np.arange(120) % 40 == 0).astype(float), (2, 1))
    creative[:, 0] = 0.0
    meta = delivered("meta", "campaign", 2, frequency=1 + frequency, clicks=tired, n_creative_changes=creative)
    score = np.tile(np.where((np.arange(120) // 20) % 2 == 0, 4.0, 8.0), (2, 1))
    price = np.exp(-0.1 * score + 0.05 * rng.standard_normal(score.shape)) * 300.0
    google = delivered(
        "google_ads", "campaign", 2, quality_score=score, spend=price, clicks=np.full(score.shape, 300.0)
    )
    rows = find_confounders(pd.concat([meta, google]), NOBODY, AS_OF, seed=1)
    fatigue, regime = verdicts_of(rows, "audience_fatigue"), verdicts_of(rows, "quality_score_regime")
    assert fatigue["status"].tolist() == ["detected"] * 2
    assert fatigue["estimate"].tolist() == pytest.approx([0.2, 0.2], abs=0.04)
    assert regime["status"].tolist() == ["detected"] * 2
    assert regime["estimate"].tolist() == pytest.approx([-0.1, -0.1], abs=0.02)
    assert set(fatigue["platform"]) | set(regime["platform"]) == {"meta", "google_ads"}


def test_lists_are_judged_by_their_people() -> None:
    rng = np.random.default_rng(7)
    joined = AS_OF - timedelta(days=1) * rng.integers(0, 300, 4_000)
    stays = rng.geometric(0.01, 4_000)
    left = [day + timedelta(days=int(stay)) for day, stay in zip(joined, stays, strict=True)]
    gone = np.array([day <= AS_OF for day in left])
    people = pd.DataFrame({"unit_id": "klaviyo:0", "joined_on": joined, "has_unsubscribed": gone.astype(int)})
    people["left_on"] = [day if is_gone else None for day, is_gone in zip(left, gone, strict=True)]
    rows = find_confounders(delivered("klaviyo", "list", 1), people, AS_OF, seed=1)
    health = verdicts_of(rows, "list_health")
    assert health["status"].tolist() == ["not_detected"]
    assert set(rows["detector"]) == {"list_health", "seasonality"}


def test_candidates_are_scored_where_a_log_has_changes() -> None:
    rng = np.random.default_rng(8)
    n = 300
    quality = np.repeat(rng.standard_normal((n, 1)), 120, axis=1)
    hazard = 0.004 * np.exp(1.2 * quality)
    changes = (rng.random((n, 120)) < hazard).astype(float)
    outcome = 20.0 + 3.0 * quality + rng.standard_normal((n, 120))
    panel = delivered(
        "meta",
        "campaign",
        n,
        quality_ranking_level=quality,
        conversions_reported=outcome,
        n_targeting_changes=changes,
    )
    rows = find_confounders(panel, NOBODY, AS_OF, seed=1)
    scored = verdicts_of(rows, "confounder_score")
    assert {unit.rsplit(":", 1)[0] for unit in scored.index} == {"meta:targeting_change"}
    assert scored.loc["meta:targeting_change:quality", ["status", "role"]].tolist() == ["detected", "confounder"]
    assert scored.loc["meta:targeting_change:frequency", "status"] != "detected"
    assert detected(rows)["confounder_score"] == 1
