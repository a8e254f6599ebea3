"""Outside witnesses of the detectors' kernels: statsmodels, or the formula on dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.linalg import toeplitz
from scipy.stats import t as student
from statsmodels.regression.linear_model import yule_walker
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.regime_switching.markov_autoregression import MarkovAutoregression

from liftos_pipeline.benchmarks.detect_regimes import regimes
from liftos_pipeline.benchmarks.worlds import Noise
from liftos_pipeline.causal.confounders import regime_kernel
from liftos_pipeline.causal.confounders.markov_switching import fit_regimes
from liftos_pipeline.causal.inference.noisy_autoregression import GRID, last_coefficients

EXACT = 1e-8
"""Same formula in another order of operations."""
UNFINISHED = 0.3
"""Twice the log-likelihood that our search may leave: it ends when a step gains less than 3e-4, in the bootstrap too."""


def dense_average(y: np.ndarray, X: np.ndarray, noise: np.ndarray) -> tuple[float, float, float]:
    """Estimate, standard error and probability below zero, from statsmodels' GLS at every point of the grid."""
    seen = ~np.isnan(y)
    days = np.flatnonzero(seen)
    log_weight, beta, error = [], [], []
    for rho, share in GRID:
        covariance = (1 - share) * toeplitz(rho ** np.arange(len(y)))[np.ix_(days, days)]
        covariance = covariance + np.diag(share * noise[seen])
        fit = sm.GLS(y[seen], X[seen], sigma=covariance).fit()
        left = float(fit.ssr)
        information = X[seen].T @ np.linalg.solve(covariance, X[seen])
        degrees = len(days) - X.shape[1]
        dets = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        log_weight.append(2.0 * rho - 0.5 * (dets + degrees * np.log(left)))
        beta.append(fit.params[-1])
        error.append(fit.bse[-1])
    beta, error = np.array(beta), np.array(error)
    weight = np.exp(np.array(log_weight) - np.max(log_weight))
    weight /= weight.sum()
    mean = weight @ beta
    spread = weight @ (error**2 * degrees / (degrees - 2) + (beta - mean) ** 2)
    return mean, np.sqrt(spread), weight @ student.cdf(-beta / error, degrees)


def test_averaged_regression_against_dense_generalised_least_squares():
    rng = np.random.default_rng(11)
    n = 70
    X = np.column_stack([np.ones(n), np.arange(n) / n, rng.standard_normal(n), rng.standard_normal(n).cumsum()])
    noise = rng.uniform(0.5, 2.0, n)
    Y = Noise(0.6, mixed=True).draw(3, n, 1.0, rng) + 0.2 * X[:, 3]
    Y[1, [0, 5, 6, 40, 69]] = np.nan
    found = last_coefficients(Y, np.broadcast_to(X, (3, n, 4)).copy(), np.broadcast_to(noise, (3, n)).copy())
    for row in range(3):
        expected = dense_average(Y[row], X, noise)
        ours = found.estimate[row], found.std_error[row], found.below_zero[row]
        np.testing.assert_allclose(ours, expected, rtol=EXACT)
        seen = ~np.isnan(Y[row])
        assert found.degrees_of_freedom[row] == seen.sum() - 4
        other = sm.OLS(X[seen, 3], X[seen, :3]).fit()
        assert found.explained[row] == pytest.approx(other.rsquared, rel=EXACT)


@pytest.fixture(scope="module")
def switching() -> np.ndarray:
    rng = np.random.default_rng(12)
    cheap = regimes(4, 300, rng)
    return Noise(0.5).draw(4, 300, 1.0, rng) - np.array([0.0, 1.5, 2.5, 4.0])[:, None] * cheap


def model_of(y: np.ndarray) -> MarkovAutoregression:
    return MarkovAutoregression(y, k_regimes=2, order=1, switching_ar=False, switching_variance=False)


