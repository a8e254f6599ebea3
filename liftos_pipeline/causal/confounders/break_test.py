"""Sup-LR test for one level shift in autocorrelated series, many segments at once.

Arrays in, arrays out. Calendar removal, segmentation and critical values do not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

AR_ORDER = 4
TRIM_SHARE = 0.05
ITERATIONS = 2
NOISE_FLOOR = 1e-4
"""Smallest innovation sd, in log points: an exactly constant budget must not divide by zero."""


@dataclass(frozen=True)
class BreakTest:
    """Result of one test per segment.

    Attributes
    ----------
    statistic : ndarray, shape (m,)
        Largest likelihood ratio over the admissible dates.
    position : ndarray, shape (m,)
        First index after the shift, counted from the segment's start.
    size : ndarray, shape (m,)
        Generalised-least-squares size of the shift, in units of the series.
    persistence : ndarray, shape (m,)
        Sum of the autoregressive coefficients, which selects the critical value.
    """

    statistic: Floats
    position: Integers
    size: Floats
    persistence: Floats


def sup_lr(segments: Floats, lengths: Integers) -> BreakTest:
    """Test each segment for one level shift at an unknown date.

    The best split and the best one beside it are removed, an AR(4) is fitted to what remains by Yule-Walker, the
    series is whitened and regressed on the step as the same filter transforms it. The date found so far is then
    removed instead of the least-squares split, and the test is repeated once. Removing one split only would leave
    a second shift in the residuals, which then look so persistent that neither is found.

    Parameters
    ----------
    segments : ndarray, shape (m, longest)
        One segment per row from its first element; what lies beyond ``lengths`` is ignored.
    lengths : ndarray, shape (m,)
        Observations per segment, at least ``4 * AR_ORDER``.

    References
    ----------
    Andrews (1993), Econometrica 61(4), section 3. Bai (1997), Review of Economics and Statistics 79(4).
    """
    time = np.arange(segments.shape[1])
    inside = time < lengths[:, None]
    centre = np.sum(np.where(inside, segments, 0.0), axis=1) / lengths
    values = np.where(inside, segments - centre[:, None], 0.0)
    position = _least_squares_split(values, lengths)
    for _ in range(ITERATIONS):
        phi = _autoregression(_without_shifts(values, inside, lengths, position), lengths)
        ratio, shift = _likelihood_ratios(values, inside, lengths, phi)
        position = np.argmax(ratio, axis=1).astype(np.int64)
    rows = np.arange(len(values))
    return BreakTest(ratio[rows, position], position, shift[rows, position], phi.sum(axis=1))


def _admissible(time: Integers, lengths: Integers) -> NDArray[np.bool_]:
    margin = np.maximum(np.ceil(TRIM_SHARE * lengths), AR_ORDER + 1)[:, None]
    admissible: NDArray[np.bool_] = (time >= margin) & (time <= lengths[:, None] - margin)
    return admissible


def _least_squares_split(values: Floats, lengths: Integers) -> Integers:
    time = np.arange(values.shape[1])
    before = np.cumsum(values, axis=1) - values
    count = np.where(_admissible(time, lengths), time * (lengths[:, None] - time), 1)
    gain = np.where(_admissible(time, lengths), before**2 / count, -1.0)
    split: Integers = np.argmax(gain, axis=1).astype(np.int64)
    return split


def _without_shifts(values: Floats, inside: NDArray[np.bool_], lengths: Integers, position: Integers) -> Floats:
    """Residuals around three levels: split at ``position``, and where the rest then splits best."""
    second = _least_squares_split(_around_levels(values, inside, [position]), lengths)
    return _around_levels(values, inside, [position, second])


def _around_levels(values: Floats, inside: NDArray[np.bool_], positions: list[Integers]) -> Floats:
    time = np.arange(values.shape[1])
    level = sum((time >= position[:, None]).astype(np.int64) for position in positions)
    residuals = np.zeros_like(values)
    for number in range(len(positions) + 1):
        members = inside & (level == number)
        total = np.sum(np.where(members, values, 0.0), axis=1)
        mean = total / np.maximum(members.sum(axis=1), 1)
        residuals += np.where(members, values - mean[:, None], 0.0)
    return residuals


def _autoregression(residuals: Floats, lengths: Integers) -> Floats:
    """Yule-Walker coefficients, shape (m, AR_ORDER); zero where the residuals have no variance to explain."""
    products = [
        np.einsum("ij,ij->i", residuals[:, lag:], residuals[:, : residuals.shape[1] - lag])
        for lag in range(AR_ORDER + 1)
    ]
    autocovariance = np.stack(products, axis=1) / lengths[:, None]
    flat = autocovariance[:, 0] <= NOISE_FLOOR**2
    autocovariance[flat] = np.eye(AR_ORDER + 1)[0]
    lag = np.abs(np.arange(AR_ORDER)[:, None] - np.arange(AR_ORDER))
    phi = np.linalg.solve(autocovariance[:, lag], autocovariance[:, 1:, None])[..., 0]
    return phi.astype(np.float64)


def _likelihood_ratios(
    values: Floats, inside: NDArray[np.bool_], lengths: Integers, phi: Floats
) -> tuple[Floats, Floats]:
    """Likelihood ratio and shift of every date, shape (m, longest); minus one where a date is not admissible."""
    time = np.arange(values.shape[1])
    white = values.copy()
    for lag in range(1, AR_ORDER + 1):
        white[:, lag:] -= phi[:, lag - 1 : lag] * values[:, :-lag]
    used = inside & (time >= AR_ORDER)
    n_used = lengths - AR_ORDER
    white = np.where(used, white, 0.0)
    white = np.where(used, white - (white.sum(axis=1) / n_used)[:, None], 0.0)
    onset = np.concatenate([np.ones((len(phi), 1)), 1.0 - np.cumsum(phi, axis=1)], axis=1)
    lasting = onset[:, AR_ORDER:]
    tail = np.zeros((len(values), values.shape[1] + AR_ORDER))
    tail[:, : values.shape[1]] = np.cumsum(white[:, ::-1], axis=1)[:, ::-1]
    score = lasting * tail[:, AR_ORDER:]
    for lag in range(AR_ORDER):
        score[:, : values.shape[1] - lag] += onset[:, lag : lag + 1] * white[:, lag:]
    remaining = lengths[:, None] - time - AR_ORDER
    step_sum = onset[:, :AR_ORDER].sum(axis=1, keepdims=True) + lasting * remaining
    step_square = (onset[:, :AR_ORDER] ** 2).sum(axis=1, keepdims=True) + lasting**2 * remaining
    information = step_square - step_sum**2 / n_used[:, None]
    admissible = _admissible(time, lengths)
    information = np.where(admissible, information, 1.0)
    explained = np.where(admissible, score**2 / information, -1.0)
    best = np.max(explained, axis=1)
    degrees = n_used - 2 - AR_ORDER
    variance = np.maximum((np.einsum("ij,ij->i", white, white) - best) / degrees, NOISE_FLOOR**2)
    return explained / variance[:, None], score / information
