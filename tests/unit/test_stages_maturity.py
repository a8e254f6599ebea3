"""From account-days at ages to curves per platform and metric: days are the clusters, accounts are added up."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.stages.maturity import maturity_curves
from liftos_pipeline.stages.roles import ROLES

SHARES = [0.5, 0.8, 1.0]


def claims(
    platform: str, metric: str, account: str, n_days: int, scale: float, shares: list[float]
) -> pd.DataFrame:
    """Each day's final count is the scale times one more than its number."""
    rows = [
        (platform, metric, account, date(2026, 1, 1) + timedelta(days=day), age, scale * (day + 1) * share)
        for day in range(n_days)
        for age, share in enumerate(shares)
    ]
    return pd.DataFrame(rows, columns=["platform", "metric", "account_id", "date_day", "age_days", "value"])


def test_curves_are_per_platform_and_metric_over_all_accounts() -> None:
    triangle = pd.concat(
        [
            claims("klaviyo", "orders", "1", 20, 1.0, SHARES),
            claims("klaviyo", "orders", "2", 20, 3.0, [0.9, 0.8, 1.0]),
            claims("klaviyo", "order_revenue", "1", 20, 9.0, [0.4, 0.6, 1.0, 7.0]),
        ]
    )
    rows = maturity_curves(triangle.sample(frac=1.0, random_state=1), 0.9).set_index(["metric", "age_days"])
    assert rows.loc["orders", "completeness"].tolist() == pytest.approx([(0.5 + 3 * 0.9) / 4, 0.8, 1.0])
    assert rows.loc["order_revenue", "completeness"].tolist() == pytest.approx([0.4, 0.6, 1.0])
    assert set(rows["n_days"]) == {20} and set(rows["level"]) == {0.9}
    assert len(rows) == 2 * ROLES["klaviyo"].restated_days


def test_a_young_home_says_why_it_has_no_curve() -> None:
    rows = maturity_curves(claims("meta", "conversions_reported", "1", 3, 1.0, SHARES), 0.95)
    assert len(rows) == ROLES["meta"].restated_days
    assert rows["completeness"].notna().tolist() == [False] * 27 + [True]
    assert rows.loc[0, "reason"].startswith("0 days were seen at ages 26 and 27")
    assert np.isnan(rows.loc[0, "spread"]) and rows["reason"].isna().sum() == 1
    assert maturity_curves(claims("meta", "x", "1", 0, 1.0, SHARES), 0.95).empty
