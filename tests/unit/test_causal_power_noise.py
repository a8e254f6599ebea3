"""The noise of a mean after minus a mean before: formulas against brute force, components against planted ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import nct, t

from liftos_pipeline.causal.inference.long_difference import (
    Noise,
    contrast_variance,
    detectable_multiple,
    fit_noise,
    long_differences,
    power_of,
    semivariogram,
    standard_error,
    usable_windows,
    variance_components,
)


def table_with_holes(seed: int, n_units: int = 7, n_periods: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Y = rng.normal(size=(n_units, n_periods)) + 5.0
    Y[0, 3] = Y[2, :2] = Y[5, 8] = np.nan
    return Y


@pytest.mark.parametrize(("n_pre", "n_post"), [(1, 1), (1, 4), (5, 2), (3, 3), (2, 7)])
def test_variance_of_a_contrast_is_the_quadratic_form(n_pre: int, n_post: int) -> None:
    gamma = np.array([2.0, 0.9, -0.3, 0.4, 0.2, 0.1, 0.05, 0.3, -0.1, 7.0])
    w = np.concatenate([np.full(n_pre, -1 / n_pre), np.full(n_post, 1 / n_post)])
    lags = np.abs(np.subtract.outer(np.arange(len(w)), np.arange(len(w))))
    assert contrast_variance(gamma, n_pre, n_post) == pytest.approx(w @ gamma[lags] @ w, rel=1e-12)


def test_known_effects_of_200_units_and_30_days_before_and_after() -> None:
    """Detectable with autocorrelation 0.5, and as if errors were independent, in standard deviations."""
    found = []
    for rho in (0.5, 0.0):
        variance = Noise(0.0, 1.0, rho).long_difference_variance(30, 30)
        found.append(standard_error(variance, 100, 100) * detectable_multiple(math.inf, 0.95, 0.8))
    assert found == pytest.approx([0.171, 0.102], abs=5e-4)


@pytest.mark.parametrize(("n_pre", "n_post"), [(1, 1), (3, 2), (2, 4)])
def test_long_differences_in_usable_windows(n_pre: int, n_post: int) -> None:
    Y = table_with_holes(1)
    usable, D = usable_windows(Y, n_pre + n_post), long_differences(Y, n_pre, n_post)
    assert usable.shape == D.shape == (7, 9 - n_pre - n_post + 1)
    for i in range(7):
        for first in range(D.shape[1]):
            window = Y[i, first : first + n_pre + n_post]
            assert usable[i, first] == (not np.isnan(window).any())
            if usable[i, first]:
                assert D[i, first] == pytest.approx(window[n_pre:].mean() - window[:n_pre].mean(), abs=1e-12)


def test_components_without_clusters_are_the_pooled_variance() -> None:
    rng = np.random.default_rng(2)
    D, usable = rng.normal(size=(8, 5)) + np.arange(5.0), rng.random((8, 5)) < 0.8
    parts = variance_components(np.where(usable, D, np.nan), usable, np.arange(8))
    n = usable.sum(axis=0)
    pooled = sum((n[w] - 1) * np.var(D[usable[:, w], w], ddof=1) for w in range(5)) / (n - 1).sum()
    assert parts.total == pytest.approx(pooled, rel=1e-12)
    assert parts.design_effect == 1.0


def test_components_of_balanced_clusters_are_those_of_the_textbook() -> None:
    D = np.random.default_rng(3).normal(size=(12, 1))
    D += np.repeat([0.0, 3.0, -2.0], 4)[:, None]
    groups = D[:, 0].reshape(3, 4)
    within = groups.var(axis=1, ddof=1).mean()
    between = (4 * groups.mean(axis=1).var(ddof=1) - within) / 4
    parts = variance_components(D, np.ones((12, 1), dtype=bool), np.repeat(np.arange(3), 4))
    assert (parts.within, parts.between, parts.cluster_size) == pytest.approx((within, between, 4.0), rel=1e-12)
    assert parts.intraclass == pytest.approx(between / (between + within))
    assert parts.design_effect == pytest.approx(1 + 3 * parts.intraclass)


def test_components_of_unequal_clusters_are_unbiased() -> None:
    """Seed 4. Variances 0.5 between and 1 within, clusters of 1 to 6 units, 4,000 windows of which some lack units; and
    the variance of a difference of means over whole clusters is what the design effect says."""
    rng = np.random.default_rng(4)
    sizes, n_windows = [1, 2, 3, 6, 4, 4, 5, 5], 4_000
    cluster = np.repeat(np.arange(8), sizes)
    D = rng.normal(size=(30, n_windows)) + np.sqrt(0.5) * rng.normal(size=(8, n_windows))[cluster]
    usable = rng.random((30, n_windows)) < 0.9
    parts = variance_components(D, usable, cluster)
    assert parts.within == pytest.approx(1.0, abs=3 * np.sqrt(2 / (19 * n_windows)))
    assert parts.between == pytest.approx(0.5, abs=3 * 1.1 * np.sqrt(2 / (7 * n_windows)))
    whole = variance_components(D, np.ones_like(usable), cluster)
    assert whole.cluster_size == pytest.approx(sum(n**2 for n in sizes) / 30)


def test_noise_that_clusters_lower_has_no_negative_component() -> None:
    D = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    parts = variance_components(D, np.ones((4, 1), dtype=bool), np.array([0, 0, 1, 1]))
    assert parts.between == 0.0 and parts.within == 5.0


def test_semivariogram_with_holes() -> None:
    Y = table_with_holes(5)
    values, counts = semivariogram(Y)
    assert len(values) == 8
    for h in (1, 4, 8):
        squares = freedom = 0.0
        for s in range(9 - h):
            change = (Y[:, s + h] - Y[:, s])[~np.isnan(Y[:, s + h] - Y[:, s])]
            squares, freedom = squares + ((change - change.mean()) ** 2).sum(), freedom + len(change) - 1
        assert values[h - 1] == pytest.approx(0.5 * squares / freedom, rel=1e-12)
        assert counts[h - 1] == freedom


@pytest.mark.parametrize("noise", [Noise(0.3, 0.7, 0.6), Noise(0.0, 2.0, 0.9), Noise(0.5, 1.0, -0.25)])
def test_noise_is_found_from_its_semivariogram(noise: Noise) -> None:
    lags = np.arange(1, 31)
    values = noise.white + noise.persistent * (1 - noise.correlation**lags)
    found = fit_noise(values, np.linspace(100, 10, 30))
    assert vars(found) == pytest.approx(vars(noise), abs=1e-6)
    assert found.lag_one == pytest.approx(noise.persistent * noise.correlation / (noise.white + noise.persistent))


@pytest.mark.parametrize("freedom", [5.0, 11.0, 49.0, 500.0])
@pytest.mark.parametrize("power", [0.3, 0.8, 0.95])
def test_multiple_and_power_are_inverse_and_those_of_the_noncentral_t(freedom: float, power: float) -> None:
    multiple = detectable_multiple(freedom, 0.95, power)
    assert power_of(np.array([2 * multiple, -2 * multiple]), 2.0, freedom, 0.95) == pytest.approx(power, abs=1e-12)
    exact = nct.sf(t.ppf(0.975, freedom), freedom, multiple)
    assert exact == pytest.approx(power, abs=0.02 if freedom < 10 else 0.006)


@pytest.mark.parametrize(("freedom", "noise_freedom"), [(11.0, 11.0), (49.0, 25.0)])
def test_allowance_holds_power_over_what_the_noise_may_be(freedom: float, noise_freedom: float) -> None:
    """Seed 6: a million plans and tests; the approximation's own error is below 0.006."""
    rng = np.random.default_rng(6)
    planned = np.sqrt(rng.chisquare(noise_freedom, 1_000_000) / noise_freedom)
    tested = np.sqrt(rng.chisquare(freedom, 1_000_000) / freedom)
    multiple = detectable_multiple(freedom, 0.95, 0.8, noise_freedom)
    seen = rng.normal(size=1_000_000) + multiple * planned > t.ppf(0.975, freedom) * tested
    assert seen.mean() == pytest.approx(0.8, abs=0.006 + 3 * 0.0004)


def test_no_effect_is_nearly_certain_where_noise_is_hardly_known() -> None:
    assert detectable_multiple(20.0, 0.95, 0.99, 2.0) == math.inf
    assert detectable_multiple(20.0, 0.95, 0.8, 40.0) > detectable_multiple(20.0, 0.95, 0.8, math.inf)
