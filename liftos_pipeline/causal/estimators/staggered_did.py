"""Difference-in-differences under staggered adoption by group-time effects."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.estimators.event_window import BASE, refuse_below
from liftos_pipeline.causal.estimators.group_time import (
    BasePeriod,
    ControlGroup,
    GroupTimes,
    from_cells,
    from_pairs,
    plan_of,
)
from liftos_pipeline.causal.estimators.group_time_averages import AGGREGATIONS, Aggregation, averages
from liftos_pipeline.causal.inference.bands import (
    WaldTest,
    path_with_bands,
    score_inference,
    standard_errors,
    wald_test,
    with_base,
)
from liftos_pipeline.causal.kernels.demean import totals
from liftos_pipeline.causal.kernels.within import independent
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_BLOCK = 256
"""Group-time effects whose influences are held at once."""


def staggered_did(
    panel: Panel,
    *,
    level: float,
    seed: int,
    aggregation: Aggregation = "simple",
    control_group: ControlGroup = "never_treated",
    anticipation: int = 0,
    base_period: BasePeriod = "varying",
) -> EffectEstimate:
    """Average the effects of each adoption cohort in each period, every one a 2 x 2 difference-in-differences.

    Units count in the 2 x 2 comparisons in whose two periods they are seen. With covariates each comparison is the
    traditional doubly robust one, covariates taken at the earlier of its two periods. Standard errors are those of
    the influence function, with the estimation of the cohorts' weights, clustered with the factor G / (G - 1) and
    t(G - 1) limits. Units treated in all their rows and units seen once are dropped.

    Parameters
    ----------
    aggregation : str
        ``simple``, ``group``, ``calendar`` or ``dynamic``: what ``estimate`` averages and what the path runs over
        (event time; period of adoption for ``group``; period for ``calendar``).
    control_group : str
        ``never_treated``, or ``not_yet_treated``: these and units that adopt later.
    anticipation : int
        Periods before adoption in which there may be an effect already.
    base_period : str
        Base of the periods before: ``varying``, the period before each; ``universal``, the last one for all.

    Raises
    ------
    LiftosError
        No period, a treatment that switches off, no never treated unit with ``never_treated``, weights that change
        within units, or no group-time effect that can be computed.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2). Sant'Anna and Zhao (2020), Journal of
    Econometrics 219(1), section 3.1.
    """
    one_of("aggregation", aggregation, AGGREGATIONS)
    one_of("control_group", control_group, ("never_treated", "not_yet_treated"))
    one_of("base_period", base_period, ("varying", "universal"))
    adoption, dropped = _without_determined_covariates(adoption_of(panel, "staggered_did"))
    weights = _refuse_unusable(adoption, control_group, anticipation)
    plan = plan_of(adoption, control_group, anticipation, base_period)
    compresses = adoption.is_balanced and not adoption.panel.covariate_names
    effects = (from_cells if compresses else from_pairs)(adoption, weights, plan)
    estimand, notes = _covered(adoption, effects)
    found = averages(adoption, weights, effects, aggregation)
    clustering = adoption.clustering
    reason = _no_inference(adoption, effects)
    total = clustering.sums(found.overall_influence[:, None])
    inference = score_inference(found.overall, total[:, 0], level, reason=reason)
    told = found.told & (reason is None)
    scores = clustering.sums(found.influence)
    path = path_with_bands(
        found.axis, found.points, found.estimates, scores, told, clustering.stratum, level, seed
    )
    if base_period == "universal" and found.axis == "event_time":
        path = with_base(path, BASE - anticipation)
    rows, pretrend = _group_times(adoption, effects, anticipation, reason, seed)
    diagnostics: dict[str, object] = {
        "group_times": rows,
        "aggregation": aggregation,
        "control_group": control_group,
        "anticipation": anticipation,
        "base_period": base_period,
        "comparison": "doubly robust" if adoption.panel.covariate_names else "difference of mean changes",
        "seed": seed,
        "standard_error": "influence function, clustered",
    }
    warnings = (*dropped, *notes, *adoption.few_clusters_warning(control_group == "never_treated"))
    return adoption.result(
        "staggered_did", estimand, found.overall, inference, path, pretrend, diagnostics, warnings
    )


def _refuse_unusable(adoption: Adoption, control_group: ControlGroup, anticipation: int) -> Floats:
    """Weights of the units, after checking the call."""
    refuse_below("anticipation", anticipation, 0)
    if control_group == "never_treated" and not adoption.has_never_treated:
        raise LiftosError(
            "never treated units",
            f"{adoption.panel.n_units} units that are all treated at some time",
            "Use control_group='not_yet_treated'.",
        )
    if adoption.unit_weights is None:
        raise LiftosError(
            "one weight per unit", "weights that change within units", "Average the weights of each unit."
        )
    return adoption.unit_weights


def _without_determined_covariates(adoption: Adoption) -> tuple[Adoption, tuple[str, ...]]:
    """Drop covariates that the period and the covariates before them determine."""
    panel = adoption.panel
    n_rows = np.bincount(adoption.period)[:, None]
    means = totals(panel.X, adoption.period, np.ones(panel.n_rows), adoption.n_periods) / n_rows
    within = panel.X - means[adoption.period]
    kept = independent(within.T @ within, np.sum((panel.X - panel.X.mean(axis=0)) ** 2, axis=0))
    if kept.all():
        return adoption, ()
    names = np.array(panel.covariate_names, dtype=object)
    used = dataclasses.replace(panel, X=panel.X[:, kept], covariate_names=tuple(names[kept]))
    notes = tuple(
        f"covariate {name} was dropped: the period and other columns determine it" for name in names[~kept]
    )
    return dataclasses.replace(adoption, panel=used), notes


def _covered(adoption: Adoption, effects: GroupTimes) -> tuple[str, tuple[str, ...]]:
    """Name of what is averaged, and what is not part of it."""
    plan = effects.plan
    post = plan.period >= adoption.cohorts[plan.cohort]
    n_known = int((post & effects.known).sum())
    n_post = int((adoption.n_periods - adoption.adopting).sum())
    missing = {**effects.reasons, "no cohort to compare with or no period before": n_post - int(post.sum())}
    why = "; ".join(f"{count} times {reason}" for reason, count in missing.items() if count)
    if n_known == 0:
        raise LiftosError(
            "a group-time effect that can be computed",
            f"none of {n_post}: {why}",
            "Add periods or untreated units, or use fewer covariates.",
        )
    notes = (f"group-time effects that could not be computed were left out: {why}",) if why else ()
    return ("att" if n_known == n_post else f"att over {n_known} of {n_post} group-times"), notes


def _no_inference(adoption: Adoption, effects: GroupTimes) -> str | None:
    if adoption.n_treated_clusters < 2:
        return f"{adoption.n_treated_clusters} cluster with treated rows; at least 2 are needed"
    post = effects.known & (effects.plan.period >= adoption.cohorts[effects.plan.cohort])
    n_lone = int((effects.control_clusters[post] < 2).sum())
    return f"{n_lone} group-time effects rest on one control cluster; at least 2 are needed" if n_lone else None


def _group_times(
    adoption: Adoption, effects: GroupTimes, anticipation: int, reason: str | None, seed: int
) -> tuple[list[dict[str, object]], WaldTest]:
    """Every group-time effect with its standard error, and the joint test of those before anticipation."""
    plan, n_effects = effects.plan, len(effects.estimate)
    told = effects.told & (reason is None)
    before = told & (plan.period < adoption.cohorts[plan.cohort] - anticipation)
    std_error = np.full(n_effects, np.nan)
    kept = []
    for first in range(0, n_effects, _BLOCK):
        block = np.arange(first, min(first + _BLOCK, n_effects))
        single = np.zeros((n_effects, len(block)))
        single[block, block - first] = effects.known[block]
        scores = adoption.clustering.sums(effects.influence(single))
        std_error[block] = standard_errors(scores)
        kept.append(scores[:, before[block]])
    std_error[~told] = np.nan
    pretrend = wald_test(
        effects.estimate[before], np.hstack(kept), before[before], adoption.clustering.stratum, seed
    )
    labels = adoption.period_labels.tolist()
    rows: list[dict[str, object]] = [
        {
            "group": labels[adoption.cohorts[cohort]],
            "period": labels[period],
            "estimate": float(estimate),
            "std_error": float(error),
        }
        for cohort, period, estimate, error in zip(
            plan.cohort, plan.period, effects.estimate, std_error, strict=True
        )
    ]
    return rows, pretrend
