"""Days on which many series jump together, with the chance of the largest of all days simulated. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.medians import MAD_TO_SD, median_of_known

Floats = NDArray[np.float64]

LAGS = 4
N_NORMAL, N_RESAMPLED, N_MEDIANS = 5_000, 400, 20_000
"""Draws of the largest statistic, and of the medians of single periods that the resampled ones are made of."""
OUTLYING = 4.0
"""Standard deviations from which an innovation takes no part in the second fit."""
MANY_UNITS = 100
"""From so many on the median of units is as good as normal, however heavy their tails."""
_BATCH = 250


@dataclass(frozen=True, eq=False)
class Jumps:
    """One entry for each period from ``2 * LAGS`` on, shape (n - 2 * LAGS,).

    Attributes
    ----------
    size : ndarray
        Innovation that the units share, mean over the metrics, in their units.
    statistic : ndarray
        Standardised innovations, mean over the metrics, in standard deviations of all periods.
    p_value : ndarray
        Chance that the largest of all periods is as large, without jumps.
    """

    size: Floats
    statistic: Floats
    p_value: Floats


def shared_jumps(series: Floats, seed: int) -> Jumps:
    """Test every period for a jump that the units make together, in all metrics.

    Each unit's series is whitened, the median of the innovations is what units share, and is whitened again. Without
    jumps this median is the noise of single units, drawn again from what they do beside it - so that the heavy tails of
    few units do not pass for jumps - and a normal part that they share.

    Parameters
    ----------
    series : ndarray, shape (n_metrics, n_units, n)
        NaN where a unit is not observed.

    References
    ----------
    Chang, Tiao and Chen (1988), Technometrics 30(2): innovation outliers, searched for over all periods.
    """
    n_metrics, n_units, n = series.shape
    own = innovations(series.reshape(-1, n)).reshape(n_metrics, n_units, n - LAGS)
    shared = median_of_known(own.transpose(0, 2, 1))
    found = innovations(shared)
    statistic: Floats = _combined(found)
    if n_units >= MANY_UNITS:
        largest = _largest_normal(found.shape[1], seed)
    else:
        largest = _largest_resampled(own - shared[:, None], found, seed)
    above = len(largest) - np.searchsorted(largest, np.abs(statistic) * (1 - 1e-12), side="left")
    size: Floats = found.mean(axis=0)
    p_value = ((above + 1.0) / (len(largest) + 1.0)).astype(np.float64)
    return Jumps(size, statistic, p_value)


def innovations(series: Floats) -> Floats:
    """Residuals of an autoregression with constant, fitted twice: without the outlying periods the second time.

    Parameters
    ----------
    series : ndarray, shape (m, n)
        NaN where not observed.

    Returns
    -------
    ndarray, shape (m, n - LAGS)
        NaN where the period or one of those before it is not observed.
    """
    n = series.shape[1]
    past = [series[:, LAGS - lag : n - lag] for lag in range(1, LAGS + 1)]
    design = np.stack([np.ones_like(past[0]), *past], axis=2)
    known = ~np.isnan(design).any(axis=2) & ~np.isnan(series[:, LAGS:])
    design = np.where(known[:, :, None], design, 0.0)
    now = np.where(known, series[:, LAGS:], 0.0)
    weight = known.astype(np.float64)
    for _ in range(2):
        weighted = design * weight[:, :, None]
        gram = weighted.transpose(0, 2, 1) @ design
        ridge = 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] + np.finfo(np.float64).tiny
        slopes = np.linalg.solve(gram + ridge * np.eye(LAGS + 1), weighted.transpose(0, 2, 1) @ now[:, :, None])
        rest = np.where(known, now - (design @ slopes)[..., 0], np.nan)
        weight = (np.abs(rest) <= OUTLYING * _scale(rest)[:, None]).astype(np.float64)
    return rest


def _scale(values: Floats) -> Floats:
    return MAD_TO_SD * median_of_known(np.abs(values))


def _combined(found: Floats) -> Floats:
    """Mean of the metrics' standardised innovations, standardised, shape (..., n); found: shape (..., n_metrics, n)."""
    scale = _scale(found)[..., None]
    standard = np.divide(found, scale, out=np.zeros_like(found), where=scale > 0).mean(axis=-2)
    spread = _scale(standard)[..., None]
    combined: Floats = np.zeros_like(standard)
    np.divide(standard, spread, out=combined, where=spread > 0)
    return combined


def _largest_resampled(rest: Floats, found: Floats, seed: int) -> Floats:
    """Largest absolute statistics without jumps, ascending, shape (N_RESAMPLED,).

    Parameters
    ----------
    rest : ndarray, shape (n_metrics, n_units, m)
        Units' innovations beside what they share.
    found : ndarray, shape (n_metrics, n)
        What they share.
    """
    rng = np.random.default_rng(seed)
    n = found.shape[1]
    pools = [values[:, ~np.isnan(values).any(axis=0)] for values in rest.transpose(1, 0, 2)]
    pools = [pool for pool in pools if pool.shape[1]]
    units = np.stack([pool[:, rng.integers(pool.shape[1], size=N_MEDIANS)] for pool in pools])
    medians = np.median(units, axis=0)
    drawn = medians[:, rng.integers(N_MEDIANS, size=(N_RESAMPLED, n))].transpose(1, 0, 2)
    alone = np.mean(_scale(drawn), axis=0)
    common = np.sqrt(np.maximum(_scale(found) ** 2 - alone**2, 0.0))
    drawn += rng.standard_normal(drawn.shape) * common[:, None]
    largest: Floats = np.sort(np.max(np.abs(_combined(drawn)), axis=-1))
    return largest


@lru_cache(maxsize=32)
def _largest_normal(n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    parts = [
        np.max(np.abs(_combined(rng.standard_normal((_BATCH, 1, n)))), axis=-1) for _ in range(N_NORMAL // _BATCH)
    ]
    return np.sort(np.concatenate(parts))
