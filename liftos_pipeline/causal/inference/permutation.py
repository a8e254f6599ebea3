"""Tests by rank among placebos, and the sets of effects that they do not reject."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.results import Inference

Floats = NDArray[np.float64]

NO_STANDARD_ERROR = "a permutation test has no standard error"
MOST_STEPS = 400
TIE = 1e-9
"""Relative distance within which two statistics are the same."""


def rank_p_value(statistic: float, placebos: Floats) -> float:
    """Share of statistics at least as large, the one tested counted among them.

    References
    ----------
    Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1): a p-value is never zero.
    """
    return float((1 + np.sum(placebos >= statistic * (1 - TIE))) / (1 + len(placebos)))


def critical_value(placebos: Floats, level: float) -> float:
    """Largest statistic whose rank p-value exceeds one minus ``level``; infinite with too few placebos."""
    n_above = math.floor((1.0 - level) * (1 + len(placebos)) + TIE)
    return math.inf if n_above == 0 else float(np.sort(placebos)[::-1][n_above - 1])


def ratio_inference(
    post: Floats, weights: Floats, pre: float, placebos: Floats, level: float, n_units: int
) -> Inference:
    """Inference on a constant effect from the ratio of the errors after and before.

    Parameters
    ----------
    post, weights : ndarray, shape (m,)
        Gaps after the start, in outcome units, and their weights, adding to one.
    pre : float
        Root mean squared gap before.
    placebos : ndarray, shape (B,)
        The ratio of untreated units.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), JASA 105(490), section 3.4. Firpo and Possebom (2018), Journal of Causal
    Inference 6(2), section 4: the set of constant effects that the same test does not reject.
    """
    estimate = float(weights @ post)
    spread = float(weights @ (post - estimate) ** 2)
    undefined = {"std_error": NO_STANDARD_ERROR}
    if pre == 0.0:
        reason = (
            "the synthetic control meets the treated unit in every period before: the ratio has no denominator"
        )
        return _of(math.nan, math.nan, math.nan, level, n_units, {**undefined, **_all(reason)})
    p_value = rank_p_value(math.sqrt(spread + estimate**2) / pre, placebos)
    critical = critical_value(placebos, level)
    if math.isinf(critical):
        return _of(-math.inf, math.inf, p_value, level, n_units, undefined)
    room = critical**2 * pre**2 - spread
    if room < 0:
        reason = "no constant effect agrees with the gaps: they differ too much from period to period"
        undefined |= {"ci_low": reason, "ci_high": reason}
        return _of(math.nan, math.nan, p_value, level, n_units, undefined)
    margin = math.sqrt(room)
    return _of(estimate - margin, estimate + margin, p_value, level, n_units, undefined)


def conformal_inference(
    residuals_at: Callable[[float], Floats],
    n_post: int,
    estimate: float,
    scale: float,
    level: float,
    n_units: int,
) -> Inference:
    """Inference on a constant effect by shifting residuals in time.

    The p-value of an effect is the rank, among all cyclic shifts, of the mean absolute residual after the start, the
    model fitted to all periods under that effect.

    Parameters
    ----------
    residuals_at : callable
        Effect to residuals, shape (T,), periods after the start last.
    scale : float
        Step, in outcome units, by which the ends of the set are looked for, from the estimate outwards.

    References
    ----------
    Chernozhukov, Wuthrich and Zhu (2021), JASA 116(536), section 2: moving block permutations.
    """

    def p_value(effect: float) -> float:
        size = np.abs(residuals_at(effect))
        doubled = np.concatenate([[0.0], np.cumsum(np.concatenate([size, size]))])
        statistics = (doubled[n_post:] - doubled[:-n_post])[: len(size)]
        observed = statistics[len(size) - n_post]
        return float(np.mean(statistics >= observed * (1 - TIE)))

    alpha = 1.0 - level + TIE
    undefined = {"std_error": NO_STANDARD_ERROR}
    n_periods = len(residuals_at(estimate))
    if 1.0 / n_periods > alpha:
        return _of(-math.inf, math.inf, p_value(0.0), level, n_units, undefined)
    if p_value(estimate) <= alpha:
        reason = "no constant effect agrees with the residuals"
        undefined |= {"ci_low": reason, "ci_high": reason}
        return _of(math.nan, math.nan, p_value(0.0), level, n_units, undefined)
    low, high = (_end(p_value, estimate, side * scale, alpha) for side in (-1.0, 1.0))
    return _of(low, high, p_value(0.0), level, n_units, undefined)


def _end(p_value: Callable[[float], float], inside: float, step: float, alpha: float) -> float:
    """Where the p-value first falls to ``alpha`` on one side, to a thousandth of the step; infinite if it does not within
    ``MOST_STEPS``. Farther out it may rise again, where the model bends to an effect that is not there."""
    for _ in range(MOST_STEPS):
        outside = inside + step
        if p_value(outside) <= alpha:
            break
        inside = outside
    else:
        return math.copysign(math.inf, step)
    while abs(outside - inside) > 1e-3 * abs(step):
        middle = 0.5 * (inside + outside)
        if p_value(middle) > alpha:
            inside = middle
        else:
            outside = middle
    return outside


def _all(reason: str) -> dict[str, str]:
    return dict.fromkeys(("ci_low", "ci_high", "p_value"), reason)


def _of(
    low: float, high: float, p_value: float, level: float, n_units: int, undefined: dict[str, str]
) -> Inference:
    return Inference(math.nan, low, high, p_value, level, n_units, math.nan, undefined)
