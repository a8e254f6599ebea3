"""Inverse propensity weighting."""

from __future__ import annotations

from liftos_pipeline.causal.estimators.treatment_scores import treatment_scores
from liftos_pipeline.causal.inference.covariance import clustered_inference
from liftos_pipeline.causal.kernels.scores import hajek_contrast
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.propensity.weights import Estimand, balancing_weights
from liftos_pipeline.causal.results import EffectEstimate, effect_from


def ipw(
    panel: Panel,
    *,
    level: float,
    seed: int,
    estimand: Estimand = "ate",
    folds: int = 5,
    clip: float = 0.01,
    trim: float = 0.0,
    overlap_rule: OverlapRule | None = None,
) -> EffectEstimate:
    """Difference of propensity-weighted means, weights normalised within each arm.

    The standard error is that of the influence function clustered by the panel's clusters, with the scores taken
    as known: for the ATE that is conservative where they were estimated.

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
    overlap_rule : OverlapRule, optional
        Thresholds below which the estimate is refused.

    References
    ----------
    Hajek (1971). Hirano, Imbens and Ridder (2003), Econometrica 71(4). Li, Morgan and Zaslavsky (2018), Journal
    of the American Statistical Association 113(521).
    """
    scores = treatment_scores(panel, estimand, seed, folds, clip, trim, overlap_rule)
    weights = scores.row_weights * balancing_weights(scores.e, panel.d, estimand)
    contrast = hajek_contrast(panel.y, panel.d, weights)
    used = scores.row_weights > 0
    inference = clustered_inference(
        contrast.estimate, contrast.influence[used], panel.cluster[used], panel.d[used] == 1, level
    )
    diagnostics = {
        **scores.diagnostics,
        "seed": seed,
        "mean_treated": contrast.mean_treated,
        "mean_untreated": contrast.mean_control,
        "standard_error": "influence function with scores taken as known, clustered",
    }
    return effect_from(panel, "ipw", scores.estimand, contrast.estimate, inference, diagnostics, scores.warnings)
