"""Doubly robust comparison of the change of treated and control units: traditional estimator of one 2 x 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.design import standardised_design
from liftos_pipeline.causal.kernels.within import independent

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

MAX_STEPS = 50
CONVERGED = 1e-10
LARGEST_PREDICTOR = 30.0
TOO_CERTAIN = 0.999
"""A fitted probability of treatment from which on there is nothing to compare with."""
TRIMMED_CONTROL = 0.995
"""Controls from this probability on are left out."""

NO_OVERLAP = "covariates all but determine the cohort"
COLLINEAR = "covariates are collinear among the units compared"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Treated and control units of one 2 x 2, ready for any outcome.

    Attributes
    ----------
    design : ndarray, shape (n, k + 1)
    treated_share, control_share : ndarray, shape (n,)
        Weights of the two means, each adding to one; controls by their odds of treatment.
    outcome_rows : ndarray, shape (n, k + 1)
        Influence of each unit's outcome residual on the outcome coefficients.
    score_rows : ndarray, shape (n, k + 1)
        Influence of each unit on the propensity coefficients.
    """

    design: Floats
    treated_share: Floats
    control_share: Floats
    outcome_rows: Floats
    score_rows: Floats

    def difference(self, delta: Floats) -> tuple[float, Floats]:
        """Effect on the treated and each unit's influence on it, from changes ``delta``, shape (n,).

        Their error is about the sum of the influences.

        References
        ----------
        Sant'Anna and Zhao (2020), Journal of Econometrics 219(1), section 3.1, equation 3.1 with a linear outcome
        model fitted by least squares among controls and a logit propensity fitted by maximum likelihood.
        """
        left = delta - self.design @ (self.outcome_rows.T @ delta)
        treated, control = float(self.treated_share @ left), float(self.control_share @ left)
        control_left = self.control_share * (left - control)
        moved = (self.control_share - self.treated_share) @ self.design
        influence = self.treated_share * (left - treated) - control_left
        influence += left * (self.outcome_rows @ moved)
        influence -= self.score_rows @ (control_left @ self.design)
        return treated - control, influence


def comparison(X: Floats, treated: Booleans, weights: Floats) -> Comparison | str:
    """Fit what does not depend on the outcome, or say why there is no comparison.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Covariates without intercept. Without any the two means are compared.
    """
    treated_weights = np.where(treated, weights, 0.0)
    control_weights = weights - treated_weights
    if X.shape[1] == 0:
        nothing = np.zeros((len(X), 1))
        means = treated_weights / treated_weights.sum(), control_weights / control_weights.sum()
        return Comparison(np.ones((len(X), 1)), *means, nothing, nothing)
    design = standardised_design(X, weights)
    gram = (design * control_weights[:, None]).T @ design
    if not independent(gram, weights @ design**2).all():
        return COLLINEAR
    e = _logit(design, treated.astype(np.float64), weights)
    if e is None or e.max() >= TOO_CERTAIN:
        return NO_OVERLAP
    information = (design * (weights * e * (1.0 - e))[:, None]).T @ design
    kept = np.where(e < TRIMMED_CONTROL, control_weights, 0.0)
    odds = kept * e / (1.0 - e)
    return Comparison(
        design,
        treated_weights / treated_weights.sum(),
        odds / odds.sum(),
        control_weights[:, None] * np.linalg.solve(gram, design.T).T,
        (weights * (treated - e))[:, None] * np.linalg.solve(information, design.T).T,
    )


def _logit(design: Floats, d: Floats, weights: Floats) -> Floats | None:
    """Fitted probabilities by Newton's method; None where there is no maximum."""
    beta = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        predictor = np.clip(design @ beta, -LARGEST_PREDICTOR, LARGEST_PREDICTOR)
        e = 1.0 / (1.0 + np.exp(-predictor))
        gradient = (weights * (d - e)) @ design
        information = (design * (weights * e * (1.0 - e))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if step @ gradient < CONVERGED:
            fitted: Floats = 1.0 / (1.0 + np.exp(-(design @ beta)))
            return fitted
    return None
