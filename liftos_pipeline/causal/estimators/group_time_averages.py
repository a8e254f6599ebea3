"""Averages of group-time effects: simple, by group, by calendar period, by event time, and their influences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.group_time import GroupTimes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Aggregation = Literal["simple", "group", "calendar", "dynamic"]
AGGREGATIONS = ("simple", "group", "calendar", "dynamic")


@dataclass(frozen=True, eq=False)
class Averages:
    """A path of averages and one number over it.

    Attributes
    ----------
    axis : str
        ``event_time`` or ``period``.
    points : ndarray, shape (k,)
        Event times; or period labels (``group``: of adoption).
    told : ndarray of bool, shape (k,)
        Points with clusters enough for a standard error.
    estimates : ndarray, shape (k,)
    influence : ndarray, shape (N, k)
        Influence of each unit, with the estimation of the cohorts' weights.
    overall : float
    overall_influence : ndarray, shape (N,)
    """

    axis: str
    points: NDArray[Any]
    told: Booleans
    estimates: Floats
    influence: Floats
    overall: float
    overall_influence: Floats


def averages(adoption: Adoption, weights: Floats, effects: GroupTimes, aggregation: Aggregation) -> Averages:
    """Average the group-time effects that could be computed, cohorts weighted by their units.

    ``simple`` averages over cohorts and periods from adoption on, with the path by event time; ``dynamic`` the
    event times from 0 on and ``calendar`` the calendar periods, with equal weights; ``group`` each cohort's periods,
    then the cohorts by their size.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2), section 3 and theorem 4.
    """
    plan = effects.plan
    known = effects.known
    event_time = plan.period - adoption.cohorts[plan.cohort]
    post = known & (event_time >= 0)
    is_dynamic = aggregation in ("simple", "dynamic")
    label = event_time if is_dynamic else {"group": plan.cohort, "calendar": plan.period}[aggregation]
    members = np.flatnonzero(known if is_dynamic else post)
    points, place = np.unique(label[members], return_inverse=True)
    path = np.zeros((len(label), len(points)))
    path[members, place] = 1.0
    values = np.where(known, effects.estimate, 0.0)
    averaged = _by_size(adoption, weights, plan.cohort, np.column_stack([path, post]), values)
    influence = effects.influence(averaged.shares) + averaged.weight_influence
    estimates, k = averaged.estimates, len(points)
    overall, overall_influence = float(estimates[k]), influence[:, k]
    estimates, influence = estimates[:k], influence[:, :k]
    if aggregation in ("dynamic", "calendar"):
        equal = points >= 0 if is_dynamic else np.ones(k, dtype=np.bool_)
        overall, overall_influence = float(estimates[equal].mean()), influence[:, equal].mean(axis=1)
    elif aggregation == "group":
        cohorts = _by_size(adoption, weights, points, np.ones((k, 1)), estimates)
        overall = float(cohorts.estimates[0])
        overall_influence = (influence @ cohorts.shares + cohorts.weight_influence)[:, 0]
    treated = np.zeros((len(adoption.cohorts), k), dtype=np.int64)
    np.maximum.at(treated, (plan.cohort[members], place), effects.treated_clusters[members])
    lone_control = path.T @ (effects.control_clusters < 2) > 0
    told = (treated.sum(axis=0) > 1) & ~lone_control
    if is_dynamic:
        return Averages("event_time", points, told, estimates, influence, overall, overall_influence)
    shown = adoption.period_labels[points if aggregation == "calendar" else adoption.cohorts[points]]
    return Averages("period", shown, told, estimates, influence, overall, overall_influence)


@dataclass(frozen=True, eq=False)
class _Averaged:
    """Averages of m values: ``shares`` (m, k), ``estimates`` (k,), ``weight_influence`` (N, k)."""

    shares: Floats
    estimates: Floats
    weight_influence: Floats


def _by_size(adoption: Adoption, weights: Floats, cohort: Integers, belongs: Floats, values: Floats) -> _Averaged:
    """Average values by the size of their cohorts, with the influence of units on these sizes.

    Parameters
    ----------
    cohort : ndarray, shape (m,)
        Cohort of each value.
    belongs : ndarray, shape (m, k)
        Whether a value belongs to an average.
    """
    size = np.bincount(adoption.cohort, weights=weights, minlength=len(adoption.cohorts))
    mass = size[cohort][:, None] * belongs
    total = mass.sum(axis=0)
    shares = mass / total
    estimates = shares.T @ values
    deviation = np.zeros((len(size), belongs.shape[1]))
    np.add.at(deviation, cohort, belongs * (values[:, None] - estimates) / total)
    return _Averaged(shares, estimates, weights[:, None] * deviation[adoption.cohort])
