"""The regression behind a geo test: what it averages over, and its error, are judged by donors, which step untreated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.geo_contrast import Contrasts, count_factors, leading_factors
from liftos_pipeline.causal.inference.autoregression import (
    EXCESS,
    GRID,
    Mixture,
    excess_of_steps,
    mixture,
    posterior_weights,
    profiles,
    shared_prior,
    step_statistics,
)

Floats = NDArray[np.float64]

STEP = 1
"""Column of the step in every design."""


@dataclass(frozen=True, eq=False)
class LiftFit:
    """Step of the treated contrast.

    Attributes
    ----------
    step : Mixture
        On logarithms.
    design : ndarray, shape (T, k)
    n_factors : int
        Among the columns of the design.
    prior : ndarray, shape (slopes, len(GRID))
        What donors say of slopes and autocorrelation; ``slope_unit`` is that of the slopes.
    correlation, donor_correlation : float
        Mean of the treated contrast's autocorrelation, with and without its own evidence.
    has_slopes : float
        Probability that regions have slopes of their own.
    excess : float
        Mean of the variance of donors' steps over what the model says.
    """

    step: Mixture
    design: Floats
    n_factors: int
    prior: Floats
    slope_unit: float
    correlation: float
    donor_correlation: float
    has_slopes: float
    excess: float


def fit_lift(found: Contrasts, start: int) -> LiftFit:
    """Fit the step at ``start``."""
    n_periods = len(found.series)
    step = np.arange(n_periods) >= start
    X = np.column_stack([np.ones(n_periods), step]).astype(np.float64)
    n_factors = count_factors(found.series[:, 1:])
    if n_factors and n_periods >= X.shape[1] + n_factors + 5:
        X = np.column_stack([X, leading_factors(found.series[:, 1:], n_factors)])
    fits = profiles(found.series, X, STEP)
    prior = shared_prior(fits.log_likelihood[:, :, 1:], found.n_independent)
    weights = posterior_weights(fits, prior)
    excess = excess_of_steps(step_statistics(fits, weights)[1:], found.n_independent)
    return LiftFit(
        step=mixture(fits, weights, excess),
        design=X,
        n_factors=n_factors,
        prior=prior,
        slope_unit=fits.slope_unit,
        correlation=float(weights[:, :, 0].sum(axis=0) @ GRID),
        donor_correlation=float(prior.sum(axis=0) @ GRID),
        has_slopes=float(1.0 - weights[0, :, 0].sum()),
        excess=float(excess @ EXCESS),
    )
