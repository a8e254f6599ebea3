"""Test for a cycle of known length: power at its frequencies beside that at their neighbours. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_NEIGHBOURS, MOST_NEIGHBOURS = 3, 8
"""Fourier frequencies on each side of a harmonic that tell the noise there; harmonics share none where cycles allow."""


def periodicity_test(series: Floats, cycle: float, harmonics: int) -> tuple[Floats, Floats]:
    """Test series for a periodic component, whatever the autocorrelation of their noise.

    The periodogram at a harmonic over the mean of that at the frequencies around it is F(2, 2k) where the spectrum is
    even over that stretch; series are whitened by an AR(1) to make it so. The p-values of the harmonics are combined by
    Fisher's method: ordinates at different frequencies are independent.

    Parameters
    ----------
    series : ndarray, shape (n_series, n)
        The latest whole number of cycles is used.
    cycle : float
        Periods in a cycle.
    harmonics : int
        Harmonics tested, the basic frequency being the first; those at or above half a cycle per period are left out.

    Returns
    -------
    statistic, p_value : ndarray, shape (n_series,)
        Fisher's statistic, chi-square with two degrees of freedom per harmonic without a cycle.

    References
    ----------
    Priestley (1981), Spectral Analysis and Time Series, section 6.1.4. Fisher (1925), Statistical Methods for Research
    Workers, section 21.1.
    """
    from scipy.stats import chi2, f

    n_cycles = int(series.shape[1] // cycle)
    n = round(n_cycles * cycle)
    white = _whitened(series[:, series.shape[1] - n :])
    power = np.abs(np.fft.rfft(white, axis=1)) ** 2
    places = n_cycles * np.arange(1, harmonics + 1)
    places = places[2 * places < n]
    candidates = np.setdiff1d(np.arange(1, (n + 1) // 2), n_cycles * np.arange(1, n // n_cycles + 1))
    reach = int(np.clip((n_cycles - 1) // 2, FEWEST_NEIGHBOURS, MOST_NEIGHBOURS))
    statistic = np.zeros(len(series))
    for place in places:
        around = candidates[np.argsort(np.abs(candidates - place), kind="stable")[: 2 * reach]]
        noise = power[:, around].mean(axis=1)
        ratio = np.divide(power[:, place], noise, out=np.full(len(series), np.inf), where=noise > 0)
        chance = np.maximum(f.sf(ratio, 2, 2 * len(around)), np.finfo(np.float64).tiny)
        statistic -= 2.0 * np.log(chance)
    return statistic, chi2.sf(statistic, 2 * len(places))


def _whitened(series: Floats) -> Floats:
    """Series less a line and their first-order autoregressive part, taken round in a circle so that no cycle is cut."""
    n = series.shape[1]
    time = np.linspace(-1.0, 1.0, n)
    centred = series - series.mean(axis=1, keepdims=True)
    centred -= np.outer(centred @ time / (time @ time), time)
    before = np.roll(centred, 1, axis=1)
    total = np.sum(centred**2, axis=1)
    phi = np.divide(np.sum(centred * before, axis=1), total, out=np.zeros(len(series)), where=total > 0)
    white: Floats = centred - phi[:, None] * before
    return white
