"""Cross-fitted doubly robust estimation (AIPW)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.cross_fitting import Scored, Scoring, Weighting, cross_fit, score_rows
from liftos_pipeline.causal.estimators.outcome_models import LEARNERS, Learner, OutcomeModels, outcome_models
from liftos_pipeline.causal.inference.bootstrap import multiplier_draws
from liftos_pipeline.causal.inference.covariance import inference_of_sums, limits
from liftos_pipeline.causal.kernels.folded import FoldedBlock
from liftos_pipeline.causal.kernels.scores import orthogonal_score, ratio_of_sums
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.propensity.weights import Estimand
from liftos_pipeline.causal.results import EffectEstimate, Inference, effect_from
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Split:
    """One sample split: its scores, estimate, influences by cluster (G,) and inference."""

    scored: Scored
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
    weighting = Weighting(estimand, clip, trim, overlap_rule)
    if repeats < 1:
        raise LiftosError("at least 1 repeat", str(repeats), "Use an odd number of repeats.")
    if learner != "linear":
        panel = panel.held()
    splits = [_one_split(panel, level, seed + repeat, weighting, learner, folds) for repeat in range(repeats)]
    estimate, uncertainty, chosen = _combined(splits, level)
    if inference == "multiplier" and not uncertainty.undefined:
        std_error = float(np.std(multiplier_draws(chosen.influence, seed), ddof=1))
        uncertainty = limits(estimate, std_error, level, uncertainty.n_clusters, uncertainty.degrees_of_freedom)
    diagnostics = {
        **chosen.scored.diagnostics,
        "seed": seed,
        "learner": learner,
        "folds": folds,
        "repeats": repeats,
        "standard_error": f"{inference}, clustered",
    }
    scored = chosen.scored
    return effect_from(
        panel, "doubly_robust", scored.estimand, estimate, uncertainty, diagnostics, scored.warnings
    )


def _one_split(
    panel: Panel, level: float, seed: int, weighting: Weighting, learner: Learner, n_folds: int
) -> _Split:
    fit = cross_fit(panel, n_folds, seed, () if learner == "linear" else ("row",))
    models = outcome_models(fit, weighting, learner, seed)
    scored = score_rows(models.fit, weighting, 2, _scoring(models, weighting.estimand))
    estimate, influence = ratio_of_sums(*scored.sums.T)
    return _Split(scored, estimate, influence, inference_of_sums(estimate, influence, scored.has_arm, level))


def _scoring(models: OutcomeModels, estimand: Estimand) -> Scoring:
    def scoring(block: FoldedBlock, e: Floats, weight: Floats) -> Floats:
        m0, m1 = models.predict(block)
        numerator, population = orthogonal_score(block.y, block.d, e, m0, m1, estimand)
        return np.stack([weight * numerator, weight * population])

    return scoring


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