def test_likelihood_of_the_switching_mean_against_statsmodels(switching):
    y = (switching[2] - switching[2].mean()) / switching[2].std()
    n = len(y)
    for first, gap, rho, variance, stay_0, stay_1 in (
        (0.3, -1.4, 0.4, 0.5, 0.97, 0.95),
        (-1.0, 2.0, 0.0, 1.5, 0.9, 0.99),
        (0.0, 0.7, -0.3, 0.2, 0.86, 0.86),
    ):
        ours = np.array([first, gap, rho, variance, stay_0, stay_1])
        theirs = [stay_0, 1 - stay_1, first, first + gap, variance, rho]
        smoothed = model_of(y).smooth(theirs)
        chance = np.empty(n)
        likelihood = regime_kernel.step(y, ours, np.empty((n, 4)), np.empty((n, 3)), chance)
        assert likelihood - 0.5 * (n - 1) * np.log(2 * np.pi) == pytest.approx(smoothed.llf, rel=EXACT)
        np.testing.assert_allclose(chance[1:], smoothed.smoothed_marginal_probabilities[:, 1], atol=1e-8)


def test_maximum_of_the_switching_likelihood_against_statsmodels(switching):
    """Their optimiser, begun where ours ends, finds nothing better; begun at random it finds no higher maximum."""
    found = fit_regimes(switching, np.full(len(switching), switching.shape[1]))
    for row in (1, 2, 3):
        y = (switching[row] - switching[row].mean()) / switching[row].std()
        parameters = np.empty(6)
        regime_kernel.fit(y, np.empty(len(y)), parameters)
        first, gap, rho, variance, stay_0, stay_1 = parameters
        begun = [stay_0, 1 - stay_1, first, first + gap, variance, rho]
        theirs = model_of(y).fit(start_params=begun, em_iter=0, disp=False)
        one = AutoReg(y, lags=1, trend="c").fit()
        assert found.statistic[row] == pytest.approx(2 * (theirs.llf - one.llf), abs=UNFINISHED)
        assert abs(found.difference[row]) == pytest.approx(
            abs(theirs.params[3] - theirs.params[2]) * switching[row].std(), rel=0.03
        )
        assert found.persistence[row] == pytest.approx(one.params[1], rel=EXACT)
    np.random.seed(13)  # noqa: NPY002 - statsmodels draws its starts from it
    searched = model_of(y).fit(search_reps=5, disp=False)
    assert found.statistic[row] > 2 * (searched.llf - one.llf) - UNFINISHED


def test_steps_of_the_search_never_lower_the_likelihood(switching):
    y = (switching[1] - switching[1].mean()) / switching[1].std()
    n = len(y)
    parameters = np.array([0.5, -0.3, 0.6, 1.0, 0.96, 0.9])
    path = [regime_kernel.step(y, parameters, np.empty((n, 4)), np.empty((n, 3)), np.empty(n)) for _ in range(60)]
    # The first state's stationary chance is left out of the M step, which may cost a little.
    assert np.min(np.diff(path)) > -1e-3
    assert path[-1] - path[0] > 5.0


def test_sieve_against_yule_walker(switching):
    for y in switching:
        coefficients = np.empty(7)
        order = regime_kernel.sieve(y, coefficients)
        by_order = [yule_walker(y, order=k, method="mle", result_object=False) for k in range(1, 8)]
        criterion = [len(y) * np.log(y.var())] + [
            len(y) * np.log(sigma**2) + 2 * (k + 1) for k, (_, sigma) in enumerate(by_order)
        ]
        assert order == int(np.argmin(criterion)) > 0
        np.testing.assert_allclose(coefficients[:order], by_order[order - 1][0], rtol=EXACT)
        np.testing.assert_array_equal(coefficients[order:], 0.0)
        centred = y - y.mean()
        lags = np.column_stack([centred[order - 1 - k : len(y) - 1 - k] for k in range(order)])
        left = centred[order:] - lags @ coefficients[:order]
        np.testing.assert_allclose(
            regime_kernel.residuals(centred, coefficients, order), left - left.mean(), atol=1e-12
        )
