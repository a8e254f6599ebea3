"""Difference-in-differences by two-way fixed effects."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.bacon import bacon_decomposition
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.inference.covariance import clustered_covariance, limits, without_inference
from liftos_pipeline.causal.kernels.twoway import TwoWayFit, fit_two_way
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate, Inference, effect_from
from liftos_pipeline.errors import LiftosError

Integers = NDArray[np.int64]

FEW_CLUSTERS = 30
_MOST_DECOMPOSED_CELLS = 200_000


def did(panel: Panel, *, level: float, estimand: str = "att") -> EffectEstimate:
    """Coefficient of the treatment in a regression with unit and period effects.

    With one adoption date it is the average effect on the treated. With several it compares units that adopted late
    with units that adopted early, whose own effect may still be growing: the estimate then comes with a warning and
    the decomposition that shows its weights.

    Standard errors are clustered (by unit unless the panel names clusters), with the factor
    ``G / (G - 1) * (n - 1) / (n - k)``; ``k`` does not count effects that are nested in the clusters. Limits are
    t(G - 1). Units and periods seen once carry no information and are left out of the counts.

    Parameters
    ----------
    estimand : str
        ``att``.

    Raises
    ------
    LiftosError
        No periods; unit and period effects explain the treatment; a value that is not finite; repeated rows.

    References
    ----------
    Goodman-Bacon (2021), Journal of Econometrics 225(2). Cameron and Miller (2015), Journal of Human Resources 50(2),
    section II.
    """
    if panel.roles.period is None:
        raise LiftosError("a panel with periods", "none", "Name the column of the period.")
    index = panel.index
    regressors = ("d", *(f"x{number}" for number in range(len(panel.covariate_names))))
    fit = fit_two_way(panel.rows, regressors, index, panel.roles.weights is not None)
    n_parameters = len(fit.kept) + _counted_effects(index, fit)
    inference = _inference(index, fit, n_parameters, level)
    shares, warnings = _staggering(panel)
    named = dict(zip(regressors, (panel.roles.treatment, *panel.covariate_names), strict=True))
    diagnostics: dict[str, object] = {
        "standard_error": "clustered_cr1",
        "n_parameters": n_parameters,
        "coefficients": {named[name]: float(b) for name, b in zip(fit.kept, fit.coefficients, strict=True)},
        "n_adoption_dates": index.n_adoption_dates,
        "n_components": fit.n_components,
        "n_singletons": fit.n_singletons,
        **shares,
    }
    notes = [f"covariate {named[name]} is explained by the effects and was dropped" for name in fit.absorbed]
    if fit.n_singletons:
        notes.append(f"{fit.n_singletons} rows are the only one of their unit or period and say nothing")
    if fit.n_components > 1:
        notes.append(f"the panel falls into {fit.n_components} parts that share neither a unit nor a period")
    return effect_from(
        panel, "did", estimand, float(fit.coefficients[0]), inference, diagnostics, (*notes, *warnings)
    )


def _counted_effects(index: Index, fit: TwoWayFit) -> int:
    """Effects that count as parameters: those nested in the clusters do not, but for one."""
    if index.unit_cluster is not None:
        return fit.n_periods - fit.n_components + 1
    if index.periods_hold_clusters:
        return fit.n_units - fit.n_components + 1
    return fit.n_units + fit.n_periods - fit.n_components


def _inference(index: Index, fit: TwoWayFit, n_parameters: int, level: float) -> Inference:
    estimate = float(fit.coefficients[0])
    n_clusters = fit.n_clusters
    if index.unit_cluster is not None:
        treated = np.unique(index.unit_cluster[index.treated_rows > 0])
        untreated = np.unique(index.unit_cluster[index.treated_rows < index.unit_rows])
        for name, found in (("treated", treated), ("untreated", untreated)):
            if len(found) < 2:
                reason = f"{len(found)} cluster with {name} rows; at least 2 are needed to tell a standard error"
                return without_inference(reason, level, n_clusters)
    if fit.n_rows <= n_parameters:
        reason = f"{fit.n_rows} rows for {n_parameters} parameters"
        return without_inference(reason, level, n_clusters)
    correction = (fit.n_rows - 1) / (fit.n_rows - n_parameters)
    scores = fit.scores[fit.has_rows]
    variance = clustered_covariance(scores, fit.bread, correction)[0, 0]
    return limits(estimate, math.sqrt(variance), level, n_clusters, float(n_clusters - 1))


def _staggering(panel: Panel) -> tuple[dict[str, object], tuple[str, ...]]:
    index = panel.index
    warnings: tuple[str, ...] = ()
    if not index.is_absorbing:
        warnings = ("the treatment is switched off in some units: the estimate takes its effect to end at once",)
    if index.n_adoption_dates < 2:
        return {}, warnings
    warnings += (
        f"units adopt in {index.n_adoption_dates} different periods: unless the effect is the same for all and does not "
        "grow, this is no average effect; use staggered_did",
    )
    can_decompose = (
        index.is_absorbing
        and index.is_balanced
        and panel.roles.weights is None
        and len(panel.covariate_names) == 0
        and len(index.cohorts) ** 2 * index.n_periods <= _MOST_DECOMPOSED_CELLS
    )
    if not can_decompose:
        return {}, warnings
    decomposition = bacon_decomposition(panel.rows, index)
    shares = decomposition.groupby("comparison")["weight"].sum()
    by_kind = {str(kind): float(share) for kind, share in shares.items()}
    return {"bacon_weights": by_kind, "bacon_decomposition": decomposition.to_dict("records")}, warnings
