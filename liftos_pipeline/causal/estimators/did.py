"""Difference-in-differences by two-way fixed effects."""

from __future__ import annotations

from liftos_pipeline.causal.diagnostics.bacon import bacon_decomposition
from liftos_pipeline.causal.diagnostics.carried import e_value_diagnostics, robustness_diagnostics
from liftos_pipeline.causal.estimators.did_inference import (
    INFERENCES,
    DidInference,
    did_inference,
    few_clusters_warning,
    refuse_clusters,
)
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.kernels.twoway import TwoWayFit, fit_two_way
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import UNDEFINED, EffectEstimate, Inference, effect_from
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

_MOST_DECOMPOSED_CELLS = 200_000


def did(
    panel: Panel, *, level: float, seed: int, estimand: str = "att", inference: DidInference = "cluster"
) -> EffectEstimate:
    """Coefficient of the treatment in a regression with unit and period effects.

    With one adoption date it is the average effect on the treated. With several it compares units that adopted late
    with units that adopted early, whose own effect may still be growing: the estimate then comes with a warning and
    the decomposition that shows its weights.

    Standard errors are clustered (by unit unless the panel names clusters), with the factor
    ``G / (G - 1) * (n - 1) / (n - k)``; ``k`` does not count effects that are nested in the clusters. Limits are
    t(G - 1). Units and periods seen once carry no information and are left out of the counts.

    ``diagnostics`` holds the E-value, by the outcome's standard deviation over all rows, and the robustness values,
    by the classical t statistic.

    Parameters
    ----------
    estimand : str
        ``att``.
    inference : str
        ``cluster``, as above. With few clusters these standard errors are too small; then ``cr3``: the cluster
        jackknife, t(G - 1) limits; or ``wild_bootstrap``: p-value and limits of the restricted wild cluster
        bootstrap beside the CR1 standard error. Where 3 or fewer of the clusters are treated, or are not,
        the bootstrap misses its level: it hardly ever rejects. Both take one more walk over the rows.

    Raises
    ------
    LiftosError
        No periods; unit and period effects explain the treatment; a value that is not finite; repeated rows; ``cr3``
        or ``wild_bootstrap`` with clusters that cut through units, or too many of them.

    References
    ----------
    Goodman-Bacon (2021), Journal of Econometrics 225(2). Cameron and Miller (2015), Journal of Human Resources 50(2),
    section II. MacKinnon, Nielsen and Webb (2023), Journal of Applied Econometrics 38(5), sections 3 and 4. MacKinnon
    and Webb (2018), Econometrics Journal 21(2): few treated clusters.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("did", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (2.93, 2.23, 3.62)
    """
    one_of("inference", inference, INFERENCES)
    if panel.roles.period is None:
        raise LiftosError("a panel with periods", "none", "Name the column of the period.")
    index = panel.index
    if inference != "cluster":
        refuse_clusters(panel, inference)
    regressors = ("d", *(f"x{number}" for number in range(len(panel.covariate_names))))
    fit = fit_two_way(panel.rows, regressors, index, panel.has_weights)
    n_parameters = len(fit.kept) + _counted_effects(index, fit)
    uncertainty, told = did_inference(panel, fit, n_parameters, level, inference, seed)
    shares, warnings = _staggering(panel)
    named = dict(zip(regressors, (panel.roles.treatment, *panel.covariate_names), strict=True))
    diagnostics: dict[str, object] = {
        **told,
        "n_parameters": n_parameters,
        "coefficients": {named[name]: float(b) for name, b in zip(fit.kept, fit.coefficients, strict=True)},
        "n_adoption_dates": index.n_adoption_dates,
        "n_components": fit.n_components,
        "n_singletons": fit.n_singletons,
        **shares,
        **_sensitivity(fit, uncertainty),
    }
    notes = [f"covariate {named[name]} is explained by the effects and was dropped" for name in fit.absorbed]
    if fit.n_singletons:
        notes.append(f"{fit.n_singletons} rows are the only one of their unit or period and say nothing")
    if fit.n_components > 1:
        notes.append(f"the panel falls into {fit.n_components} parts that share neither a unit nor a period")
    if "unbounded" in told:
        notes.append(f"the interval is unbounded: {told['unbounded']}")
    notes += [*few_clusters_warning(index, inference), *warnings]
    return effect_from(panel, "did", estimand, float(fit.coefficients[0]), uncertainty, diagnostics, tuple(notes))


def _counted_effects(index: Index, fit: TwoWayFit) -> int:
    """Effects that count as parameters: those nested in the clusters do not, but for one."""
    if index.unit_cluster is not None:
        return fit.n_periods - fit.n_components + 1
    if index.periods_hold_clusters:
        return fit.n_units - fit.n_components + 1
    return fit.n_units + fit.n_periods - fit.n_components


def _sensitivity(fit: TwoWayFit, inference: Inference) -> dict[str, object]:
    """E-value and robustness values, with what is undefined of them."""
    estimate = float(fit.coefficients[0])
    facts, undefined = e_value_diagnostics(estimate, inference, fit.outcome_sd, "over all rows")
    freedom = fit.n_rows - len(fit.kept) - fit.n_units - fit.n_periods + fit.n_components
    robust, missing = robustness_diagnostics(
        estimate,
        float(fit.bread[0, 0]),
        0.0 if fit.is_exact else fit.residual_squares,
        float(freedom),
        1.0 - inference.level,
    )
    return {**facts, **robust, UNDEFINED: {**undefined, **missing}}


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
        and not panel.has_weights
        and len(panel.covariate_names) == 0
        and len(index.cohorts) ** 2 * index.n_periods <= _MOST_DECOMPOSED_CELLS
    )
    if not can_decompose:
        return {}, warnings
    decomposition = bacon_decomposition(panel.rows, index)
    shares = decomposition.groupby("comparison")["weight"].sum()
    by_kind = {str(kind): float(share) for kind, share in shares.items()}
    return {"bacon_weights": by_kind, "bacon_decomposition": decomposition.to_dict("records")}, warnings
