"""Difference in means: what a randomised experiment needs, and the naive comparison everywhere else."""

from __future__ import annotations

from liftos_pipeline.causal.diagnostics.carried import balance_diagnostics, e_value_diagnostics, within_arms_sd
from liftos_pipeline.causal.inference.covariance import clustered_inference, neyman_inference
from liftos_pipeline.causal.kernels.scores import hajek_contrast
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import UNDEFINED, EffectEstimate, effect_from

_N_MEANS = 2


def difference_in_means(panel: Panel, *, level: float, estimand: str = "ate") -> EffectEstimate:
    """Treated minus untreated mean of the outcome.

    Standard errors are Neyman's (HC2) where each unit is one row and its own cluster; otherwise they are
    clustered, with the factor G / (G - 1) * (n - 1) / (n - 2) and t(G - 1) limits. ``diagnostics`` holds the balance
    of the covariates, which are compared and not used, and the E-value.

    Parameters
    ----------
    estimand : str
        ``ate`` or ``att``: under randomisation they are estimated by the same number.

    References
    ----------
    Neyman (1923), translated in Statistical Science 5(4), 1990.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> table = pd.DataFrame({"u": range(80), "x": [n % 4 for n in range(80)], "d": [int(n % 3 == 0) for n in range(80)]})
    >>> table["y"] = 2 * table["x"] + 3 * table["d"] + (7 * table["u"]) % 5 / 5
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="u", covariates=["x"])
    >>> est = estimate("difference_in_means", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (3.02, 1.94, 4.11)
    """
    weights = panel.row_weights
    contrast = hajek_contrast(panel.y, panel.d, weights)
    if panel.is_cross_section:
        inference = neyman_inference(panel.y, panel.d, weights, level)
        kind = "neyman_hc2"
    else:
        correction = (panel.n_rows - 1) / (panel.n_rows - _N_MEANS) if panel.n_rows > _N_MEANS else 1.0
        treated = panel.d == 1
        inference = clustered_inference(
            contrast.estimate, contrast.influence, panel.cluster, treated, level, correction
        )
        kind = "clustered_cr1"
    balanced, warnings = balance_diagnostics(panel.X, panel.covariate_names, panel.d, weights, weights)
    spread = within_arms_sd(panel.y, panel.d, weights)
    sensitivity, undefined = e_value_diagnostics(contrast.estimate, inference, spread, "within the arms")
    diagnostics = {
        "mean_treated": contrast.mean_treated,
        "mean_untreated": contrast.mean_control,
        "standard_error": kind,
        **balanced,
        **sensitivity,
        UNDEFINED: undefined,
    }
    ignored = (
        (f"{len(panel.covariate_names)} covariates are not used: this method adjusts for nothing",)
        if panel.covariate_names
        else ()
    )
    return effect_from(
        panel, "difference_in_means", estimand, contrast.estimate, inference, diagnostics, (*ignored, *warnings)
    )
