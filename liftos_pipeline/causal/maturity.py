"""How complete a count is at each age: development factors of a triangle, with intervals. Knows no platform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
FEWEST_GROUPS = 10
"""A factor from fewer days has no place in a curve."""


@dataclass(frozen=True)
class MaturityCurve:
    """Share of the last count that is known at ages 0 to A.

    Attributes
    ----------
    completeness, low, high : ndarray, shape (A + 1,)
        Share and its limits; NaN where ``reason`` says why. 1 at the last age by definition.
    spread : ndarray, shape (A + 1,)
        Squared half-width, per unit of the completed count, that the chance of single groups adds to its interval; NaN
        where too few groups were watched from that age to the last.
    n_groups : ndarray of int, shape (A + 1,)
        Fewest groups behind a factor from that age on; at the last age, groups known there.
    reason : tuple of (str or None), length A + 1
    """

    completeness: Floats
    low: Floats
    high: Floats
    spread: Floats
    n_groups: NDArray[np.int64]
    reason: tuple[str | None, ...]


def maturity_curve(counts: Floats, groups: NDArray[np.int64], level: float = 0.95) -> MaturityCurve:
    """Chain ladder: the factor from one age to the next is the ratio of sums over all that were seen at both.

    The variance of a product of factors comes from the influence of each group on its logarithm, so that what a group
    shows at one age may go on at the next; Mack's sum over factors would take these for independent. Limits are those of
    t with one degree of freedom less than the fewest groups behind a factor.

    Parameters
    ----------
    counts : ndarray, shape (n, A + 1)
        Cumulative counts by age; NaN where not seen.
    groups : ndarray of int, shape (n,)
        Rows of one group are dependent: counts of one day.
    level : float
        Level of the limits.

    Raises
    ------
    LiftosError
        There are fewer than two ages, or the level is not between 0 and 1.

    References
    ----------
    Mack (1993), "Distribution-free calculation of the standard error of chain ladder reserve estimates"; Binder (1983),
    "On the variances of asymptotically normal estimators from complex surveys", for the influence.

    Examples
    --------
    >>> counts = np.outer(np.arange(1.0, 21.0), [0.5, 0.8, 1.0])
    >>> maturity_curve(counts, np.arange(20)).completeness.round(3).tolist()
    [0.5, 0.8, 1.0]
    """
    if counts.ndim != 2 or counts.shape[1] < 2:
        raise LiftosError("counts by at least two ages", f"shape {counts.shape}", "Give one column per age.")
    if not 0.0 < level < 1.0:
        raise LiftosError("a level between 0 and 1", str(level), "For example 0.95.")
    _, codes = np.unique(groups, return_inverse=True)
    known = np.isfinite(counts)
    both = known[:, :-1] & known[:, 1:]
    early, late = np.where(both, counts[:, :-1], 0.0), np.where(both, counts[:, 1:], 0.0)
    base, grown = early.sum(axis=0), late.sum(axis=0)
    n_links = _n_groups(both, codes)
    usable = (n_links >= FEWEST_GROUPS) & (base > 0) & (grown > 0)
    safe_base, safe_grown = np.where(usable, base, 1.0), np.where(usable, grown, 1.0)
    influence = np.zeros((int(codes.max(initial=-1)) + 1, counts.shape[1] - 1))
    np.add.at(influence, codes, np.where(usable, late / safe_grown - early / safe_base, 0.0))
    log_share = -_from_here_on(np.log(safe_grown / safe_base)[None, :])[0]
    moves = _from_here_on(influence)
    is_defined = _from_here_on((~usable).astype(float)[None, :])[0] == 0
    fewest = np.append(np.minimum.accumulate(n_links[::-1])[::-1], _n_groups(known[:, -1:], codes))
    error = np.sqrt((moves**2).sum(axis=0) * fewest / np.maximum(fewest - 1, 1))
    share = np.where(is_defined, np.exp(log_share), np.nan)
    far = np.where(is_defined, _t_quantile(level, fewest - 1) * error, np.nan)
    return MaturityCurve(
        completeness=share,
        low=share * np.exp(-far),
        high=share * np.exp(far),
        spread=_spread(counts, share, codes, level),
        n_groups=fewest,
        reason=tuple(None if done else _why(usable, age, n_links) for age, done in enumerate(is_defined)),
    )


def _n_groups(present: NDArray[np.bool_], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """In how many groups anything is present, by column."""
    seen = np.zeros((int(codes.max(initial=-1)) + 1, present.shape[1]), dtype=bool)
    np.logical_or.at(seen, codes, present)
    return np.asarray(seen.sum(axis=0), dtype=np.int64)


def _from_here_on(values: Floats) -> Floats:
    """Sums of each column and those behind it, and a last column of zeros."""
    sums = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([sums, np.zeros((len(values), 1))], axis=1)


def _t_quantile(level: float, freedom: NDArray[np.int64]) -> Floats:
    from scipy.stats import t

    found: Floats = t.ppf(0.5 + level / 2.0, np.maximum(freedom, 1))
    return found


def _spread(counts: Floats, share: Floats, codes: NDArray[np.int64], level: float) -> Floats:
    """Squared misses of completed counts against the last one, per completed count, times the squared quantile."""
    from scipy.stats import norm

    ages = counts.shape[1]
    found = np.full(ages, np.nan)
    for age in range(ages):
        watched = np.isfinite(counts[:, age]) & np.isfinite(counts[:, -1]) & np.isfinite(share[age])
        completed = counts[watched, age] / share[age]
        if _n_groups(watched[:, None], codes)[0] >= FEWEST_GROUPS and completed.sum() > 0:
            found[age] = ((counts[watched, -1] - completed) ** 2).sum() / completed.sum()
    return found * float(norm.ppf(0.5 + level / 2.0)) ** 2


def _why(usable: NDArray[np.bool_], age: int, n_links: NDArray[np.int64]) -> str:
    missing = int(np.flatnonzero(~usable[age:])[-1]) + age
    return f"{n_links[missing]} days were seen at ages {missing} and {missing + 1}, {FEWEST_GROUPS} with a count are needed"
