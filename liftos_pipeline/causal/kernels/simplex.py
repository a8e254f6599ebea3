"""Nearest point of a polytope: least squares with weights that are not negative and add to one, exactly.

An active-set method on one matrix of cross-products that all targets share. Which units are donors, and what the weights
mean, belongs to the estimators.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.threads import blas
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GAP = 1e-8
"""Largest duality gap of a solution, beside its objective."""
NOTHING = 1e-13
"""Objective, beside the squared mean distance of the donors in use, that is zero but for rounding."""
_ROUNDED = 1e-15
_TINY = np.finfo(np.float64).tiny
_CANCELLED = 1e-7
"""Objective, beside the largest product, below which products have lost the digits that a proof needs."""
_STOP = 1e-11
_ROUNDING = 1e-15
_SINGULAR = 1e-13
_AT_ONCE = 8
_MANY_PRODUCTS = 4_000_000
"""Targets times products: below these, threads wait for each other longer than they work."""
_MOST_REFINEMENTS = 5
_MOST_ENTERING = 20


@dataclass(frozen=True, eq=False)
class SimplexFit:
    """Weights of one target.

    Attributes
    ----------
    members : ndarray, shape (J,)
        Columns of the donors.
    weights : ndarray, shape (J,)
        Not negative, adding to one.
    objective : float
        Sum of squared differences, with the ridge.
    gap : float
        Objective less a lower bound of the optimum: proof of how far it can be from the best, in the same units.
    is_exact : bool
        Whether the target is a combination of the donors: the objective is then zero, and other weights may do as well.
    """

    members: Integers
    weights: Floats
    objective: float
    gap: float
    is_exact: bool


def nearest_points(
    Z: Floats, targets: Sequence[int], donors: Sequence[Integers], ridge: float = 0.0
) -> list[SimplexFit]:
    """Weights of donors whose combination is nearest to each target.

    Parameters
    ----------
    Z : ndarray, shape (T, N)
        Units side by side.
    targets : sequence of int
        Columns to be approached.
    donors : sequence of ndarray
        Columns of each target's donors; never the target itself.
    ridge : float
        Penalty on the sum of squared weights.

    Raises
    ------
    LiftosError
        A target without donors, or weights that could not be shown to be best.

    References
    ----------
    Wolfe (1976), Mathematical Programming 11(1): nearest point of a polytope. Abadie, Diamond and Hainmueller (2010),
    JASA 105(490), section 2.
    """
    if any(len(members) == 0 for members in donors):
        raise LiftosError("at least one donor for every treated unit", "none", "Widen the donor pool.")
    with blas().limit(limits=1):  # a second thread waits longer for its turn than it works
        units, centred = _by_unit(Z, targets)
        gram = centred @ centred.T
        gram[np.diag_indices(len(gram))] += ridge
        solve = _solver()

        def fit(place: int) -> SimplexFit:
            target, members = int(targets[place]), np.asarray(donors[place], dtype=np.int64)
            return _proven(units, centred, ridge, target, members, solve(gram, target, members))

        if len(targets) * gram.size < _MANY_PRODUCTS:
            return [fit(place) for place in range(len(targets))]
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as workers:
            return list(workers.map(fit, range(len(targets)), chunksize=_AT_ONCE))


def unproven_weights(Z: Floats, target: int, donors: Integers) -> Floats:
    """Weights of one target's donors as :func:`nearest_points` finds them, without proof: for searches."""
    away = Z - Z[:, [target]]
    weights: Floats = _solver()(away.T @ away, target, donors)
    return weights


def nearest_by_products(gram: Floats, target: int, members: Integers) -> SimplexFit | None:
    """Weights of one target from products alone, proven by them; None where they do not suffice for that.

    Parameters
    ----------
    gram : ndarray, shape (N, N)
        Products of the units; a ridge is on the donors' diagonal.
    """
    weights = _solver()(gram, target, members)
    used = np.flatnonzero(weights)
    reached = weights[used] @ gram[members[used]]
    own, to_target = gram[target, target], float(reached[target])
    gradient = reached[members] - gram[members, target] + own - to_target
    objective = float(weights[used] @ gradient[used])
    gap = max(0.0, 2.0 * (objective - float(gradient.min())))
    scale = float(np.diag(gram).max())
    is_safe = objective > _CANCELLED * scale and gap <= GAP * objective
    return SimplexFit(members, weights, objective, gap, False) if is_safe else None


def _by_unit(Z: Floats, targets: Sequence[int]) -> tuple[Floats, Floats]:
    """Units as rows, and the same less what all share, which cancels since the weights add to one.

    A single target is itself what is taken away: no digit is then lost between it and its donors.
    """
    units = np.ascontiguousarray(Z.T)
    if len(targets) == 1:
        units = units - units[targets[0]]
        return units, units
    return units, units - np.median(Z, axis=1)


