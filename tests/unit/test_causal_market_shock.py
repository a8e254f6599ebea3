"""Market shocks: days that all units share, silence where they share none, and what is said of bad units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.calibration import autoregressive_series
from liftos_pipeline.causal.confounders.jumps import LAGS, innovations, shared_jumps
from liftos_pipeline.errors import LiftosError

N_DAYS, N_UNITS = 150, 20
START = pd.Timestamp("2025-04-01")
NULL_SEEDS = range(4_100, 4_220)
WIDTH = 3.5
"""Standard errors of the Monte-Carlo: a correct test fails one cell in about 4,000."""


def market(seed: int, shocks: dict[int, float], n_units: int = N_UNITS) -> pd.DataFrame:
    """Prices of units with a competitor whose strength jumps and decays by .85 a day."""
    rng = np.random.default_rng(seed)
    rival = np.zeros(N_DAYS)
    for day in range(1, N_DAYS):
        rival[day] = 0.85 * rival[day - 1] + shocks.get(day, 0.0)
    week = 0.1 * np.sin(2 * np.pi * np.arange(N_DAYS) / 7)

    def metric(loading: float) -> np.ndarray:
        return (week + loading * rival + 0.15 * autoregressive_series(0.4, n_units, N_DAYS, rng)).ravel()

    share = metric(-1.0)
    return pd.DataFrame(
        {
            "unit": np.repeat(np.arange(n_units), N_DAYS),
            "day": np.tile(pd.date_range(START, periods=N_DAYS), n_units),
            "cpm": np.exp(2 + metric(1.0)),
            "cpc": np.exp(metric(0.7)),
            "share": 1 / (1 + np.exp(-share)),
        }
    )


def found(frame: pd.DataFrame, **options: object):
    named = {"cpm": "cpm"} | options
    return detect("market_shock", frame, unit="unit", period="day", **named)


def days(events: pd.DataFrame) -> list[int]:
    return (events["date"] - START).dt.days.tolist()


def test_a_shared_jump_is_dated_and_sized():
    result = found(market(1, {60: 0.5, 100: -0.4}))
    assert days(result.events) == [60, 100]
    assert result.events["unit"].tolist() == ["market"] * 2
    np.testing.assert_allclose(result.events["size"], [0.5, -0.4], atol=0.12)
    assert (result.events["p_value"] <= 0.05).all()
    assert result.table["status"].unique().tolist() == ["detected"]
    assert (result.table["n_events"] == 2).all()
    assert (result.table["date"] == START + pd.Timedelta(days=60)).all()
    assert result.table["estimate"].mean() == pytest.approx(1.0, abs=0.2)


def test_several_metrics_see_what_one_does_not():
    frame = market(2, {70: 0.15})
    assert days(found(frame).events) == []
    together = found(frame, cpc="cpc", impression_share="share")
    assert days(together.events) == [70]
    assert together.events.loc[0, "size"] == pytest.approx(0.9 * 0.15, abs=0.06)
    alone = detect("market_shock", frame, unit="unit", period="day", impression_share="share")
    assert days(alone.events) in ([], [70])
    assert (alone.events["size"] > 0).all()


def test_one_unit_jumping_alone_is_no_shock():
    frame = market(3, {})
    frame.loc[(frame["unit"] == 4) & (frame["day"] >= START + pd.Timedelta(days=80)), "cpm"] *= 3.0
    result = found(frame)
    assert len(result.events) == 0
    assert result.table["status"].unique().tolist() == ["not_detected"]


@pytest.mark.parametrize(("n_units", "degrees"), [(8, None), (12, 3.0)])
def test_size_with_few_units(n_units, degrees):
    """Also with heavy tails, which the median of so few units keeps."""
    hits = 0
    for seed in NULL_SEEDS:
        rng = np.random.default_rng(seed)
        series = autoregressive_series(0.5, n_units, 100, rng, degrees)[None]
        hits += shared_jumps(series, 0).p_value.min() <= 0.05
    n = len(NULL_SEEDS)
    assert hits / n < 0.05 + WIDTH * np.sqrt(0.05 * 0.95 / n)


def test_size_with_many_units():
    hits = 0
    for seed in NULL_SEEDS:
        rng = np.random.default_rng(seed)
        series = autoregressive_series(0.5, 100, 80, rng) + autoregressive_series(0.8, 1, 80, rng)
        hits += shared_jumps(series[None], 0).p_value.min() <= 0.05
    n = len(NULL_SEEDS)
    assert 0 < hits / n < 0.05 + WIDTH * np.sqrt(0.05 * 0.95 / n)


def test_innovations_are_least_squares_without_the_outlying_days():
    rng = np.random.default_rng(5)
    series = autoregressive_series(0.6, 1, 120, rng)
    series[0, 60] += 15.0
    series[0, 100] = np.nan
    rest = innovations(series)[0]
    now, past = (
        series[0, LAGS:],
        np.column_stack([series[0, LAGS - lag : 120 - lag] for lag in range(1, LAGS + 1)]),
    )
    known = ~np.isnan(now) & ~np.isnan(past).any(axis=1)
    design = np.column_stack([np.ones(len(now)), past])

    def fit(rows: np.ndarray) -> np.ndarray:
        return now - design @ np.linalg.lstsq(design[rows], now[rows], rcond=None)[0]

    first = fit(known)
    kept = known & (np.abs(first) <= 4 * 1.4826 * np.median(np.abs(first[known])))
    np.testing.assert_allclose(rest[known], fit(kept)[known], atol=1e-8)
    assert np.isnan(rest[~known]).all()
    assert rest[60 - LAGS] > 12


def test_bad_units_stop_no_other():
    frame = market(6, {60: 0.6})
    at = frame.groupby("unit").cumcount()
    frame.loc[(frame["unit"] == 0) & (at < 2), "cpm"] = -1.0
    frame.loc[(frame["unit"] == 1) & (at == 3), "cpm"] = np.inf
    frame = frame[~((frame["unit"] == 2) & (at >= 30))]
    rows = found(frame).table.set_index("unit")
    assert rows.loc[0, "reason"] == "2 days with a negative or infinite cpm"
    assert rows.loc[1, "reason"] == "1 day with a negative or infinite cpm"
    assert rows.loc[2, "reason"] == "30 days observed, at least 42 are needed"
    assert rows.loc[2, "n_needed"] == 42
    assert rows.loc[:2, "status"].tolist() == ["undetermined"] * 3
    assert rows.loc[:2, ["statistic", "p_value", "estimate"]].isna().all(axis=None)
    assert rows.loc[3:, "status"].unique().tolist() == ["detected"]


def test_a_share_above_one_is_said():
    frame = market(6, {})
    frame.loc[0, "share"] = 1.2
    rows = found(frame, impression_share="share").table
    assert rows.loc[0, "reason"] == "1 day with impression_share outside 0 to 1"


def test_too_few_units_are_undetermined():
    rows = found(market(7, {60: 0.6}, n_units=7)).table
    assert rows["status"].unique().tolist() == ["undetermined"]
    assert rows.loc[0, "reason"] == "7 units and 0 days with 8 of them: too few"


def test_wrong_calls_are_refused():
    frame = market(8, {})
    with pytest.raises(LiftosError, match="Name cpm, cpc, impression_share or value"):
        detect("market_shock", frame, unit="unit", period="day")
    with pytest.raises(LiftosError, match="alpha in"):
        found(frame, alpha=0.0)


def test_row_order_and_repetition_give_identical_bits():
    frame = market(9, {60: 0.4})
    one, two = found(frame), found(frame.sample(frac=1.0, random_state=3))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    pd.testing.assert_frame_equal(one.events, two.events, check_exact=True)
