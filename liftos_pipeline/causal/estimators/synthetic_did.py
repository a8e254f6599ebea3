"""Synthetic difference-in-differences: donors and periods weighted so that trends before the start are parallel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.donor_panel import DonorPanel, donor_panel
from liftos_pipeline.causal.inference.covariance import limits, without_inference
from liftos_pipeline.causal.kernels.simplex import SimplexFit, nearest_by_products, nearest_points
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate, Inference, effect_from
from liftos_pipeline.causal.specification import one_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Resampling = Literal["placebo", "jackknife", "bootstrap"]

N_DRAWS = 200
TIME_RIDGE = 1e-12
"""Ridge of the period weights in squared noise: too small to matter."""
UNIQUE_RIDGE = 1e-6
"""The same where periods can be combined to meet the target exactly, in many ways: the most even one is taken."""
_INTERVAL_COLUMNS = ("std_error", "ci_low", "ci_high", "band_low", "band_high")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Treated units that start together, and their donors.

    Attributes
    ----------
    treated : ndarray, shape (T, n)
    donors : ndarray, shape (T, J)
    start : int
    """

    treated: Floats
    donors: Floats
    start: int

    @property
    def n_cells(self) -> int:
        """Treated units times periods after the start."""
        n_periods, n_treated = self.treated.shape
        return int(n_treated * (n_periods - self.start))


@dataclass(frozen=True, eq=False)
class CohortFit:
    """Weights and effects of one cohort.

    Attributes
    ----------
    omega : ndarray, shape (J,)
    lambda_ : ndarray, shape (start,)
    path : ndarray, shape (T,)
        Gap of each period less the weighted gap before the start.
    """

    omega: Floats
    lambda_: Floats
    path: Floats
    start: int

    @property
    def effect(self) -> float:
        return float(self.path[self.start :].mean())


def fit_cohort(cohort: Cohort, omega: Floats | None = None, lambda_: Floats | None = None) -> CohortFit:
    """Weights of donors and of periods, and the weighted double difference.

    Parameters
    ----------
    omega, lambda_ : ndarray, optional
        Weights to be used in place of fitted ones.

    References
    ----------
    Arkhangelsky et al. (2021), American Economic Review 111(12), algorithm 1 and equations 4 to 6.
    """
    start, donors = cohort.start, cohort.donors
    target = cohort.treated.mean(axis=1)
    noise = float(np.var(np.diff(donors[:start], axis=0), ddof=1)) if start > 2 else float(np.var(donors[:start]))
    if omega is None:
        omega = _weights(donors[:start], target[:start], _donor_ridge(cohort.n_cells, start, noise))
    if lambda_ is None:
        lambda_ = _period_weights(donors[:start].T, donors[start:].mean(axis=0), noise * donors.shape[1])
    gap = target - donors @ omega
    return CohortFit(omega, lambda_, gap - lambda_ @ gap[:start], start)


def _donor_ridge(n_cells: int, start: int, noise: float) -> float:
    return float(np.sqrt(n_cells)) * noise * start


def _period_weights(columns: Floats, target: Floats, noise: float) -> Floats:
    fit = _fit(columns, target, TIME_RIDGE * noise)
    return _fit(columns, target, UNIQUE_RIDGE * noise).weights if fit.is_exact else fit.weights


def _weights(columns: Floats, target: Floats, ridge: float) -> Floats:
    return _fit(columns, target, ridge).weights


def _fit(columns: Floats, target: Floats, ridge: float) -> SimplexFit:
    """Weights of columns that follow the target up to a constant."""
    table = np.column_stack([target, columns])
    centred = table - table.mean(axis=0)
    return nearest_points(centred, [0], [np.arange(1, table.shape[1])], ridge)[0]