def _proven(
    units: Floats, centred: Floats, ridge: float, target: int, members: Integers, weights: Floats
) -> SimplexFit:
    """The solution with its duality gap, worked out from differences of the data instead of their products."""
    for _ in range(_MOST_REFINEMENTS):
        used = np.flatnonzero(weights)
        away = units[members[used]] - units[target]
        left, distance = weights[used] @ away, np.sqrt(np.einsum("jt,jt->j", away, away))
        misfit = float(left @ left)
        objective = misfit + float(ridge * weights @ weights)
        gradient = (centred @ left)[members] - centred[target] @ left + ridge * weights
        gap = max(0.0, 2.0 * (objective - float(gradient.min())))
        nothing = max(NOTHING * float(distance @ weights[used]) ** 2, (_ROUNDED * float(distance.max())) ** 2)
        if objective <= nothing:
            return SimplexFit(members, weights, objective, gap, True)
        if gap > GAP * objective and ridge == 0.0:
            polished, objective, gap = _polished(units, target, members, weights)
            if gap <= GAP * objective:
                return SimplexFit(members, polished, objective, gap, False)
        elif gap <= GAP * objective:
            return SimplexFit(members, weights, objective, gap, False)
        elif max(misfit, gap) <= nothing:  # the ridge is all that is left, and too small to be told from rounding
            return SimplexFit(members, weights, objective, gap, True)
        weights = _refined(units, ridge, target, members, weights, gradient)
    raise LiftosError(
        f"weights within {GAP:g} of the best objective",
        f"a gap of {gap / objective:.2g}",
        "Look for donors that are nearly copies of each other, or of outcomes on very different scales.",
    )


def _polished(units: Floats, target: int, members: Integers, weights: Floats) -> tuple[Floats, float, float]:
    """Weights of the donors in use once more, their objective, and its distance from a lower bound.

    The bound is the squared distance to the plane that separates the target from the donors, which is orthogonal to the
    shortest way to the affine hull of the donors in use. That way is worked out from the data, by least squares refined
    in extended precision where the machine has it: rounded weights give it less exactly than the objective needs. How
    far it is still off is known, from what is left along the hull, and is taken from the bound.
    """
    away = units[members].astype(np.longdouble) - units[target]
    length = np.sqrt(np.sum(away**2, axis=1))
    used = np.flatnonzero(weights)
    used = used[np.argsort(length[used])]
    slopes = away[used[1:]] - away[used[0]]
    extent = np.sqrt(np.maximum(np.sum(slopes**2, axis=1), _TINY))
    slopes /= extent[:, None]
    inverse = np.linalg.pinv(slopes.astype(np.float64).T)
    others = -(inverse @ away[used[0]].astype(np.float64)).astype(np.longdouble)
    for _ in range(_MOST_REFINEMENTS):
        others = others - inverse @ (inverse.T @ (slopes @ (away[used[0]] + others @ slopes)).astype(np.float64))
    way = away[used[0]] + others @ slopes
    others /= extent
    if others.sum() < 1.0 and (others > 0.0).all():
        weights = np.zeros_like(weights)
        weights[used] = np.append(1.0 - others.sum(), others)
    shortest = np.sqrt(way @ way)
    along = np.linalg.norm((slopes @ way).astype(np.float64)) + np.finfo(np.longdouble).eps * shortest
    off = float(np.linalg.norm(inverse) * along)
    beyond = np.delete(away @ way - off * length, used).min(initial=np.inf)
    bound = shortest**2 - off**2
    if beyond < shortest**2:
        bound = max(beyond, 0.0) ** 2 / max((shortest + off) ** 2, _TINY)
    left = weights[used] @ away[used]
    return weights, float(left @ left), max(0.0, float(left @ left - bound))


def _refined(
    units: Floats, ridge: float, target: int, members: Integers, weights: Floats, gradient: Floats
) -> Floats:
    """Solve again among the donors in use and those that the gradient asks for, on products of differences."""
    length = np.sqrt(np.sum((units[members] - units[target]) ** 2, axis=1))
    worst = np.argsort((gradient - gradient @ weights) / length)[:_MOST_ENTERING]
    near = np.union1d(np.flatnonzero(weights), worst)
    away = np.vstack([units[members[near]] - units[target], np.zeros(units.shape[1])])
    gram = away @ away.T
    gram[np.diag_indices(len(near))] += ridge
    found = np.zeros_like(weights)
    found[near] = _solver()(gram, len(near), np.arange(len(near)))
    return found


