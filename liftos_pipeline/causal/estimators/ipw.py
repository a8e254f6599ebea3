"""Inverse propensity weighting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.carried import e_value_diagnostics
from liftos_pipeline.causal.estimators.cross_fitting import PropensityLearner, Weighting, cross_fit
from liftos_pipeline.causal.estimators.scoring import score_rows
from liftos_pipeline.causal.inference.covariance import inference_of_sums
from liftos_pipeline.causal.kernels.folded import FoldedBlock
from liftos_pipeline.causal.kernels.scores import ratio_of_sums
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.propensity.weights import Estimand, balancing_weights
from liftos_pipeline.causal.results import UNDEFINED, EffectEstimate, effect_from

Floats = NDArray[np.float64]


def ipw(
    panel: Panel,
    *,
    level: float,
    seed: int,
    estimand: Estimand = "ate",
    folds: int = 5,
    clip: float = 0.01,
    trim: float = 0.0,
    propensity_learner: PropensityLearner = "l1_logit",
    overlap_rule: OverlapRule | None = None,
) -> EffectEstimate:
    """Difference of propensity-weighted means, weights normalised within each arm.

    The standard error is that of the influence function clustered by the panel's clusters, with the scores taken
    as known: for the ATE that is conservative where they were estimated. ``diagnostics`` holds the balance of the
    covariates before and after weighting, the overlap of the scores and the E-value.

    A penalised score is shrunken towards the mean, so that weighting alone leaves part of a strong confounding (its
    ``smd_after``); ``doubly_robust`` takes that off by its outcome models.

    Parameters
    ----------
    estimand : str
        ``ate``, ``att`` or ``overlap``.
    folds : int
        Folds of the propensity model; not used where the panel brings its scores.
    clip : float
        Scores are held within [clip, 1 - clip].
    trim : float
        Rows beyond are left out, which changes and renames the estimand; 0 trims nothing.
    propensity_learner : str
        ``l1_logit`` or ``boosting``; not used where the panel brings its scores.
    overlap_rule : OverlapRule, optional
        Thresholds below which the estimate is refused.

    References
    ----------
    Hajek (1971). Hirano, Imbens and Ridder (2003), Econometrica 71(4). Li, Morgan and Zaslavsky (2018), Journal
    of the American Statistical Association 113(521).

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> table = pd.DataFrame({"u": range(80), "x": [n % 4 for n in range(80)], "d": [int(n % 3 == 0) for n in range(80)]})
    >>> table["y"] = 2 * table["x"] + 3 * table["d"] + (7 * table["u"]) % 5 / 5
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="u", covariates=["x"])
    >>> est = estimate("ipw", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (3.02, 1.95, 4.09)
    """
    weighting = Weighting(estimand, clip, trim, overlap_rule)
    fit = cross_fit(panel, folds, seed, propensity_learner)

    def scoring(block: FoldedBlock, e: Floats, weight: Floats) -> Floats:
        balancing = weight * balancing_weights(e, block.d, estimand)
        treated, untreated = balancing * block.d, balancing * (1.0 - block.d)
        return np.stack([treated * block.y, treated, untreated * block.y, untreated])

    scored = score_rows(fit, weighting, 4, scoring)
    sums, has_arm = scored.sums[:, 0].T, scored.has_arm[:, 0]
    mean_treated, of_treated = ratio_of_sums(*sums[:2])
    mean_untreated, of_untreated = ratio_of_sums(*sums[2:])
    estimate = mean_treated - mean_untreated
    inference = inference_of_sums(estimate, of_treated - of_untreated, has_arm, level)
    spread = fit.moments.outcome_sd(panel.n_rows)
    sensitivity, undefined = e_value_diagnostics(estimate, inference, spread, "within the arms")
    diagnostics = {
        **scored.diagnostics,
        **sensitivity,
        UNDEFINED: undefined,
        "seed": seed,
        "mean_treated": fit.folded.y_origin + mean_treated,
        "mean_untreated": fit.folded.y_origin + mean_untreated,
        "standard_error": "influence function with scores taken as known, clustered",
    }
    return effect_from(panel, "ipw", scored.estimand, estimate, inference, diagnostics, scored.warnings)