@dataclass(frozen=True, eq=False)
class StandIns:
    """Donors of which some stand for the treated of one start, draw after draw: all share their products.

    Attributes
    ----------
    Y : ndarray, shape (T, J)
    start : int
    """

    Y: Floats
    start: int

    @cached_property
    def _units(self) -> Floats:
        """Products of the donors before the start, less their own means and those of the periods, shape (J, J)."""
        before = self.Y[: self.start] - self.Y[: self.start].mean(axis=1, keepdims=True)
        before = before - before.mean(axis=0)
        products: Floats = before.T @ before
        return products

    @cached_property
    def _rows(self) -> Floats:
        """Outcome in each period before the start and its mean after it, less the donor's mean, shape (J, start + 1)."""
        rows = np.vstack([self.Y[: self.start], self.Y[self.start :].mean(axis=0)]).T
        rows = rows - rows[:, :-1].mean(axis=1, keepdims=True)
        centred: Floats = rows - rows.mean(axis=0)
        return centred

    @cached_property
    def _steps(self) -> tuple[Floats, Floats]:
        """Sum of each donor's changes from period to period before the start, and of their squares, shape (J,)."""
        steps = np.diff(self.Y[: self.start], axis=0)
        return steps.sum(axis=0), np.sum(steps**2, axis=0)

    def effect(self, stand_in: Integers, donors: Integers) -> float:
        """What :func:`fit_cohort` finds where ``stand_in`` are treated and ``donors`` are donors."""
        noise = self._noise(donors)
        omega = self._omega(stand_in, donors, noise)
        lambda_ = self._lambda(donors, noise)
        if omega is None or lambda_ is None:
            return fit_cohort(Cohort(self.Y[:, stand_in], self.Y[:, donors], self.start)).effect
        change = self._rows[:, -1] - self._rows[:, :-1] @ lambda_
        return float(change[stand_in].sum() / len(stand_in) - change[donors] @ omega)

    def _noise(self, donors: Integers) -> float:
        """Variance of the donors' changes from period to period; NaN where too few are left for it."""
        n = len(donors) * (self.start - 1)
        total, squares = (float(part[donors].sum()) for part in self._steps)
        return (squares - total**2 / n) / (n - 1) if self.start > 2 else math.nan

    def _omega(self, stand_in: Integers, donors: Integers, noise: float) -> Floats | None:
        gram = np.empty((len(donors) + 1, len(donors) + 1))
        gram[:-1, :-1] = self._units[np.ix_(donors, donors)]
        to_target = self._units[:, stand_in].mean(axis=1)
        gram[-1, :-1] = gram[:-1, -1] = to_target[donors]
        gram[-1, -1] = to_target[stand_in].mean()
        n_cells = len(stand_in) * (len(self.Y) - self.start)
        return _by_products(gram, _donor_ridge(n_cells, self.start, noise))

    def _lambda(self, donors: Integers, noise: float) -> Floats | None:
        rows = self._rows[donors]
        rows = rows - rows.mean(axis=0)
        return _by_products(rows.T @ rows, TIME_RIDGE * noise * len(donors))


def _by_products(gram: Floats, ridge: float) -> Floats | None:
    """Weights of all but the last for the last; None where products do not suffice for them."""
    if math.isnan(ridge):
        return None
    members = np.arange(len(gram) - 1)
    gram[members, members] += ridge
    fit = nearest_by_products(gram, len(members), members)
    return None if fit is None else fit.weights


