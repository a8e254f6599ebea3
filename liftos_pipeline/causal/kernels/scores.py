"""Estimating scores of weighting and doubly robust estimators, and each row's influence. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contrast:
    """Difference of two weighted means.

    ``influence`` (n,): influence of each row on the estimate, in outcome units; the error is about its sum.
    """

    estimate: float
    mean_treated: float
    mean_control: float
    influence: Floats


def hajek_contrast(y: Floats, d: Floats, weights: Floats) -> Contrast:
    """Difference of the arms' weighted means, the weights normalised within each arm."""
    share_treated = np.where(d == 1, weights, 0.0)
    share_treated = share_treated / share_treated.sum()
    share_control = np.where(d == 0, weights, 0.0)
    share_control = share_control / share_control.sum()
    origin = float(y[0])  # any value of the outcome: a constant one then has means without rounding
    moved = y - origin
    mean_treated = float(share_treated @ moved)
    mean_control = float(share_control @ moved)
    influence = share_treated * (moved - mean_treated) - share_control * (moved - mean_control)
    return Contrast(mean_treated - mean_control, origin + mean_treated, origin + mean_control, influence)


def orthogonal_score(
    y: Floats, d: Floats, e: Floats, m0: Floats, m1: Floats, estimand: str
) -> tuple[Floats, Floats]:
    """Neyman-orthogonal score of an estimand, ``numerator - theta * population`` of each row.

    ======== ========================================================== ==============
    estimand numerator                                                  population
    ======== ========================================================== ==============
    ate      m1 - m0 + d (y - m1) / e - (1 - d) (y - m0) / (1 - e)      1
    att      d (y - m0) - (1 - d) e / (1 - e) (y - m0)                  d
    overlap  (d - e)^2 (m1 - m0) + d (1 - e) (y - m1)
             - (1 - d) e (y - m0)                                       (d - e)^2
    ======== ========================================================== ==============

    The overlap weights e (1 - e) are themselves estimated: adding their own correction
    ``(1 - 2 e) (d - e) (m1 - m0 - theta)`` turns them into ``(d - e)^2``.

    Parameters
    ----------
    y, d, e, m0, m1 : ndarray, shape (n,)
        Outcome, treatment, propensity, outcome models of both arms (``m1`` is not read for the ATT).

    Returns
    -------
    numerator, population : ndarray, shape (n,)
        ``theta`` is the ratio of their weighted sums.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), JASA 89(427). Chernozhukov et al. (2018), Econometrics Journal 21(1),
    section 5.1. Hirano, Imbens and Ridder (2003), Econometrica 71(4), section 4: weighted effects.
    """
    if estimand == "ate":
        numerator = m1 - m0 + np.where(d == 1, (y - m1) / e, (m0 - y) / (1.0 - e))
        return numerator, np.ones_like(y)
    if estimand == "att":
        return np.where(d == 1, y - m0, (m0 - y) * e / (1.0 - e)), d
    population = (d - e) ** 2
    return population * (m1 - m0) + np.where(d == 1, (1.0 - e) * (y - m1), e * (m0 - y)), population


def ratio_of_sums(numerator: Floats, population: Floats) -> tuple[float, Floats]:
    """Ratio of two sums over clusters, shape (G,), and each cluster's influence on it, shape (G,)."""
    total = population.sum()
    ratio = float(numerator.sum() / total)
    return ratio, (numerator - ratio * population) / total
