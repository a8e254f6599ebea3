"""Difference-in-differences under staggered adoption by imputation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption, distinct_clusters
from liftos_pipeline.causal.estimators.adoption_effect import adoption_effect
from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.estimators.event_window import refuse_below
from liftos_pipeline.causal.index import NEVER
from liftos_pipeline.causal.inference.bands import bootstrap_wald_test, path_with_bands, score_inference
from liftos_pipeline.causal.kernels.demean import TwoWay, sum_by
from liftos_pipeline.causal.kernels.imputation import UntreatedFit, centred_effects, fit_untreated
from liftos_pipeline.causal.kernels.within import independent, within_regression
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MOST_LEADS = 5
"""Periods before adoption that are tested where the caller does not say."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of the panel, covariates centred on all of them, with their event time."""

    unit: Integers
    period: Integers
    cluster: Integers
    y: Floats
    X: Floats
    weights: Floats
    event_time: Integers


@dataclass(frozen=True, eq=False)
class _Points:
    """Coefficients by event time, shape (k,), units' influences on them, (N, k), and whether their errors count."""

    times: Integers
    estimates: Floats
    influence: Floats
    told: Booleans


def imputation_did(
    panel: Panel, *, level: float, seed: int, leads: int | None = None, leave_one_out: bool = False
) -> EffectEstimate:
    """Impute the untreated outcomes of treated rows and average what is left.

    Unit and period effects and covariates are fitted to the untreated rows; ``estimate`` is the mean over treated
    rows of outcome less imputation, the path that mean by event time. Standard errors are the conservative ones of
    the paper, clustered with the factor G / (G - 1) and t(G - 1) limits: effects are held against their mean in
    each cohort and period, those of a cohort with one cluster against the mean of all. Treated rows whose unit or
    period effect no untreated row tells are left out, which renames the estimand. A unit whose missing rows leave
    several periods of adoption open takes the last that is among the fewest dates that agree with all rows.

    The path before adoption, and its test, are from the paper's regression on untreated rows alone: periods
    -leads .. -1 against all earlier ones and the never treated.

    Parameters
    ----------
    leads : int, optional
        Periods before adoption that are tested; 0 for none. By default all but the first that there are, at most 5,
        fewer where the effects leave no room for them.
    leave_one_out : bool
        Hold each cluster's effects against the mean of the others: wider, for cohorts of few clusters.

    Raises
    ------
    LiftosError
        No period, a treatment that switches off, no treated row that can be imputed, or a covariate that moves only
        where units are treated.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6): theorem 2; theorem 3 and equation 8 for
    the variance; section 4.4 for the test.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("imputation_did", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (2.93, 2.26, 3.59)
    """
    adoption = adoption_of(panel, "imputation_did")
    used, is_treated = adoption.panel, adoption.panel.d != 0
    untreated = _rows(adoption, ~is_treated)
    two_way = TwoWay(untreated.unit, untreated.period, untreated.weights, used.n_units, adoption.n_periods)
    fit = fit_untreated(untreated.y, untreated.X, two_way)
    dropped = _judged_covariates(adoption, fit)
    imputable = is_treated.copy()
    imputable[is_treated] = fit.imputable(used.unit[is_treated], adoption.period[is_treated])
    treated = _rows(adoption, imputable)
    estimand, left_out = _covered(panel, adoption, len(treated.y))
    after, shares, single = _after(adoption, fit, treated, leave_one_out)
    before, not_tested = _before(adoption, untreated, two_way, leads)
    reason = _no_inference(adoption, untreated, treated)
    scores = adoption.clustering.sums(np.hstack([before.influence, after.influence]))
    stratum = adoption.clustering.stratum
    n_before = len(before.times)
    estimate = float(shares @ after.estimates)
    inference = score_inference(estimate, scores[:, n_before:] @ shares, level, reason=reason)
    told = np.concatenate([before.told, after.told]) & (reason is None)
    path = path_with_bands(
        "event_time",
        np.concatenate([before.times, after.times]),
        np.concatenate([before.estimates, after.estimates]),
        scores,
        told,
        stratum,
        level,
        seed,
    )
    pretrend = bootstrap_wald_test(before.estimates, scores[:, :n_before], told[:n_before], stratum, seed)
    diagnostics: dict[str, object] = {
        "n_treated_rows": len(treated.y),
        "n_untreated_rows": len(untreated.y),
        "leave_one_out": leave_one_out,
        "seed": seed,
        "standard_error": "conservative, clustered",
    }
    warnings = (*left_out, *dropped, *single, *not_tested, *adoption.few_clusters_warning(False))
    effect = adoption_effect(
        adoption, "imputation_did", estimand, estimate, inference, path, pretrend, diagnostics, warnings
    )
    n_treated = len(np.unique(treated.unit))
    return dataclasses.replace(effect, n_rows=len(untreated.y) + len(treated.y), n_treated=n_treated)


def _rows(adoption: Adoption, chosen: Booleans) -> _Rows:
    panel = adoption.panel
    unit, period = panel.unit[chosen], adoption.period[chosen]
    X = panel.X[chosen] - panel.X.mean(axis=0)
    times = adoption.event_times[adoption.cohort[unit], period]
    return _Rows(unit, period, panel.cluster[chosen], adoption.y[chosen], X, panel.row_weights[chosen], times)