def synthetic_did(
    panel: Panel,
    *,
    level: float,
    seed: int,
    estimand: str = "att",
    inference: Resampling = "placebo",
    draws: int = N_DRAWS,
) -> EffectEstimate:
    """Difference-in-differences with weighted donors and weighted periods.

    Cohorts that start at different times are estimated one by one, by donors that are never treated, and averaged by
    their treated cells.

    Parameters
    ----------
    inference : str
        ``placebo``: the spread of estimates in which donors stand for the treated; for any number of treated units.
        ``jackknife``: units left out one by one, weights kept; at least two treated units. ``bootstrap``: units redrawn.
        Limits are normal.
    draws : int
        Placebo or bootstrap draws.

    Raises
    ------
    LiftosError
        As :func:`synthetic_control`.

    References
    ----------
    Arkhangelsky et al. (2021), American Economic Review 111(12), algorithms 1 to 4. Clarke et al. (2024), Stata Journal
    24(4), section 2: staggered adoption.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("synthetic_did", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (3.0, 2.62, 3.38)
    """
    one_of("inference", inference, ("placebo", "jackknife", "bootstrap"))
    units = donor_panel(panel, "synthetic_did")
    cohorts = _cohorts(units.Y, units.start, units.donors)
    fits = [fit_cohort(cohort) for cohort in cohorts]
    estimate = _averaged(cohorts, fits)
    if inference == "placebo":
        found = _placebo(units, estimate, draws, seed, level)
    elif inference == "jackknife":
        found = _jackknife(units, cohorts, fits, estimate, level)
    else:
        found = _bootstrap(units, estimate, draws, np.random.default_rng(seed), level)
    diagnostics: dict[str, object] = {
        "n_donors": units.n_donors,
        "n_cohorts": len(cohorts),
        "cohort_effects": {str(units.period_labels[fit.start]): fit.effect for fit in fits},
        "period_weights": [
            {
                str(units.period_labels[place]): float(weight)
                for place, weight in enumerate(fit.lambda_)
                if weight > 0
            }
            for fit in fits
        ],
        "pre_rmspe": float(np.sqrt(np.mean(np.concatenate([fit.path[: fit.start] ** 2 for fit in fits])))),
        "standard_error": inference,
        "seed": seed,
    }
    effect = effect_from(panel, "synthetic_did", estimand, estimate, found, diagnostics, units.warnings)
    return replace(effect, path=_path(units, cohorts, fits), weights=_donor_weights(units, fits))


def _cohorts(Y: Floats, start: Integers, donors: Integers) -> list[Cohort]:
    return [Cohort(Y[:, np.flatnonzero(start == first)], Y[:, donors], int(first)) for first in np.unique(start)]


def _averaged(cohorts: list[Cohort], fits: list[CohortFit]) -> float:
    cells = np.array([cohort.n_cells for cohort in cohorts], dtype=np.float64)
    return float(np.average([fit.effect for fit in fits], weights=cells))


def _effect(Y: Floats, start: Integers, donors: Integers) -> float:
    cohorts = _cohorts(Y, start, donors)
    return _averaged(cohorts, [fit_cohort(cohort) for cohort in cohorts])


def _placebo(units: DonorPanel, estimate: float, draws: int, seed: int, level: float) -> Inference:
    n_treated, n_units = units.n_treated, units.n_donors + units.n_treated
    if units.n_donors < n_treated + 2:
        reason = f"{units.n_donors} donors cannot stand for {n_treated} treated units and be donors at once; use the jackknife"
        return without_inference(reason, level, n_units)
    Y = np.ascontiguousarray(units.Y[:, units.donors])
    spread = _placebo_spread(Y.tobytes(), Y.shape, tuple(int(start) for start in units.start), draws, seed)
    return limits(estimate, spread, level, n_units, np.inf)


@lru_cache(maxsize=8)
def _placebo_spread(
    donors: bytes, shape: tuple[int, int], starts: tuple[int, ...], draws: int, seed: int
) -> float:
    """Standard deviation of the estimates in which donors stand for the treated: the treated have no part in it.

    Remembered, since the same donors are asked again where only the treated have changed, as under an injected effect.
    """
    Y, start, rng = np.frombuffer(donors).reshape(shape), np.array(starts), np.random.default_rng(seed)
    cohorts = [(start == first, StandIns(Y, int(first))) for first in np.unique(start)]
    cells = np.array([np.count_nonzero(is_own) * (shape[0] - one.start) for is_own, one in cohorts])
    n_treated, found = len(starts), []
    for _ in range(draws):
        order = rng.permutation(shape[1])
        stand_in, others = order[:n_treated], order[n_treated:]
        effects = [cohort.effect(stand_in[is_own], others) for is_own, cohort in cohorts]
        found.append(float(cells @ effects / cells.sum()))
    return float(np.std(found))


