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
    estimates : ndarray, shape (k + 1,)
        The last is the number over all.
    shares : sparse array, shape (C, k + 1)
        Of the group-time effects in them.
    deviation : ndarray, shape (H, k + 1)
        Influence of the units of each cohort through the estimation of the cohorts' sizes, over their weight.
    """

    axis: str
    points: NDArray[Any]
    told: Booleans
    estimates: Floats
    shares: Any
    deviation: Floats


def averages(
    adoption: Adoption, weights: Floats, effects: GroupTimes, aggregation: Aggregation, taken: Booleans
) -> Averages:
    """Average the group-time effects that are ``taken``, shape (C,), and known, cohorts weighted by their units.

    ``simple`` averages over cohorts and periods from adoption on, with the path by event time; ``dynamic`` the
    event times from 0 on and ``calendar`` the calendar periods, with equal weights; ``group`` each cohort's periods,
    then the cohorts by their size.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2), section 3 and theorem 4.
    """
    plan = effects.plan
    known = effects.known & taken
    event_time = plan.period - adoption.cohorts[plan.cohort]
    post = known & (event_time >= 0)
    is_dynamic = aggregation in ("simple", "dynamic")
    label = event_time if is_dynamic else {"group": plan.cohort, "calendar": plan.period}[aggregation]
    members = np.flatnonzero(known if is_dynamic else post)
    points, place = np.unique(label[members], return_inverse=True)
    k = len(points)
    size = np.bincount(adoption.cohort, weights=weights).astype(np.float64)
    path = _by_size(size, plan.cohort, effects.estimate, members, place, k)
    if aggregation == "simple":
        chosen = np.flatnonzero(post)
        overall = _by_size(size, plan.cohort, effects.estimate, chosen, np.zeros_like(chosen), 1)
    elif aggregation == "group":
        sizes = _by_size(size, points, path.estimates, np.arange(k), np.zeros(k, dtype=np.int64), 1)
        overall = path.combined(sizes.shares.toarray(), sizes.deviation)
    else:
        equal = points >= 0 if is_dynamic else np.ones(k, dtype=np.bool_)
        overall = path.combined(equal[:, None] / equal.sum(), 0.0)
    treated = np.zeros((len(adoption.cohorts), k), dtype=np.int64)
    np.maximum.at(treated, (plan.cohort[members], place), effects.treated_clusters[members])
    lone_control = np.bincount(place, weights=effects.control_clusters[members] < 2, minlength=k) > 0
    told = (treated.sum(axis=0) > 1) & ~lone_control
    whole = path.beside(overall)
    if is_dynamic:
        return Averages("event_time", points, told, whole.estimates, whole.shares, whole.deviation)
    shown = adoption.period_labels[points if aggregation == "calendar" else adoption.cohorts[points]]
    return Averages("period", shown, told, whole.estimates, whole.shares, whole.deviation)


@dataclass(frozen=True, eq=False)
class _Averaged:
    """Averages of m values: ``shares`` sparse (m, k), ``estimates`` (k,), ``deviation`` (H, k)."""

    shares: Any
    estimates: Floats
    deviation: Floats

    def combined(self, weights: Floats, deviation: Floats | float) -> _Averaged:
        """Weighted sums of the averages, ``weights`` (k, j); their own ``deviation`` (H, j) comes in addition."""
        from scipy.sparse import csr_array

        own = self.deviation @ weights + deviation
        return _Averaged(csr_array(self.shares @ weights), weights.T @ self.estimates, own)

    def beside(self, other: _Averaged) -> _Averaged:
        """These averages, then the others."""
        from scipy.sparse import hstack

        return _Averaged(
            hstack([self.shares, other.shares], format="csr"),
            np.concatenate([self.estimates, other.estimates]),
            np.hstack([self.deviation, other.deviation]),
        )


def _by_size(
    size: Floats, cohort: Integers, values: Floats, members: Integers, place: Integers, n_places: int
) -> _Averaged:
    """Average values by the size of their cohorts, with the influence of units on these sizes.

    Parameters
    ----------
    cohort, values : ndarray, shape (m,)
        Cohort of each value.
    members : ndarray, shape (j,)
        Values that are averaged; ``place``, shape (j,), says in which of ``n_places`` averages.
    """
    from scipy.sparse import csr_array

    mass = size[cohort[members]]
    total = np.bincount(place, weights=mass, minlength=n_places)
    share = mass / total[place]
    estimates = np.bincount(place, weights=share * values[members], minlength=n_places).astype(np.float64)
    deviation = np.zeros((len(size), n_places))
    np.add.at(deviation, (cohort[members], place), (values[members] - estimates[place]) / total[place])
    shares = csr_array((share, (members, place)), shape=(len(values), n_places))
    return _Averaged(shares, estimates, deviation)