def _judged_covariates(adoption: Adoption, fit: UntreatedFit) -> tuple[str, ...]:
    """Name covariates that are determined by the effects; refuse those that are so among untreated rows only."""
    if fit.kept.all():
        return ()
    panel = adoption.panel
    names = np.array(panel.covariate_names, dtype=object)
    two_way = TwoWay(panel.unit, adoption.period, panel.row_weights, panel.n_units, adoption.n_periods)
    X = panel.X - panel.X.mean(axis=0)
    within = two_way.demeaned(X)
    in_all = independent((within * panel.row_weights[:, None]).T @ within, panel.row_weights @ X**2)
    unseen = names[in_all & ~fit.kept]
    if len(unseen):
        raise LiftosError(
            "covariates whose coefficients untreated rows can tell",
            f"{', '.join(unseen)} determined by the other columns until units are treated",
            "Drop them: treated outcomes cannot be imputed from them.",
        )
    return tuple(
        f"covariate {name} was dropped: the effects and other columns determine it" for name in names[~fit.kept]
    )


def _covered(panel: Panel, adoption: Adoption, n_used: int) -> tuple[str, tuple[str, ...]]:
    """Name of what is averaged, and the treated rows that are not."""
    n_treated, n_here = int(panel.d.sum()), int(adoption.panel.d.sum())
    if n_used == 0:
        raise LiftosError(
            "a treated row whose unit and period are both seen untreated",
            f"none of {n_treated}: no unit is untreated while others are treated",
            "Add units that are treated later or never.",
        )
    estimand = "att" if n_used == n_treated else f"att over {n_used} of {n_treated} treated rows"
    if n_used == n_here:
        return estimand, ()
    return estimand, (f"{n_here - n_used} treated rows were left out: no untreated row tells their period effect",)


def _after(
    adoption: Adoption, fit: UntreatedFit, treated: _Rows, leave_one_out: bool
) -> tuple[_Points, Floats, tuple[str, ...]]:
    """Mean effect by event time, and the share of each in all treated rows."""
    effects = fit.left_over(treated.y, treated.X, treated.unit, treated.period)
    times, code = np.unique(treated.event_time, return_inverse=True)
    mass = sum_by(code, treated.weights, len(times))
    weights = treated.weights / mass[code]
    estimates = sum_by(code, weights * effects, len(times))
    cell = adoption.cohort[treated.unit] * adoption.n_periods + treated.period
    centred, n_single = centred_effects(effects, treated.weights, cell, treated.cluster, leave_one_out)
    n_units, k = adoption.panel.n_units, len(times)
    own = sum_by(treated.unit * k + code, weights * centred, n_units * k)
    of_untreated = fit.influence(treated.X, treated.unit, treated.period, weights, code, k)
    seen = distinct_clusters(code, k, treated.cluster, adoption.panel.n_clusters)
    points = _Points(times, estimates, own.reshape(n_units, k) + of_untreated, seen > 1)
    single = f"{n_single} cohort-periods with a single cluster: their effects are held against the mean of all"
    return points, mass / mass.sum(), (single,) if n_single else ()


def _before(
    adoption: Adoption, untreated: _Rows, two_way: TwoWay, leads: int | None
) -> tuple[_Points, tuple[str, ...]]:
    """Coefficients of the periods before adoption in untreated rows."""
    adopting = adoption.start[untreated.unit] != NEVER
    first = -int(untreated.event_time[adopting].min())
    if leads is not None:
        refuse_below("leads", leads, 0)
        points = _leads(adoption, untreated, two_way, adopting, leads)
        lost = [str(time) for time in range(-leads, 0) if time not in points.times]
        return points, ((f"event times {', '.join(lost)} cannot be tested",) if lost else ())
    for leads in range(min(MOST_LEADS, first - 1), 0, -1):
        points = _leads(adoption, untreated, two_way, adopting, leads)
        if len(points.times) == leads:
            return points, ()
    return _leads(adoption, untreated, two_way, adopting, 0), ()


def _leads(adoption: Adoption, untreated: _Rows, two_way: TwoWay, adopting: Booleans, leads: int) -> _Points:
    """Coefficients of event times -leads .. -1, the nearest first to be kept where the effects leave some open."""
    shown = adopting & (untreated.event_time >= -leads)
    before, place = np.unique(-untreated.event_time[shown], return_inverse=True)
    code = np.full(len(untreated.y), -1)
    code[shown] = place
    k = len(before)
    fit = within_regression(untreated.y, code, k, untreated.X, two_way)
    kept = np.flatnonzero(fit.kept[:k])[::-1]
    repeated = np.bincount(untreated.unit, minlength=adoption.panel.n_units)[untreated.unit] > 1
    n_rows = int(repeated.sum())
    freedom = n_rows - int(fit.kept.sum()) - len(np.unique(untreated.period))
    told = (distinct_clusters(code, k, untreated.cluster, adoption.panel.n_clusters) > 1) & (freedom > 0)
    influence = fit.influence[:, :k] * np.sqrt((n_rows - 1) / max(freedom, 1))
    return _Points(-before[kept], fit.coefficients[kept], influence[:, kept], told[kept])


def _no_inference(adoption: Adoption, untreated: _Rows, treated: _Rows) -> str | None:
    n_clusters = len(np.unique(treated.cluster))
    if n_clusters < 2:
        return f"{n_clusters} cluster with treated rows; at least 2 are needed"
    behind = distinct_clusters(untreated.period, adoption.n_periods, untreated.cluster, adoption.panel.n_clusters)
    n_lone = int((behind[np.unique(treated.period)] < 2).sum())
    return f"{n_lone} periods are imputed from one untreated cluster; at least 2 are needed" if n_lone else None