def _jackknife(
    units: DonorPanel, cohorts: list[Cohort], fits: list[CohortFit], estimate: float, level: float
) -> Inference:
    """Units left out one by one; the weights of the others stay, those of donors made to add to one again."""
    n_units = units.n_donors + units.n_treated
    if min(cohort.treated.shape[1] for cohort in cohorts) < 2:
        return without_inference("1 treated unit in a cohort; the jackknife needs 2", level, n_units)
    if any((fit.omega == 1.0).any() for fit in fits):
        return without_inference(
            "one donor has all the weight; the jackknife cannot do without it", level, n_units
        )
    found = []
    for place, cohort in enumerate(cohorts):
        for unit in range(cohort.treated.shape[1]):
            less = replace(cohort, treated=np.delete(cohort.treated, unit, axis=1))
            changed = [less if other == place else kept for other, kept in enumerate(cohorts)]
            again = [fit_cohort(one, fit.omega, fit.lambda_) for one, fit in zip(changed, fits, strict=True)]
            found.append(_averaged(changed, again))
    for donor in range(units.n_donors):
        changed = [replace(cohort, donors=np.delete(cohort.donors, donor, axis=1)) for cohort in cohorts]
        kept = [np.delete(fit.omega, donor) for fit in fits]
        again = [
            fit_cohort(one, omega / omega.sum(), fit.lambda_)
            for one, omega, fit in zip(changed, kept, fits, strict=True)
        ]
        found.append(_averaged(changed, again))
    spread = np.array(found)
    variance = (n_units - 1) / n_units * float(np.sum((spread - spread.mean()) ** 2))
    return limits(estimate, variance**0.5, level, n_units, np.inf)


def _bootstrap(
    units: DonorPanel, estimate: float, draws: int, rng: np.random.Generator, level: float
) -> Inference:
    """Units redrawn until both kinds are there, everything fitted again."""
    n_units, n_treated = units.n_donors + units.n_treated, units.n_treated
    if n_treated < 2:
        return without_inference("1 treated unit; the bootstrap needs 2", level, n_units)
    found: list[float] = []
    while len(found) < draws:
        drawn = np.sort(rng.integers(0, n_units, n_units))
        n_drawn = int(np.searchsorted(drawn, n_treated))
        if 0 < n_drawn < n_units - 1:
            donors = np.arange(n_drawn, n_units)
            found.append(_effect(units.Y[:, drawn], units.start[drawn[:n_drawn]], donors))
    return limits(estimate, float(np.std(found)), level, n_units, np.inf)


def _path(units: DonorPanel, cohorts: list[Cohort], fits: list[CohortFit]) -> pd.DataFrame:
    """Effect by periods since the start, over the event times that all cohorts have, by number of treated units."""
    times = units.event_times()
    sizes = np.array([cohort.treated.shape[1] for cohort in cohorts], dtype=np.float64)
    effects = np.average([fit.path[fit.start + times] for fit in fits], axis=0, weights=sizes)
    return pd.DataFrame({"event_time": times, "estimate": effects, **dict.fromkeys(_INTERVAL_COLUMNS, np.nan)})


def _donor_weights(units: DonorPanel, fits: list[CohortFit]) -> pd.DataFrame:
    labels = units.labels[units.donors]
    parts = []
    for fit in fits:
        part = pd.DataFrame({"unit": labels, "weight": fit.omega})
        parts.append(part if len(fits) == 1 else part.assign(start=units.period_labels[fit.start]))
    return pd.concat(parts, ignore_index=True)
