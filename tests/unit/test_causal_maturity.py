"""Maturity curves: exact on triangles worked by hand, and right about worlds whose restatement is known."""

from __future__ import annotations

import numpy as np
import pytest

from liftos_pipeline.causal.maturity import FEWEST_GROUPS, maturity_curve
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.simulator import generate
from liftos_pipeline.simulator.scenario import scenario_named

WORLD = "small_restated_conversions"
N_DAYS, N_AGES = 60, 28
TRUE_SHARE = np.append(1.0 - 0.75 * np.exp(-np.arange(N_AGES - 1) / 8.0), 1.0)


def triangle(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Daily totals by age as daily pulls over 60 days see them, and the totals in the end."""
    panel = generate(scenario_named(WORLD), seed, 130).ads("meta")
    units = np.arange(len(panel.campaign_ids))
    days = slice(70, 70 + N_DAYS)
    counts = np.column_stack(
        [panel.reported(days, np.full(N_DAYS, age), units).sum(axis=1) for age in range(N_AGES)]
    ).astype(float)
    final = counts[:, -1].copy()
    counts[np.arange(N_DAYS)[:, None] + np.arange(N_AGES) >= N_DAYS] = np.nan
    return counts, final


def test_factors_are_ratios_of_sums_over_the_days_seen_at_both_ages() -> None:
    n = FEWEST_GROUPS
    counts = np.full((n + 1, 3), np.nan)
    counts[:n, 0], counts[:n, 1] = np.arange(1.0, n + 1), np.arange(1.0, n + 1) * 2
    counts[1:, 2] = 5.0
    counts[n, 1] = 100.0
    curve = maturity_curve(counts, np.arange(n + 1))
    late = counts[1:, 1].sum() / counts[1:, 2].sum()
    assert curve.completeness == pytest.approx([0.5 * late, late, 1.0], rel=1e-12)
    assert curve.n_groups.tolist() == [n, n, n]
    assert (curve.low[2], curve.high[2], curve.spread[2]) == (1.0, 1.0, 0.0)


def test_the_variance_is_that_of_days_and_not_of_rows() -> None:
    """Ten accounts that repeat each other tell no more than one."""
    counts, _ = triangle(1)
    once = maturity_curve(counts, np.arange(N_DAYS))
    copied = maturity_curve(np.repeat(counts, 10, axis=0), np.repeat(np.arange(N_DAYS), 10))
    assert copied.completeness == pytest.approx(once.completeness, rel=1e-12)
    assert copied.low == pytest.approx(once.low, rel=1e-9)
    alone = maturity_curve(np.repeat(counts, 10, axis=0), np.arange(10 * N_DAYS))
    width = np.log(once.high[:20] / once.low[:20]) / np.log(alone.high[:20] / alone.low[:20])
    assert width == pytest.approx(np.full(20, np.sqrt(10)), rel=0.12)


def test_the_delta_method_agrees_with_redrawn_days() -> None:
    counts, _ = triangle(2)
    curve = maturity_curve(counts, np.arange(N_DAYS), level=0.6827)
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(400):
        chosen = rng.integers(0, N_DAYS, N_DAYS)
        draws.append(np.log(maturity_curve(counts[chosen], np.arange(N_DAYS)).completeness[[0, 5, 12]]))
    redrawn = np.nanstd(draws, axis=0)
    assert np.log(curve.high / curve.low)[[0, 5, 12]] / 2 == pytest.approx(redrawn, rel=0.15)


def test_limits_hold_the_true_share_and_the_count_in_the_end() -> None:
    """60 listed worlds; worlds are the clusters of the error."""
    shares, totals = [], []
    for seed in range(3000, 3060):
        counts, final = triangle(seed)
        curve = maturity_curve(counts, np.arange(N_DAYS))
        shares.append(np.mean((curve.low <= TRUE_SHARE) & (curve.high >= TRUE_SHARE)))
        rows = np.arange(N_DAYS - N_AGES + 1, N_DAYS)
        ages = N_DAYS - 1 - rows
        completed = counts[rows, ages] / curve.completeness[ages]
        far = np.sqrt(curve.spread[ages] * completed + (completed * np.log(curve.high / curve.low)[ages] / 2) ** 2)
        totals.append(np.mean(np.abs(completed - final[rows]) <= far))
    for found in (shares, totals):
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        assert abs(np.mean(found) - 0.95) <= 3 * error, (np.mean(found), error)
        assert np.mean(found) > 0.85


def test_too_few_days_give_a_reason_and_no_share() -> None:
    counts, _ = triangle(1)
    young = counts[-15:]
    curve = maturity_curve(young, np.arange(15))
    assert np.isnan(curve.completeness[:-1]).all()
    assert curve.reason[0] is not None and "0 days were seen at ages 26 and 27" in curve.reason[0]
    assert curve.reason[-1] is None and curve.completeness[-1] == 1.0


@pytest.mark.parametrize(
    ("counts", "level", "said"),
    [(np.ones((20, 1)), 0.95, "at least two ages"), (np.ones((20, 2)), 95.0, "a level between 0 and 1")],
    ids=["one age", "level"],
)
def test_wrong_calls(counts: np.ndarray, level: float, said: str) -> None:
    with pytest.raises(LiftosError, match=said):
        maturity_curve(counts, np.arange(len(counts)), level)
