"""Seasonality: the decomposition beside statsmodels', the test of a cycle, strengths and what is said of bad series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.calibration import autoregressive_series
from liftos_pipeline.causal.confounders.periodicity import periodicity_test
from liftos_pipeline.causal.confounders.stl_kernel import decompose
from liftos_pipeline.errors import LiftosError

WEEK = np.array([0.9, 0.4, 0.1, 0.0, -0.3, -0.7, -0.4])
SAME_SUMS = 1e-11
"""Two ways to add the same few hundred numbers of order one."""
NULL_SEEDS = (3_101, 3_102, 3_103)
DRAWS = 2_000
WIDTH = 3.5
"""Standard errors of the Monte-Carlo: a correct test fails one cell in about 4,000."""


def table(units: dict[str, np.ndarray], days: pd.DatetimeIndex | None = None) -> pd.DataFrame:
    parts = []
    for unit, values in units.items():
        when = pd.date_range("2025-01-01", periods=len(values)) if days is None else days[: len(values)]
        parts.append(pd.DataFrame({"unit": unit, "day": when, "value": values}))
    return pd.concat(parts, ignore_index=True)


def found(frame: pd.DataFrame, **options: object):
    return detect("seasonality", frame, unit="unit", period="day", value="value", **options)


def noise(n: int, seed: int, rho: float = 0.0) -> np.ndarray:
    return autoregressive_series(rho, 1, n, np.random.default_rng(seed))[0]


@pytest.mark.parametrize(
    ("n", "period", "inner", "outer"), [(120, 7, 5, 0), (121, 7, 1, 5), (70, 7, 2, 15), (150, 12, 1, 3)]
)
def test_the_decomposition_is_that_of_statsmodels(n, period, inner, outer):
    from statsmodels.tsa.seasonal import STL

    rng = np.random.default_rng(n)
    series = rng.standard_t(3, n) + 2 * np.sin(2 * np.pi * np.arange(n) / period) + 0.02 * np.arange(n)
    model = STL(series, period=period, seasonal=7, robust=outer > 0)
    theirs = model.fit(inner_iter=inner, outer_iter=outer)
    season, trend, weights = decompose(series, period, 7, model.config["trend"], inner, outer, -1.0)
    np.testing.assert_allclose(season, theirs.seasonal, atol=SAME_SUMS)
    np.testing.assert_allclose(trend, theirs.trend, atol=SAME_SUMS)
    if outer:
        assert weights.min() < 0.5 < weights.max()


@pytest.mark.parametrize("n", [56, 120, 365])
@pytest.mark.parametrize("rho", [0.0, 0.7, 1.0])
def test_size_whatever_the_autocorrelation(rho, n):
    rng = np.random.default_rng([NULL_SEEDS[0], n, int(10 * rho)])
    series = (
        np.cumsum(rng.standard_normal((DRAWS, n)), axis=1)
        if rho == 1
        else autoregressive_series(rho, DRAWS, n, rng)
    )
    _, p_value = periodicity_test(series, 7.0, 3)
    for alpha in (0.05, 0.01):
        assert np.mean(p_value <= alpha) < alpha + WIDTH * np.sqrt(alpha * (1 - alpha) / DRAWS)
        assert np.mean(p_value <= alpha) > alpha - WIDTH * np.sqrt(alpha * (1 - alpha) / DRAWS)


def test_size_where_the_level_shifts_and_tails_are_heavy():
    rng = np.random.default_rng(NULL_SEEDS[1])
    series = autoregressive_series(0.5, DRAWS, 200, rng, degrees=3)
    series[:, 90:] += 3.0
    _, p_value = periodicity_test(series, 7.0, 3)
    assert np.mean(p_value <= 0.05) < 0.05 + WIDTH * np.sqrt(0.05 * 0.95 / DRAWS)


def test_a_week_of_half_a_standard_deviation_is_seen_in_a_year():
    rng = np.random.default_rng(NULL_SEEDS[2])
    for pattern in (WEEK, np.array([1.0, 0, 0, 0, 0, 0, -0.2]), np.cos(4 * np.pi * np.arange(7) / 7)):
        scaled = 0.5 * (pattern - pattern.mean()) / pattern.std()
        series = autoregressive_series(0.3, 300, 364, rng) * np.sqrt(1 - 0.09) + scaled[np.arange(364) % 7]
        assert np.mean(periodicity_test(series, 7.0, 3)[1] <= 0.05) > 0.95


def test_strengths_by_their_definition():
    day = np.arange(140)
    values = 3.0 + 0.01 * day + WEEK[day % 7] + 0.2 * noise(140, 1)
    result = found(table({"u": values}), components=True)
    parts = result.diagnostics["components"]
    np.testing.assert_allclose(parts[["trend", "season", "year", "remainder"]].sum(axis=1), values, atol=1e-12)
    assert parts["period"].tolist() == list(pd.date_range("2025-01-01", periods=140))
    rest = parts["remainder"]
    row = result.table.iloc[0]
    for name, part in (("estimate", "season"), ("trend_strength", "trend")):
        assert row[name] == pytest.approx(1 - np.var(rest) / np.var(parts[part] + rest), rel=1e-12)
    assert row["status"] == "detected"
    assert row["estimate"] > 0.8
    assert row["peak"] == 0
    assert row["amplitude"] == pytest.approx(0.8, abs=0.15)
    assert np.isnan(row["year_strength"])
    assert np.isnan(row["year_p_value"])


def test_outliers_do_not_carry_the_season_away():
    day = np.arange(140)
    clean = WEEK[day % 7] + 0.1 * noise(140, 2)
    spoilt = clean.copy()
    spoilt[[20, 41, 62]] += 30.0
    both = found(table({"clean": clean, "spoilt": spoilt}), components=True).diagnostics["components"]
    season = {unit: part["season"].to_numpy() for unit, part in both.groupby("unit")}
    plain = found(table({"spoilt": spoilt}), components=True, robust=False).diagnostics["components"]["season"]
    robust_off, plain_off = (
        np.abs(season["clean"] - other).max() for other in (season["spoilt"], plain.to_numpy())
    )
    assert robust_off < 0.1 * plain_off


def test_the_year_is_told_from_two_years_on():
    day = np.arange(800)
    values = 0.5 * np.cos(2 * np.pi * day / 365.25) + WEEK[day % 7] + 0.3 * noise(800, 3)
    table_ = found(table({"long": values, "flat": 0.3 * noise(800, 4), "short": values[:700]})).table.set_index(
        "unit"
    )
    assert table_.loc["long", "year_strength"] > 0.4 > table_.loc["flat", "year_strength"]
    assert table_.loc["long", "year_p_value"] < 0.01 < table_.loc["flat", "year_p_value"]
    assert np.isnan(table_.loc["short", "year_strength"])
    assert table_.loc["long", "estimate"] > 0.7


def test_bad_series_stop_no_other():
    day = np.arange(84)
    good = WEEK[day % 7] + 0.1 * noise(84, 5)
    endless = good.copy()
    endless[4] = np.inf
    gappy = good.copy()
    gappy[10:40] = np.nan
    missing = np.full(84, np.nan)
    holes = good.copy()
    holes[[5, 30]] = np.nan
    frame = table(
        {
            "good": good,
            "flat": np.ones(84),
            "endless": endless,
            "gappy": gappy,
            "missing": missing,
            "holes": holes,
            "short": good[:40],
        }
    )
    rows = found(frame.sample(frac=1.0, random_state=1)).table.set_index("unit")
    assert rows["status"].to_dict() == {
        "endless": "undetermined",
        "flat": "not_detected",
        "gappy": "undetermined",
        "good": "detected",
        "holes": "detected",
        "missing": "undetermined",
        "short": "undetermined",
    }
    assert rows.loc["flat", ["estimate", "p_value", "reason"]].tolist() == [0.0, 1.0, "the value is constant"]
    assert rows.loc["endless", "reason"] == "1 day with an infinite value"
    assert rows.loc["gappy", "reason"] == "54 periods observed in a span of 84, at least 68 are needed"
    assert rows.loc["short", ["n_observed", "n_needed"]].tolist() == [40, 56]
    assert rows.loc[["endless", "gappy", "missing", "short"], ["estimate", "p_value"]].isna().all(axis=None)


def test_weeks_need_their_season_named():
    weeks = pd.date_range("2020-01-06", periods=500, freq="7D")
    values = np.cos(2 * np.pi * np.arange(500) / 52) + 0.2 * noise(500, 6)
    frame = table({"u": values}, weeks)
    with pytest.raises(LiftosError, match="season=52 for weeks"):
        found(frame)
    assert found(frame, season=52).table.loc[0, "status"] == "detected"


@pytest.mark.parametrize(
    ("options", "message"), [({"alpha": 0.9}, "alpha in"), ({"season": 2}, "at least 3 periods")]
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(LiftosError, match=message):
        found(table({"u": noise(80, 7)}), **options)


def test_row_order_and_repetition_give_identical_bits():
    frame = table({f"u{i}": noise(90, 10 + i) for i in range(5)})
    one, two = found(frame), found(frame.sample(frac=1.0, random_state=3))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
