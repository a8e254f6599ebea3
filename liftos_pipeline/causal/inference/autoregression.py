"""Regression on short time series with first-order autoregressive errors and slopes that differ, both averaged out.

Series that are alike lend each other what they know about autocorrelation, slopes, and steps that no model foresees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import ROUNDING
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

GRID = np.linspace(-0.6, 0.99, 54)
"""Autocorrelations over which is averaged."""
MEANS = np.linspace(-0.4, 0.95, 28)
SPREADS = np.array([0.03, 0.08, 0.15, 0.3])
"""Means and standard deviations that autocorrelations of alike series may have."""
UNLIKE = 0.2
"""Prior probability that a series' autocorrelation is not like the others'."""
SLOPES = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0])
"""Standard deviations that slopes of alike series may have, in units of the usual standard error of a slope."""
NO_SLOPES = 0.5
"""Prior probability that there are none."""
EXCESS = np.geomspace(1.0, 40.0, 9)
"""Factors by which the variance of a step may exceed what the model says."""
NO_EXCESS = 0.95
"""Prior probability that it does not."""
NEGLIGIBLE = 1e-5
"""Weight in a mixture, beside the largest, that is left out."""
_TINY = np.finfo(np.float64).tiny
_POWERS = np.stack([np.ones_like(GRID), -GRID, GRID**2], axis=1)
_CENTRES = np.array([(mean, spread) for mean in MEANS for spread in SPREADS])
_DENSITIES = np.exp(-0.5 * ((GRID[:, None] - _CENTRES[:, 0]) / _CENTRES[:, 1]) ** 2)
_DENSITIES /= _DENSITIES.sum(axis=0)


@dataclass(frozen=True, eq=False)
class Profiles:
    """One coefficient in each of n series, for each spread of slopes and each autocorrelation.

    Attributes
    ----------
    estimate, std_error, log_likelihood : ndarray, shape (len(SLOPES), len(GRID), n)
        By generalised least squares; the likelihood is the restricted one. The first axis has length 1 where there are
        too few periods for slopes.
    degrees_of_freedom : int
    slope_unit : float
        Unit of ``SLOPES``, per period.
    """

    estimate: Floats
    std_error: Floats
    log_likelihood: Floats
    degrees_of_freedom: int
    slope_unit: float


def profiles(Y: Floats, X: Floats, column: int, slope_unit: float | None = None) -> Profiles:
    """Fit series side by side; beside the regressors each has a slope in time that is normal about zero.

    Parameters
    ----------
    Y : ndarray, shape (T, n)
    X : ndarray, shape (T, k)
        Full column rank.
    column : int
        Coefficient that is asked for; not a constant's, since the origin is moved.
    slope_unit : float, optional
        Unit of ``SLOPES``, per period; by default the median standard error of the slopes of the series.

    Raises
    ------
    LiftosError
        Fewer than four more periods than coefficients, or a first series that the regression fits exactly.

    References
    ----------
    Cheang and Reinsel (2000), JASA 95(452): restricted likelihood of a regression with autoregressive errors. Harville
    (1977), JASA 72(358): random coefficients in it.
    """
    n_periods, k = X.shape
    if n_periods < k + 4:
        raise LiftosError(f"at least {k + 4} periods", str(n_periods), "Add periods, or use a finer period.")
    time = np.arange(n_periods) - 0.5 * (n_periods - 1)
    moved = Y - Y[0]
    wide = np.column_stack([X, time])
    gram = np.tensordot(_POWERS, _forms(wide, wide), axes=1)
    moment = np.tensordot(_POWERS, _forms(wide, moved), axes=1)
    lagged = np.sum(moved[1:] * moved[:-1], axis=0)
    total = _POWERS @ np.stack([np.sum(moved**2, axis=0), 2 * lagged, np.sum(moved[1:-1] ** 2, axis=0)])
    inverse, log_det = np.linalg.inv(gram[:, :k, :k]), np.linalg.slogdet(gram[:, :k, :k])[1]
    beta = inverse @ moment[:, :k]
    left = np.maximum(total - np.sum(moment[:, :k] * beta, axis=1), _TINY)
    freedom = n_periods - k
    size = float(np.max(np.abs(Y[:, 0])))
    error = math.sqrt(float((left[:, 0] * inverse[:, column, column]).min()) / freedom)
    if not (moved[:, 0].any() and error > ROUNDING * size):
        raise LiftosError(
            "a series with noise", "one that the regression fits exactly", "Use more donors or periods."
        )
    base = (0.5 * np.log(1 - GRID**2) - 0.5 * log_det)[:, None]
    # The slope enters as one more observation: what it explains, and what it does to the coefficient, in closed form.
    along = inverse @ gram[:, :k, k:]
    own = gram[:, k, k] - np.sum(gram[:, :k, k] * along[:, :, 0], axis=1)
    if n_periods < k + 5 or own.min() <= 1e-9 * gram[:, k, k].min():
        std_error = np.sqrt(left / freedom * inverse[:, column, column, None])
        likelihood = base - 0.5 * freedom * np.log(left)
        return Profiles(beta[None, :, column], std_error[None], likelihood[None], freedom, 0.0)
    slope = (moment[:, k] - np.sum(along[:, :, 0, None] * moment[:, :k], axis=1)) / own[:, None]
    explained = slope**2 * own[:, None]
    error2 = np.maximum(left - explained, 1e-9 * left) / ((freedom - 1) * own[:, None])
    unit2 = float(np.median(error2.min(axis=0))) if slope_unit is None else slope_unit**2
    spread2 = (SLOPES**2 * unit2)[:, None, None]
    freed = spread2 / (spread2 + error2)
    rest = left - freed * explained
    estimate = beta[:, column] - freed * along[:, column] * slope
    variance = inverse[:, column, column, None] + freed * (along[:, column] ** 2 / own[:, None])
    likelihood = base + 0.5 * np.log1p(-freed) - 0.5 * freedom * np.log(rest)
    std_error = np.sqrt(rest / freedom * variance)
    return Profiles(estimate, std_error, likelihood, freedom, math.sqrt(unit2))


def _forms(A: Floats, B: Floats) -> Floats:
    """Products with the inverse covariance as a polynomial in the autocorrelation, shape (3, a, b)."""
    return np.stack([A.T @ B, A[1:].T @ B[:-1] + A[:-1].T @ B[1:], A[1:-1].T @ B[1:-1]])


def shared_prior(log_likelihood: Floats, n_independent: float) -> Floats:
    """What series tell about one more that is like them: probability of each spread of slopes and autocorrelation.

    Autocorrelations are taken as normal about a mean, with a spread; mean, spread and the spread of slopes are averaged
    over their posterior. With probability ``UNLIKE`` the further series has any autocorrelation.

    Parameters
    ----------
    log_likelihood : ndarray, shape (slopes, len(GRID), n)
        Of no series: any autocorrelation is then as likely as any other.
    n_independent : float
        How many independent series they are worth.

    Returns
    -------
    ndarray, shape (slopes, len(GRID))

    References
    ----------
    Kass and Steffey (1989), JASA 84(407): conditionally independent hierarchical models.
    """
    n_slopes, n_grid, n_series = log_likelihood.shape
    slopes = np.full(n_slopes, (1.0 - NO_SLOPES) / max(n_slopes - 1, 1))
    slopes[0] = NO_SLOPES
    flat = np.full(n_grid, 1.0 / n_grid)
    if n_slopes == 1:
        slopes[0] = 1.0
    if n_series == 0:
        return np.outer(slopes, flat)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=(0, 1)))
    told = np.log(np.maximum(likelihood.transpose(0, 2, 1) @ _DENSITIES, _TINY)).sum(axis=1)
    joint = told * (n_independent / n_series) + np.log(slopes)[:, None]
    weights = _normalised(joint.ravel()).reshape(joint.shape)
    prior: Floats = (1 - UNLIKE) * (weights @ _DENSITIES.T) + UNLIKE * np.outer(weights.sum(axis=1), flat)
    return prior


def excess_of_steps(statistics: Floats, n_independent: float) -> Floats:
    """Posterior probability of each factor in ``EXCESS``, from the steps of series that were not treated.

    Parameters
    ----------
    statistics : ndarray, shape (n,)
        Steps over their standard errors, at the date of the treatment.
    """
    prior = np.full(len(EXCESS), (1 - NO_EXCESS) / (len(EXCESS) - 1))
    prior[0] = NO_EXCESS
    squares = float(np.mean(statistics**2)) if len(statistics) else 1.0
    return _normalised(np.log(prior) - 0.5 * n_independent * (np.log(EXCESS) + squares / EXCESS))


@dataclass(frozen=True, eq=False)
class Mixture:
    """Distribution of a coefficient: Student distributions about ``location``, shape (m,).

    ``weight`` adds to one.
    """

    location: Floats
    scale: Floats
    weight: Floats
    degrees_of_freedom: int

    @property
    def mean(self) -> float:
        return float(self.weight @ self.location)

    @property
    def std_error(self) -> float:
        """Root mean square of the scales and of how far locations are apart."""
        return math.sqrt(float(self.weight @ (self.scale**2 + (self.location - self.mean) ** 2)))

    def share_above(self, value: float) -> float:
        from scipy.special import stdtr

        return float(self.weight @ stdtr(self.degrees_of_freedom, (self.location - value) / self.scale))

    def p_value(self, value: float = 0.0) -> float:
        """Two-sided."""
        above = self.share_above(value)
        return min(1.0, 2.0 * min(above, 1.0 - above))

    def interval(self, level: float) -> tuple[float, float]:
        """Values whose two-sided p-value is above one minus ``level``."""
        from scipy.optimize import brentq

        tail, reach = (1.0 - level) / 2.0, 4.0 * self.std_error
        limits = []
        for share, side in ((1.0 - tail, -1.0), (tail, 1.0)):
            far = reach
            while (self.share_above(self.mean + side * far) - share) * side > 0:
                far *= 2.0
            low, high = sorted((self.mean, self.mean + side * far))
            limits.append(
                float(brentq(lambda x, share=share: self.share_above(x) - share, low, high, xtol=1e-7 * reach))
            )
        return limits[0], limits[1]


def posterior_weights(fits: Profiles, prior: Floats) -> Floats:
    """Posterior probability of each spread of slopes and autocorrelation, of each series: shape (slopes, len(GRID), n)."""
    joint = fits.log_likelihood + np.log(np.maximum(prior, _TINY))[:, :, None]
    return _normalised(joint.reshape(-1, joint.shape[2])).reshape(joint.shape)


def step_statistics(fits: Profiles, weights: Floats) -> Floats:
    """Means over standard errors of the coefficients, all else averaged out, shape (n,)."""
    mean = np.sum(weights * fits.estimate, axis=(0, 1))
    spread = np.sqrt(np.sum(weights * (fits.std_error**2 + (fits.estimate - mean) ** 2), axis=(0, 1)))
    statistics: Floats = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0)
    return statistics


def mixture(fits: Profiles, weights: Floats, excess: Floats) -> Mixture:
    """Distribution of the first series' coefficient over slopes, autocorrelations and excess.

    Parameters
    ----------
    weights : ndarray, shape (slopes, len(GRID), n)
    excess : ndarray, shape (len(EXCESS),)

    References
    ----------
    Zellner and Tiao (1964), JASA 59(307): regression with autocorrelated errors, the autocorrelation integrated out.
    """
    weight = np.multiply.outer(weights[:, :, 0], excess)
    kept = weight > NEGLIGIBLE * weight.max()
    location = np.broadcast_to(fits.estimate[:, :, 0, None], kept.shape)[kept]
    scale = (fits.std_error[:, :, 0, None] * np.sqrt(EXCESS))[kept]
    return Mixture(location, scale, weight[kept] / weight[kept].sum(), fits.degrees_of_freedom)


def step_alone(
    series: Floats, X: Floats, column: int, prior: Floats | None = None, slope_unit: float | None = None
) -> Mixture:
    """Distribution of a coefficient of one series, from it and what is known of ones like it.

    Parameters
    ----------
    series : ndarray, shape (T,)
    X : ndarray, shape (T, k)
    prior : ndarray, shape (slopes, len(GRID)), optional
        By default any autocorrelation, and perhaps a slope.
    slope_unit : float, optional
        Unit of ``SLOPES`` in the prior, per period.
    """
    fits = profiles(series[:, None], X, column, slope_unit)
    if prior is None or prior.shape[0] != fits.log_likelihood.shape[0]:
        prior = shared_prior(fits.log_likelihood[:, :, :0], 0.0)
    return mixture(fits, posterior_weights(fits, prior), (EXCESS == 1.0).astype(np.float64))


def first_order_residuals(series: Floats, X: Floats) -> Floats:
    """Innovations of the errors that a regression leaves, at the autocorrelation they show, shape (T - 1,)."""
    left = series - X @ np.linalg.lstsq(X, series, rcond=None)[0]
    correlation = float(left[1:] @ left[:-1]) / max(float(left @ left), _TINY)
    innovations: Floats = left[1:] - correlation * left[:-1]
    return innovations


def _normalised(log_weights: Floats) -> Floats:
    """Probabilities along the first axis."""
    weights: Floats = np.exp(log_weights - log_weights.max(axis=0))
    weights /= weights.sum(axis=0)
    return weights
