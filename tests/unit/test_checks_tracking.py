"""A break in what an account counts is dated; treatments, market shocks and noise are none."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.checks.tracking import counting_is_steady, one_attribution_setting
from tests.check_tables import days_of

FIRST = date(2026, 1, 1)
N_DAYS, MATURITY = 120, 14
AS_OF = FIRST + timedelta(days=N_DAYS - 1)
ROLES = {platform: ("campaign", "conversions_reported", "clicks", MATURITY) for platform in ("meta", "google_ads")}


def panel() -> pd.DataFrame:
    """Two accounts of either platform, five campaigns each, with Poisson counts of 10 a day."""
    parts = [
        days_of(platform, account, 5, N_DAYS, FIRST, clicks=200.0) for platform in ROLES for account in ("1", "2")
    ]
    table = pd.concat(parts, ignore_index=True)
    noisy = np.random.default_rng(3).poisson(table["conversions_reported"]).astype(float)
    return table.assign(conversions_reported=noisy)


def day_of(table: pd.DataFrame) -> pd.Series:
    return (table["date_day"] - pd.Timestamp(FIRST)).dt.days


def times(table: pd.DataFrame, chosen: pd.Series, factor: float | pd.Series) -> pd.DataFrame:
    return table.assign(
        conversions_reported=table["conversions_reported"].where(~chosen, table["conversions_reported"] * factor)
    )


def failing(table: pd.DataFrame, max_shift: float = 0.5) -> dict[str, tuple]:
    return {o.subject: o.offenders for o in counting_is_steady(table, ROLES, AS_OF, max_shift) if not o.passed}


def test_steady_counts_pass() -> None:
    outcomes = counting_is_steady(panel(), ROLES, AS_OF, 0.5)
    assert [(o.gate, o.subject, o.passed, o.severity) for o in outcomes] == [
        ("tracking", "meta", True, "error"),
        ("tracking", "google_ads", True, "error"),
    ]
    assert outcomes[0].seen == "0 of 2 accounts with a break in what they count"


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5, 2.5])
def test_an_account_that_counts_otherwise_from_a_day_on_is_named_with_the_day(factor: float) -> None:
    table = panel()
    broken = (table["platform"] == "meta") & (table["account_id"] == "2") & (day_of(table) >= 60)
    ((subject, (named,)),) = failing(times(table, broken, factor)).items()
    assert (subject, named["account_id"], named["share_of_campaigns"]) == ("meta", "2", 1.0)
    assert abs((pd.Timestamp(named["date_day"]) - pd.Timestamp(FIRST)).days - 60) <= 1
    assert np.sign(named["log_shift"]) == np.sign(factor - 1.0)


def test_what_all_platforms_show_is_the_markets() -> None:
    table = panel()
    assert failing(times(table, day_of(table) >= 60, 0.4)) == {}


def test_treatments_that_start_one_after_another_are_no_break() -> None:
    table = panel()
    start = table["unit_id"].str[-1].astype(int) * 12 + 30
    assert failing(times(table, day_of(table) >= start, float(np.exp(0.8)))) == {}


def test_one_campaign_of_five_and_a_week_that_ends_are_no_break() -> None:
    table = panel()
    one = (table["unit_id"] == "meta:1:0") & (day_of(table) >= 60)
    assert failing(times(table, one, 20.0)) == {}
    week = (table["platform"] == "meta") & day_of(table).between(60, 64)
    assert failing(times(table, week, 0.2)) == {}


def test_a_slow_change_is_no_break() -> None:
    table = panel()
    growth = np.exp(0.06 * (day_of(table) - 40).clip(0, 30))
    assert failing(times(table, table["platform"] == "meta", growth)) == {}


def test_days_that_have_not_matured_are_not_looked_at() -> None:
    table = panel()
    young = (table["platform"] == "meta") & (day_of(table) >= N_DAYS - MATURITY)
    assert failing(times(table, young, 0.1)) == {}


def test_the_setting_bears_a_larger_shift() -> None:
    table = panel()
    half = (table["platform"] == "meta") & (day_of(table) >= 60)
    assert set(failing(times(table, half, 0.5))) == {"meta"}
    assert failing(times(table, half, 0.5), max_shift=1.0) == {}


def settings(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["account_id", "unit_id", "attribution_setting", "first_day"])
    return table.assign(platform="meta", first_day=pd.to_datetime(table["first_day"]), n_days=30)


def test_an_attribution_setting_that_changed_is_named_with_its_day() -> None:
    table = settings(
        ("1", "a", "7d_click_1d_view", "2026-01-01"),
        ("1", "a", "7d_click", "2026-04-01"),
        ("2", "b", "7d_click_1d_view", "2026-01-01"),
        ("2", "c", "7d_click", "2026-02-01"),
    )
    (bad,) = one_attribution_setting(table)
    assert (bad.gate, bad.subject, bad.passed, bad.severity) == ("attribution_setting", "meta", False, "error")
    named = {
        "account_id": "1",
        "date_day": "2026-04-01",
        "settings": "7d_click_1d_view, 7d_click",
        "n_campaigns": 1,
    }
    assert bad.offenders == (named,)
    assert "begins on 2026-04-01" in bad.way_out
    (good,) = one_attribution_setting(table.iloc[2:])
    assert (good.passed, good.offenders, good.way_out) == (True, (), "")