@cache
def _solver() -> Callable[[Floats, int, Integers], Any]:
    import numba

    compiled: Callable[[Floats, int, Integers], Any] = numba.njit(cache=True, nogil=True)(_active_set)
    return compiled


def _active_set(gram: Floats, target: int, members: Integers) -> Floats:  # noqa: C901
    """Weights of the members, shape (J,). Compiled: plain loops, the factor of the donors in use kept up to date.

    With ``M`` the products of the donors' differences from the target, the weights on a set of donors in use are
    ``(M + c 11')^-1 1`` up to scale. A donor whose gradient is below the common one enters; weights that would turn
    negative leave on the way.
    """
    n_donors, n_units = len(members), len(gram)
    to_target, distance, length = np.empty(n_donors), np.empty(n_donors), np.empty(n_donors)
    own = gram[target, target]
    nearest = 0
    for a in range(n_donors):
        to_target[a] = gram[members[a], target]
        distance[a] = gram[members[a], members[a]] - 2.0 * to_target[a] + own
        if distance[a] < distance[nearest]:
            nearest = a
        length[a] = np.sqrt(gram[members[a], members[a]]) + np.sqrt(own)
    shift = distance[nearest] if distance[nearest] > 0.0 else 1.0
    weights, is_used = np.zeros(n_donors), np.zeros(n_donors, np.bool_)
    used, products, gradient = np.empty(n_donors, np.int64), np.empty(n_units), np.empty(n_donors)
    lower = np.zeros((16, 16))
    lower[0, 0] = np.sqrt(distance[nearest] + shift)
    used[0], weights[nearest], is_used[nearest] = nearest, 1.0, True
    n_used = 1
    for _ in range(50 * n_donors + 1_000):
        products[:] = 0.0
        level = own
        for i in range(n_used):
            weight = weights[used[i]]
            level -= weight * to_target[used[i]]
            row = gram[members[used[i]]]
            for unit in range(n_units):
                products[unit] += weight * row[unit]
        objective, reached = 0.0, 0.0
        for a in range(n_donors):
            gradient[a] = products[members[a]] - to_target[a] + level
            objective += weights[a] * gradient[a]
            reached += weights[a] * length[a]
        entering, lowest = -1, objective - _STOP * objective
        for a in range(n_donors):
            if not is_used[a] and gradient[a] + _ROUNDING * length[a] * reached < lowest:
                entering, lowest = a, gradient[a]
        if entering < 0:
            break
        if n_used == len(lower):
            larger = np.zeros((2 * n_used, 2 * n_used))
            larger[:n_used, :n_used] = lower
            lower = larger
        left = distance[entering] + shift
        for i in range(n_used):
            product = gram[members[entering], members[used[i]]] - to_target[entering] - to_target[used[i]]
            product += own + shift
            for k in range(i):
                product -= lower[n_used, k] * lower[i, k]
            lower[n_used, i] = product / lower[i, i]
            left -= lower[n_used, i] ** 2
        lower[n_used, n_used] = np.sqrt(max(left, _SINGULAR * (distance[entering] + shift)))
        used[n_used], is_used[entering] = entering, True
        n_used += 1
        while True:
            best = np.ones(n_used)
            for i in range(n_used):
                for k in range(i):
                    best[i] -= lower[i, k] * best[k]
                best[i] /= lower[i, i]
            for i in range(n_used - 1, -1, -1):
                for k in range(i + 1, n_used):
                    best[i] -= lower[k, i] * best[k]
                best[i] /= lower[i, i]
            best /= best.sum()
            reach = 1.0
            for i in range(n_used):
                if best[i] <= 0.0:
                    there = weights[used[i]]
                    reach = min(reach, there / (there - best[i]) if there > best[i] else 0.0)
            leaving, least = -1, np.inf
            for i in range(n_used):
                weights[used[i]] += reach * (best[i] - weights[used[i]])
                if reach < 1.0 and best[i] <= 0.0 and weights[used[i]] < least:
                    leaving, least = i, weights[used[i]]
            if leaving < 0:
                break
            weights[used[leaving]], is_used[used[leaving]] = 0.0, False
            n_used -= 1
            for i in range(leaving, n_used):
                used[i] = used[i + 1]
                lower[i, : i + 2] = lower[i + 1, : i + 2]
            for i in range(leaving, n_used):
                radius = np.hypot(lower[i, i], lower[i, i + 1])
                cosine, sine = lower[i, i] / radius, lower[i, i + 1] / radius
                for k in range(i, n_used):
                    first, second = lower[k, i], lower[k, i + 1]
                    lower[k, i] = cosine * first + sine * second
                    lower[k, i + 1] = cosine * second - sine * first
    total: float = weights.sum()
    return weights / total
