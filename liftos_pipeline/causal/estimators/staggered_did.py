"""Difference-in-differences under staggered adoption by group-time effects."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.adoption_effect import adoption_effect
from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.estimators.event_window import BASE, refuse_below
from liftos_pipeline.causal.estimators.group_time import GroupTimes, UnitInfluence
from liftos_pipeline.causal.estimators.group_time_averages import (
    AGGREGATIONS,
    Aggregation,
    Averages,
    averages,
)
from liftos_pipeline.causal.estimators.group_time_cells import from_cells
from liftos_pipeline.causal.estimators.group_time_pairs import from_pairs
from liftos_pipeline.causal.estimators.group_time_plan import BasePeriod, ControlGroup, long_leads, plan_of
from liftos_pipeline.causal.estimators.group_time_table import covered, effect_errors, effect_rows, tested_jointly
from liftos_pipeline.causal.estimators.path_sensitivity import WINDOW, Sensitivity, path_sensitivity
from liftos_pipeline.causal.inference.bands import (
    bootstrap_wald_test,
    path_with_bands,
    score_inference,
    with_base,
)
from liftos_pipeline.causal.kernels.demean import totals
from liftos_pipeline.causal.kernels.within import independent
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def staggered_did(
    panel: Panel,
    *,
    level: float,
    seed: int,
    aggregation: Aggregation = "simple",
    control_group: ControlGroup = "never_treated",
    anticipation: int = 0,
    base_period: BasePeriod = "varying",
    leads: int | None = None,
) -> EffectEstimate:
    """Average the effects of each adoption cohort in each period, every one a 2 x 2 difference-in-differences.

    Units count in the 2 x 2 comparisons in whose two periods they are seen. With covariates each comparison is the
    traditional doubly robust one, covariates taken at the earlier of its two periods. Standard errors are those of
    the influence function, with the estimation of the cohorts' weights, clustered with the factor G / (G - 1) and
    t(G - 1) limits. The joint test of the periods before takes the event times next to adoption, as many as have at
    most 60 group-time effects. Units treated in all their rows and units seen once are dropped; a unit whose missing
    rows leave several periods of adoption open takes the last that is among the fewest dates that agree with all rows.

    ``dynamic`` brings the linear violation of parallel trends that the periods before would have shown, and how
    far trends may part before the effect is in doubt (``pretrend_detectable_slope`` and ``honest_did_breakdown``),
    from the ten event times next to adoption on each side, all compared with the last period before.

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
    leads : int, optional
        Periods before adoption that are compared, all by default. With it cost grows with the rows, without it with the
        rows times the periods.

    Raises
    ------
    LiftosError
        No period, a treatment that switches off, no never treated unit with ``never_treated``, weights that change
        within units, or no group-time effect that can be computed.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2). Sant'Anna and Zhao (2020), Journal of
    Econometrics 219(1), section 3.1.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("staggered_did", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (2.74, 0.96, 4.52)
    """
    one_of("aggregation", aggregation, AGGREGATIONS)
    one_of("control_group", control_group, ("never_treated", "not_yet_treated"))
    one_of("base_period", base_period, ("varying", "universal"))
    if leads is not None:
        refuse_below("leads", leads, 1)
    adoption, dropped = _without_determined_covariates(adoption_of(panel, "staggered_did"))
    weights = _refuse_unusable(adoption, control_group, anticipation)
    plan = plan_of(adoption, control_group, anticipation, base_period)
    if leads is not None:
        plan = plan.of(adoption.cohorts[plan.cohort] - plan.period <= leads)
    is_main = np.ones(len(plan.cohort), dtype=np.bool_)
    if aggregation == "dynamic" and base_period == "varying":
        more = long_leads(adoption, control_group, anticipation, WINDOW)
        plan, is_main = plan.and_then(more), np.append(is_main, np.zeros(len(more.cohort), dtype=np.bool_))
    every = (from_cells if adoption.compresses else from_pairs)(adoption, weights, plan)
    effects = every.of(is_main)
    estimand, notes = covered(adoption, effects)
    found = averages(adoption, weights, every, aggregation, is_main)
    k, clustering, base = len(found.points), adoption.clustering, BASE - anticipation
    reason = _no_inference(adoption, effects)
    tested = tested_jointly(adoption, effects, anticipation) if reason is None else np.empty(0, dtype=np.int64)
    from_base = _from_one_base(adoption, weights, every, is_main, base) if aggregation == "dynamic" else None
    influence, parts = _influence(every, found, tested, from_base)
    scores, tested_scores, base_scores = (clustering.sums(part) for part in parts)
    overall = float(found.estimates[k])
    inference = score_inference(overall, scores[:, k], level, reason=reason)
    told = found.told & (reason is None)
    path = path_with_bands(
        found.axis, found.points, found.estimates[:k], scores[:, :k], told, clustering.stratum, level, seed
    )
    if base_period == "universal" and found.axis == "event_time":
        path = with_base(path, base)
    pretrend = bootstrap_wald_test(
        effects.estimate[tested],
        tested_scores,
        np.ones(len(tested), dtype=np.bool_),
        clustering.stratum,
        seed,
    )
    std_error = effect_errors(adoption, effects, len(every.estimate), influence, reason)
    sensitivity = Sensitivity({}, {})
    if from_base is not None:
        sensitivity = path_sensitivity(
            from_base.points, from_base.estimates[:-1], base_scores, from_base.told, base, level, reason=reason
        )
    diagnostics: dict[str, object] = {
        "group_times": effect_rows(adoption, effects, std_error),
        "aggregation": aggregation,
        "control_group": control_group,
        "anticipation": anticipation,
        "base_period": base_period,
        "comparison": "doubly robust" if adoption.source.covariate_names else "difference of mean changes",
        "seed": seed,
        "standard_error": "influence function, clustered",
        **sensitivity.facts,
    }
    warnings = (*dropped, *notes, *adoption.few_clusters_warning(control_group == "never_treated"))
    return adoption_effect(
        adoption,
        "staggered_did",
        estimand,
        overall,
        inference,
        path,
        pretrend,
        diagnostics,
        warnings,
        sensitivity.undefined,
    )


def _refuse_unusable(adoption: Adoption, control_group: ControlGroup, anticipation: int) -> Floats:
    """Weights of the units, after checking the call."""
    refuse_below("anticipation", anticipation, 0)
    if control_group == "never_treated" and not adoption.has_never_treated:
        raise LiftosError(
            "never treated units",
            f"{adoption.n_units} units that are all treated at some time",
            "Use control_group='not_yet_treated'.",
        )
    if adoption.unit_weights is None:
        raise LiftosError(
            "one weight per unit", "weights that change within units", "Average the weights of each unit."
        )
    return adoption.unit_weights


def _without_determined_covariates(adoption: Adoption) -> tuple[Adoption, tuple[str, ...]]:
    """Drop covariates that the period and the covariates before them determine."""
    if not adoption.source.covariate_names:
        return adoption, ()
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
    return dataclasses.replace(adoption, source=used, used=np.ones(used.n_units, dtype=np.bool_)), notes


def _no_inference(adoption: Adoption, effects: GroupTimes) -> str | None:
    if adoption.n_treated_clusters < 2:
        return f"{adoption.n_treated_clusters} cluster with treated rows; at least 2 are needed"
    post = effects.known & (effects.plan.period >= adoption.cohorts[effects.plan.cohort])
    n_lone = int((effects.control_clusters[post] < 2).sum())
    return f"{n_lone} group-time effects rest on one control cluster; at least 2 are needed" if n_lone else None


def _from_one_base(
    adoption: Adoption, weights: Floats, every: GroupTimes, is_main: Booleans, base: int
) -> Averages:
    """Averages by event time, all of them against the same period before adoption."""
    event_time = every.plan.period - adoption.cohorts[every.plan.cohort]
    varying = is_main & (event_time < base) & ~is_main.all()
    return averages(adoption, weights, every, "dynamic", ~varying)


def _influence(
    every: GroupTimes, found: Averages, tested: Integers, from_base: Averages | None
) -> tuple[UnitInfluence, tuple[Floats, Floats, Floats]]:
    """Influence of the units on the averages, on the effects that are tested, and on those from one base."""
    from scipy.sparse import csr_array, hstack

    n_effects, n_cohorts = len(every.estimate), len(found.deviation)
    alone = csr_array((np.ones(len(tested)), (tested, np.arange(len(tested)))), shape=(n_effects, len(tested)))
    shares, added = [found.shares, alone], [found.deviation, np.zeros((n_cohorts, len(tested)))]
    if from_base is not None:
        shares.append(from_base.shares[:, :-1])
        added.append(from_base.deviation[:, :-1])
    influence = every.influence(hstack(shares, format="csr"), np.hstack(added))
    n_averages = len(found.estimates)
    averaged, singles, rest = np.split(influence.values, [n_averages, n_averages + len(tested)], axis=1)
    return influence, (averaged, singles, rest)
