"""Compiled loops of ``joint_dating``, one series at a time. Imports the compiler: import it where it is called."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.break_test import AR_ORDER, NOISE_FLOOR

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MARGIN = AR_ORDER + 1
"""Observations before the first and from the last shift on."""
GAP = 4
"""Observations between two shifts."""
MAX_ROUNDS = 12
ROUNDING = 1e-9


@njit(cache=True, nogil=True)
def date_together(
    series: Floats, first: Integers, persistences: Floats, critical: Floats, min_size: float, most: int
) -> tuple[Integers, Floats, Floats, Floats]:
    """Positions, sizes, likelihood ratios and persistence (one for each shift) of the shifts that stay.

    Parameters
    ----------
    series : ndarray, shape (n,)
    first : ndarray, shape (m,)
        Candidates, ascending.
    persistences, critical : ndarray, shape (k,)
        Critical value by sum of the autoregressive coefficients.
    most : int
        Shifts are added up to this number.
    """
    n = len(series)
    position, size, ratio = np.zeros(most + 1, np.int64), np.zeros(most + 1), np.zeros(most + 1)
    m = min(len(first), most)
    position[:m] = first[:m]
    basis = np.empty((most + 2, n))
    persistence = 0.0
    for number in range(MAX_ROUNDS):
        phi = _autoregression(series, position[:m])
        persistence = phi.sum()
        threshold = np.interp(persistence, persistences, critical)
        onset = np.ones(AR_ORDER + 1)
        onset[1:] = 1.0 - np.cumsum(phi)
        white = _whitened(series, phi)
        is_moved = False
        j = 0
        while j < m:
            low = position[j - 1] + GAP if j > 0 else MARGIN
            high = position[j + 1] - GAP if j < m - 1 else n - MARGIN
            others = np.concatenate((position[:j], position[j + 1 : m]))
            at, jump, gain = _best(white, onset, others, low, high, basis)
            if gain >= threshold and abs(jump) >= min_size:
                is_moved = is_moved or at != position[j]
                position[j], size[j], ratio[j] = at, jump, gain
                j += 1
            else:
                position[j : m - 1], size[j : m - 1] = position[j + 1 : m].copy(), size[j + 1 : m].copy()
                ratio[j : m - 1] = ratio[j + 1 : m].copy()
                m -= 1
                is_moved = True
        if m < most and number < MAX_ROUNDS - 1:
            at, jump, gain = _best(white, onset, position[:m], MARGIN, n - MARGIN, basis)
            if gain >= threshold and abs(jump) >= min_size:
                place = np.searchsorted(position[:m], at)
                position[place + 1 : m + 1] = position[place:m].copy()
                position[place] = at
                m += 1
                is_moved = True
                continue
        if not is_moved:
            break
    return position[:m], size[:m], ratio[:m], np.full(m, persistence)


@njit(cache=True, nogil=True)
def _around_levels(series: Floats, position: Integers) -> Floats:
    rest = series.copy()
    begin = 0
    for j in range(len(position) + 1):
        end = position[j] if j < len(position) else len(series)
        if end > begin:
            rest[begin:end] -= rest[begin:end].mean()
        begin = end
    return rest


@njit(cache=True, nogil=True)
def _autoregression(series: Floats, position: Integers) -> Floats:
    """Yule-Walker coefficients of what is left around the levels, shape (AR_ORDER,).

    The split that would explain most of the rest is taken out too: a shift that is still to be found would make the
    rest look so persistent that it never is.
    """
    n = len(series)
    rest = _around_levels(series, position)
    before, most, split = 0.0, -1.0, MARGIN
    for k in range(1, n - MARGIN + 1):
        before += rest[k - 1]
        if k >= MARGIN and before * before / (k * (n - k)) > most:
            most, split = before * before / (k * (n - k)), k
    rest = _around_levels(series, np.sort(np.append(position, split)))
    products = np.empty(AR_ORDER + 1)
    for lag in range(AR_ORDER + 1):
        products[lag] = np.sum(rest[lag:] * rest[: n - lag]) / n
    if products[0] <= NOISE_FLOOR**2:
        return np.zeros(AR_ORDER)
    toeplitz = np.empty((AR_ORDER, AR_ORDER))
    for i in range(AR_ORDER):
        for k in range(AR_ORDER):
            toeplitz[i, k] = products[abs(i - k)]
    return np.linalg.solve(toeplitz, products[1:]).astype(np.float64)


@njit(cache=True, nogil=True)
def _whitened(series: Floats, phi: Floats) -> Floats:
    """The series less its autoregressive part; zero where it has too little past."""
    white = series.copy()
    for lag in range(1, AR_ORDER + 1):
        white[lag:] -= phi[lag - 1] * series[:-lag]
    white[:AR_ORDER] = 0.0
    return white


@njit(cache=True, nogil=True)
def _best(
    white: Floats, onset: Floats, others: Integers, low: int, high: int, basis: Floats
) -> tuple[int, float, float]:
    """Date in ``low``..``high`` of the shift that explains most beside the others, its size and likelihood ratio."""
    n = len(white)
    rank = _spanned(basis, onset, others, n)
    rest = white.copy()
    for q in range(rank):
        rest -= np.sum(basis[q] * rest) * basis[q]
    score = _on_steps(rest, onset)
    information = np.empty(n)
    for k in range(n):
        lasting = max(n - k - AR_ORDER, 0)
        information[k] = np.sum(onset[: min(AR_ORDER, n - k)] ** 2) + lasting * onset[AR_ORDER] ** 2
    for q in range(rank):
        information -= _on_steps(basis[q], onset) ** 2
    best, at = -1.0, -1
    for k in range(low, high + 1):
        if information[k] <= ROUNDING or _is_near(others, k):
            continue
        explained = score[k] ** 2 / information[k]
        if explained > best:
            best, at = explained, k
    if at < 0:
        return -1, 0.0, -1.0
    degrees = max(n - 2 * AR_ORDER - 2 - len(others), 1)
    variance = max((np.sum(rest * rest) - best) / degrees, NOISE_FLOOR**2)
    return at, score[at] / information[at], best / variance


@njit(cache=True, nogil=True)
def _is_near(others: Integers, k: int) -> bool:
    for other in others:  # noqa: SIM110  compiled
        if abs(other - k) < GAP:
            return True
    return False


@njit(cache=True, nogil=True)
def _spanned(basis: Floats, onset: Floats, others: Integers, n: int) -> int:
    """Orthonormal rows, into ``basis``, of a constant and of the other shifts as the filter transforms them; their rank."""
    rank = 0
    for j in range(-1, len(others)):
        row = basis[rank]
        row[:] = 0.0
        if j < 0:
            row[AR_ORDER:] = 1.0
        else:
            row[others[j] :] = onset[AR_ORDER]
            for lag in range(min(AR_ORDER, n - others[j])):
                row[others[j] + lag] = onset[lag]
        for _ in range(2):
            for q in range(rank):
                row -= np.sum(basis[q] * row) * basis[q]
        length = np.sqrt(np.sum(row * row))
        if length > ROUNDING:
            row /= length
            rank += 1
    return rank


@njit(cache=True, nogil=True)
def _on_steps(values: Floats, onset: Floats) -> Floats:
    """Product of ``values`` with the transformed shift at each date, shape (n,)."""
    n = len(values)
    found = np.empty(n)
    later = 0.0
    for k in range(n - 1, -1, -1):
        if k + AR_ORDER < n:
            later += values[k + AR_ORDER]
        found[k] = onset[AR_ORDER] * later
        for lag in range(min(AR_ORDER, n - k)):
            found[k] += onset[lag] * values[k + lag]
    return found
