"""Adjusted p-values of a family of hypotheses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]


def holm(p_values: Floats) -> Floats:
    """Adjusted p-values that control the chance of any false rejection, whatever the dependence.

    Parameters
    ----------
    p_values : ndarray, shape (k,)
        Missing ones are no part of the family and stay missing.

    Raises
    ------
    LiftosError
        Values outside [0, 1].

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    ranked, order, known = _ranked(p_values)
    stepped = np.maximum.accumulate(ranked * np.arange(len(ranked), 0, -1))
    return _placed(np.minimum(stepped, 1.0), order, known)


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values that control the expected share of false rejections, for independent or positively dependent ones.

    Parameters
    ----------
    p_values : ndarray, shape (k,)
        Missing ones are no part of the family and stay missing.

    Raises
    ------
    LiftosError
        Values outside [0, 1].

    References
    ----------
    Benjamini and Hochberg (1995), JRSS B 57(1). Benjamini and Yekutieli (2001), Annals of Statistics 29(4).
    """
    ranked, order, known = _ranked(p_values)
    stepped = ranked * len(ranked) / np.arange(1, len(ranked) + 1)
    return _placed(np.minimum.accumulate(stepped[::-1])[::-1], order, known)


def adafilter(p_values: Floats) -> Floats:
    """Adjusted p-values of the hypotheses that not both of two effects are there, less cautious than those of the larger
    p-value: pairs of which both are large do not count in the family.

    Parameters
    ----------
    p_values : ndarray, shape (k, 2)
        Of the two effects, which must be estimated independently. Pairs with a missing one stay missing.

    References
    ----------
    Wang, Gui, Su, Sabatti and Owen (2022), Annals of Statistics 50(4), section 3.
    """
    larger = np.max(p_values, axis=1)
    ranked, order, known = _ranked(larger)
    smaller = np.sort(np.min(p_values[known], axis=1))
    n_filtered = np.searchsorted(smaller, ranked, side="right")
    stepped = ranked * n_filtered / np.arange(1, len(ranked) + 1)
    return _placed(np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0), order, known)


def cauchy_combination(p_values: Floats) -> Floats:
    """One p-value from several of the same hypothesis, whatever their dependence, accurate where it is small.

    Parameters
    ----------
    p_values : ndarray, shape (..., k)

    Returns
    -------
    ndarray, shape (...)

    References
    ----------
    Liu and Xie (2020), Journal of the American Statistical Association 115(529).
    """
    inside = np.clip(p_values, 1e-300, 1.0 - 1e-12)
    tails = np.where(inside < 1e-8, 1.0 / (inside * np.pi), np.tan((0.5 - np.maximum(inside, 1e-8)) * np.pi))
    mean = tails.mean(axis=-1)
    far = 1.0 / (np.pi * np.maximum(mean, 1.0))
    combined: Floats = np.where(mean > 1e8, far, 0.5 - np.arctan(mean) / np.pi)
    return combined


def romano_wolf(estimates: Floats, std_errors: Floats, draws: Floats) -> Floats:
    """Step-down adjusted two-sided p-values that use the dependence between the estimates.

    Parameters
    ----------
    estimates, std_errors : ndarray, shape (k,)
        Missing estimates are no part of the family and stay missing.
    draws : ndarray, shape (B, k)
        Draws of the estimates' joint error, centred at zero, such as multiplier draws of their influences.

    Returns
    -------
    ndarray, shape (k,)
        The smallest possible value is 1 / (B + 1).

    Raises
    ------
    LiftosError
        Shapes that do not match, a standard error that is not positive, missing draws.

    References
    ----------
    Romano and Wolf (2005), Econometrica 73(4). Romano and Wolf (2016), Statistics and Probability Letters 113.
    """
    known = np.isfinite(estimates)
    if std_errors.shape != estimates.shape or draws.ndim != 2 or draws.shape[1:] != estimates.shape:
        raise LiftosError(
            "k estimates, k standard errors and draws of shape (B, k)",
            f"{estimates.shape}, {std_errors.shape} and {draws.shape}",
            "Draw all estimates' errors together.",
        )
    if not (std_errors[known] > 0).all() or not np.isfinite(draws[:, known]).all() or len(draws) == 0:
        raise LiftosError(
            "positive standard errors and at least one complete draw",
            f"standard errors from {std_errors[known].min(initial=np.inf):g}, {len(draws)} draws",
            "Leave out estimates without a standard error.",
        )
    statistics = np.abs(estimates[known] / std_errors[known])
    order = np.argsort(-statistics, kind="stable")
    drawn = np.abs(draws[:, known] / std_errors[known])[:, order]
    largest_left = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
    n_extreme = np.sum(largest_left >= statistics[order], axis=0)
    stepped = np.maximum.accumulate((1.0 + n_extreme) / (1.0 + len(draws)))
    return _placed(stepped, order, known)


def _family(p_values: Floats) -> NDArray[np.bool_]:
    known = np.isfinite(p_values)
    outside = p_values[~np.isnan(p_values) & ~((p_values >= 0) & (p_values <= 1))]
    if p_values.ndim != 1 or len(outside):
        raise LiftosError(
            "a list of p-values between 0 and 1",
            f"shape {p_values.shape}, {outside[:5].tolist()}",
            "Pass p-values.",
        )
    return known


def _ranked(p_values: Floats) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """The family's p-values in order, their order, and which members are known."""
    known = _family(p_values)
    order = np.argsort(p_values[known], kind="stable")
    return p_values[known][order], order, known


def _placed(stepped: Floats, order: NDArray[np.intp], known: NDArray[np.bool_]) -> Floats:
    """Values of the sorted family back in its own order, NaN where a member is missing."""
    family = np.empty(len(order))
    family[order] = stepped
    adjusted = np.full(len(known), np.nan)
    adjusted[known] = family
    return adjusted
