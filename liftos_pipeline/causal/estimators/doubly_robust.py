"""Cross-fitted doubly robust estimation (AIPW)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.outcome_models import LEARNERS, Learner, cross_fitted_outcome
from liftos_pipeline.causal.estimators.treatment_scores import TreatmentScores, treatment_scores
from liftos_pipeline.causal.inference.bootstrap import multiplier_draws
from liftos_pipeline.causal.inference.covariance import cluster_sums, clustered_inference, limits
from liftos_pipeline.causal.kernels.scores import orthogonal_score
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.propensity.model import panel_folds
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.propensity.weights import Estimand
from liftos_pipeline.causal.results import EffectEstimate, Inference, effect_from
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Split:
    """One sample split: its scores, estimate, influences (n,) and inference."""

    scores: TreatmentScores
    estimate: float
    influence: Floats
    inference: Inference


def doubly_robust(
    panel: Panel,
    *,
    level: float,
    seed: int,
    estimand: Estimand = "ate",
    learner: Learner = "linear",
    folds: int = 5,
    repeats: int = 1,
    clip: float = 0.01,
    trim: float = 0.0,
    inference: Literal["influence", "multiplier"] = "influence",
    overlap_rule: OverlapRule | None = None,
) -> EffectEstimate:
    """Augmented inverse propensity weighting with nuisances cross-fitted over folds of units.

    Parameters
    ----------
    estimand : str
        ``ate``, ``att`` or ``overlap``.
    learner : str
        Outcome model of each arm: ``linear`` (ridge worth one row), ``lasso``, ``forest``, ``boosting``. The
        propensity is an L1 logistic regression unless the panel brings its scores.
    folds, repeats : int
        Folds by unit; sample splits whose estimates are combined by the median.
    clip, trim : float
        Scores are held within [clip, 1 - clip]; rows beyond ``trim`` are left out, which renames the estimand.
    inference : str
        ``influence``: clustered standard error of the influence function. ``multiplier``: that of 1,000
        Rademacher draws of it.
    overlap_rule : OverlapRule, optional
        Thresholds below which the estimate is refused.

    Raises
    ------
    LiftosError
        Too few units of an arm outside a fold, or an option outside its range.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), JASA 89(427). Chernozhukov et al. (2018), Econometrics Journal 21(1),
    sections 3.1 and 3.4. Chiang et al. (2022), JBES 40(3): folds by cluster.
    """
    one_of("learner", learner, LEARNERS)
    one_of("inference", inference, ("influence", "multiplier"))
    if repeats < 1:
        raise LiftosError("at least 1 repeat", str(repeats), "Use an odd number of repeats.")
    splits = [
        _one_split(panel, level, seed + repeat, estimand, learner, folds, clip, trim, overlap_rule)
        for repeat in range(repeats)
    ]
    estimate, uncertainty, chosen = _combined(splits, level)
    if inference == "multiplier" and not uncertainty.undefined:
        sums = cluster_sums(chosen.influence, panel.cluster, panel.n_clusters)
        std_error = float(np.std(multiplier_draws(sums, seed), ddof=1))
        uncertainty = limits(estimate, std_error, level, uncertainty.n_clusters, uncertainty.degrees_of_freedom)
    diagnostics = {
        **chosen.scores.diagnostics,
        "seed": seed,
        "learner": learner,
        "folds": folds,
        "repeats": repeats,
        "standard_error": f"{inference}, clustered",
    }
    return effect_from(
        panel,
        "doubly_robust",
        chosen.scores.estimand,
        estimate,
        uncertainty,
        diagnostics,
        chosen.scores.warnings,
    )


def _one_split(
    panel: Panel,
    level: float,
    seed: int,
    estimand: Estimand,
    learner: Learner,
    n_folds: int,
    clip: float,
    trim: float,
    overlap_rule: OverlapRule | None,
) -> _Split:
    folds = panel_folds(panel, n_folds, seed)
    scores = treatment_scores(panel, estimand, seed, n_folds, clip, trim, overlap_rule)
    d = panel.d

    def outcome_model(arm: float) -> Floats:
        return cross_fitted_outcome(panel.X, panel.y, d == arm, folds, n_folds, scores.row_weights, learner, seed)

    m0 = outcome_model(0.0)
    m1 = m0 if estimand == "att" else outcome_model(1.0)
    theta, influence = orthogonal_score(panel.y, d, scores.e, m0, m1, scores.row_weights, estimand)
    used = scores.row_weights > 0
    inference = clustered_inference(theta, influence[used], panel.cluster[used], d[used] == 1, level)
    return _Split(scores, theta, influence, inference)


def _combined(splits: list[_Split], level: float) -> tuple[float, Inference, _Split]:
    """Median estimate, its inference, and the split nearest to it.

    The variance of each split grows by its squared distance from the median before the median is taken.
    """
    estimates = np.array([split.estimate for split in splits])
    estimate = float(np.median(estimates))
    nearest = splits[int(np.argmin(np.abs(estimates - estimate)))]
    known = nearest.inference
    if len(splits) == 1 or known.undefined:
        return estimate, known, nearest
    variances = np.array([split.inference.std_error**2 for split in splits]) + (estimates - estimate) ** 2
    std_error = float(np.sqrt(np.median(variances)))
    return estimate, limits(estimate, std_error, level, known.n_clusters, known.degrees_of_freedom), nearest
