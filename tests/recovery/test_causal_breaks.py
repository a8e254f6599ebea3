"""Budget changes: nominal size on autocorrelated series without one, and power and dates where one is planted.

Seeds are listed here and were chosen before any result was seen.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.break_test import sup_lr
from liftos_pipeline.causal.confounders.calibration import autoregressive_series
from liftos_pipeline.causal.confounders.critical_values import p_values

N_UNITS = 300
N_DAYS = 180
NOISE = 0.12
NULL_SEEDS = (2_001, 2_002, 2_003, 2_004, 2_005)
POWER_SEEDS = (2_101, 2_102)
WIDTH = 3.5
"""Standard errors of the Monte-Carlo: a correct test fails one cell in about 4,000."""


def spend(seed: int, steps: np.ndarray, starts: np.ndarray) -> pd.DataFrame:
    """Units with persistence .2 to .7, a weekly and an annual cycle, a four-day peak, gaps and outliers."""
    rng = np.random.default_rng(seed)
    day = np.arange(N_DAYS)
    rho = rng.uniform(0.2, 0.7, N_UNITS)
    noise = np.concatenate([autoregressive_series(r, 1, N_DAYS, rng) * np.sqrt(1 - r * r) for r in rho])
    calendar = 0.06 * np.sin(2 * np.pi * day / 7) + 0.06 * np.sin(2 * np.pi * day / 365)
    calendar = calendar + 0.3 * np.exp(-0.5 * ((day - 120) / 3.5) ** 2)
    log_spend = 5.0 + NOISE * noise + calendar + steps[:, None] * (day >= starts[:, None])
    outlier = rng.random(log_spend.shape) < 0.002
    log_spend = log_spend + outlier * np.log(rng.uniform(3, 10, log_spend.shape))
    observed = rng.random(log_spend.shape) > 0.01
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(N_UNITS), N_DAYS),
            "day": np.tile(day, N_UNITS),
            "spend": np.exp(log_spend).ravel(),
        }
    )
    return frame[observed.ravel()]


def test_size_through_the_whole_detector():
    nothing = np.zeros(N_UNITS)
    tables = [
        detect("budget_change", spend(seed, nothing, nothing), unit="unit", period="day", value="spend").table
        for seed in NULL_SEEDS
    ]
    p_value = np.concatenate([table["p_value"] for table in tables])
    for alpha in (0.05, 0.01):
        rejected = np.mean(p_value <= alpha)
        assert rejected < alpha + WIDTH * np.sqrt(alpha * (1 - alpha) / len(p_value))
    assert np.mean(p_value <= 0.05) > 0.02


@pytest.mark.parametrize("length", [60, 100, 180])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.7])
def test_size_of_the_bare_test(rho, length):
    rng = np.random.default_rng([2_200, length, int(10 * rho)])
    n = 4_000
    result = sup_lr(autoregressive_series(rho, n, length, rng), np.full(n, length))
    p_value = p_values(result.statistic, np.full(n, length), result.persistence)
    for alpha in (0.05, 0.01):
        assert np.mean(p_value <= alpha) < alpha + WIDTH * np.sqrt(alpha * (1 - alpha) / n)


def test_size_under_a_moving_average_and_heavy_tails():
    """AR(.8) plus noise, and AR(.5) with t(3) shocks: at most 7 % at a nominal 5 %."""
    rng = np.random.default_rng(2_300)
    n = 3_000
    smooth = autoregressive_series(0.8, n, N_DAYS, rng) + rng.standard_normal((n, N_DAYS))
    shocks = rng.standard_t(3, (N_DAYS + 100, n))
    for now in range(1, len(shocks)):
        shocks[now] += 0.5 * shocks[now - 1]
    for series in (smooth, np.ascontiguousarray(shocks[100:].T)):
        result = sup_lr(series, np.full(n, N_DAYS))
        p_value = p_values(result.statistic, np.full(n, N_DAYS), result.persistence)
        assert np.mean(p_value <= 0.05) < 0.07 + WIDTH * np.sqrt(0.07 * 0.93 / n)


def test_planted_steps_are_found_and_dated():
    """Half of the units step by .25 to .6 log points, two to five times the noise."""
    n_planted = n_found = n_events = n_near = n_untouched = n_flagged = 0
    distances = []
    for seed in POWER_SEEDS:
        rng = np.random.default_rng(seed)
        steps = np.where(rng.random(N_UNITS) < 0.5, rng.uniform(0.25, 0.6, N_UNITS), 0.0)
        starts = rng.integers(30, N_DAYS - 30, N_UNITS)
        events = detect(
            "budget_change", spend(seed, steps, starts), unit="unit", period="day", value="spend"
        ).events
        by_unit = events.groupby("unit")["date"].apply(list).to_dict()
        for unit in range(N_UNITS):
            dates = by_unit.get(unit, [])
            if steps[unit] == 0:
                n_untouched += 1
                n_flagged += bool(dates)
                continue
            n_planted += 1
            if dates:
                nearest = min(abs(date - starts[unit]) for date in dates)
                distances.append(nearest)
                n_found += 1
                n_near += nearest <= 3
        n_events += len(events)
    assert n_found / n_planted > 0.95
    assert n_near / n_planted > 0.85
    assert n_near / n_events > 0.85
    assert np.median(distances) == 0
    assert n_flagged / n_untouched < 0.01 + WIDTH * np.sqrt(0.01 * 0.99 / n_untouched)
