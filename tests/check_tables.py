"""Small tables that rules are tried on."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from liftos_pipeline.checks import CheckOutcome


def days_of(
    platform: str, account: str, n_units: int, n_days: int, first: date, clicks: float = 100.0, rate: float = 0.05
) -> pd.DataFrame:
    """Rows of ``marketing_panel``: campaigns of one account that do the same every day."""
    units = [f"{platform}:{account}:{number}" for number in range(n_units)]
    frame = pd.DataFrame(
        {
            "unit_id": np.repeat(units, n_days),
            "date_day": np.tile(pd.date_range(first, periods=n_days), n_units),
        }
    )
    return frame.assign(
        platform=platform,
        account_id=account,
        unit_type="campaign",
        is_observed=True,
        is_boundary=False,
        spend=50.0,
        impressions=4000.0,
        clicks=clicks,
        conversions_reported=clicks * rate,
        revenue_reported=clicks * rate * 60.0,
        quality_score=7.0,
        quality_ranking_level=2.0,
        frequency=1.5,
        orders=np.nan,
        email_sends=np.nan,
    )


def outcome_of(
    gate: str, subject: str, passed: bool, severity: Literal["error", "warn"] = "error"
) -> CheckOutcome:
    return CheckOutcome(gate, subject, passed, severity, "seen", "expected", "way out")
