"""Cross-fitted doubly robust estimation (AIPW)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.carried import e_value_diagnostics
from liftos_pipeline.causal.estimators.cross_fitting import PropensityLearner, Weighting, cross_fit
from liftos_pipeline.causal.estimators.outcome_models import LEARNERS, Learner, OutcomeModels, outcome_models
from liftos_pipeline.causal.estimators.scoring import Scored, Scoring, score_rows
from liftos_pipeline.causal.estimators.unit_effects import UnitEffects, unit_effects
from liftos_pipeline.causal.inference.bands import path_with_bands
from liftos_pipeline.causal.inference.bootstrap import cluster_bootstrap, multiplier_draws
from liftos_pipeline.causal.inference.covariance import inference_of_sums, limits
from liftos_pipeline.causal.kernels.folded import FoldedBlock
from liftos_pipeline.causal.kernels.scores import orthogonal_score, ratio_of_sums
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.propensity.weights import Estimand
from liftos_pipeline.causal.results import UNDEFINED, EffectEstimate, Inference, effect_from
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Uncertainty = Literal["influence", "multiplier", "bootstrap"]

INFERENCES: tuple[Uncertainty, ...] = ("influence", "multiplier", "bootstrap")
MOST_CELLS = 50_000_000
"""Clusters times periods beyond which no path by period is summed."""


@dataclass(frozen=True)
class _Settings:
    weighting: Weighting
    learner: Learner
    propensity_learner: PropensityLearner
    folds: int
    by_period: bool
    level: float


@dataclass(frozen=True)
class _Split:
    """One sample split: its scores, estimate, influences by cluster (G,) and inference."""

    scored: Scored
    models: OutcomeModels
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
    propensity_learner: PropensityLearner = "l1_logit",
    folds: int = 5,
    repeats: int = 1,
    clip: float = 0.01,
    trim: float = 0.0,
    inference: Uncertainty = "influence",
    draws: int | None = None,
    effects: Literal["average", "unit"] = "average",
    by_period: bool = False,
    overlap_rule: OverlapRule | None = None,
) -> EffectEstimate:
    """Augmented inverse propensity weighting with nuisances cross-fitted over folds of units.

    With the linear learner a file is walked over in blocks; other learners read it into memory.

    Parameters
    ----------
    estimand : str
        ``ate``, ``att`` or ``overlap``.
    learner : str
        Outcome model of each arm: ``linear`` (ridge worth one row), ``lasso``, ``forest``, ``boosting``.
    propensity_learner : str
        ``l1_logit`` or ``boosting``; not used where the panel brings its scores.
    folds, repeats : int
        Folds by unit; sample splits whose estimates are combined by the median.
    clip, trim : float
        Scores are held within [clip, 1 - clip]; rows beyond ``trim`` are left out, which renames the estimand.
    inference : str
        ``influence``: clustered standard error of the influence function. ``multiplier``: that of Rademacher draws
        of it. ``bootstrap``: of estimates from redrawn clusters, every model fitted again.
    draws : int, optional
        Draws of the multiplier (1,000 by default) or of the bootstrap (200).
    effects : str
        ``unit`` adds an effect of each unit (``unit_effects`` of the result), if these pass a calibration test.
    by_period : bool
        Adds the path of the effect by period, with a sup-t band.
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

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> table = pd.DataFrame({"u": range(80), "x": [n % 4 for n in range(80)], "d": [int(n % 3 == 0) for n in range(80)]})
    >>> table["y"] = 2 * table["x"] + 3 * table["d"] + (7 * table["u"]) % 5 / 5
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="u", covariates=["x"])
    >>> est = estimate("doubly_robust", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (2.97, 2.81, 3.12)
    """
    one_of("learner", learner, LEARNERS)
    one_of("inference", inference, INFERENCES)
    one_of("effects", effects, ("average", "unit"))
    _refuse_wrong(panel, repeats, draws, inference, by_period)
    weighting = Weighting(estimand, clip, trim, overlap_rule)
    settings = _Settings(weighting, learner, propensity_learner, folds, by_period, level)
    if learner != "linear" or effects == "unit":
        panel = panel.held()
    splits = [_one_split(panel, settings, seed + repeat, effects == "unit") for repeat in range(repeats)]
    estimate, uncertainty, chosen = _combined(splits, level)
    scored = chosen.scored
    diagnostics: dict[str, object] = {
        **scored.diagnostics,
        "seed": seed,
        "learner": learner,
        "folds": folds,
        "repeats": repeats,
        "standard_error": f"{inference}, clustered",
    }
    if inference != "influence" and not uncertainty.undefined:
        n_draws = draws or (1_000 if inference == "multiplier" else 200)
        uncertainty, facts = _redrawn(panel, settings, seed, inference, n_draws, chosen, estimate, uncertainty)
        diagnostics |= facts
    spread = chosen.models.fit.moments.outcome_sd(panel.n_rows)
    sensitivity, undefined = e_value_diagnostics(estimate, uncertainty, spread, "within the arms")
    diagnostics |= {**sensitivity, UNDEFINED: undefined}
    path = _path(panel, chosen, level, seed) if by_period else None
    effect = effect_from(
        panel, "doubly_robust", scored.estimand, estimate, uncertainty, diagnostics, scored.warnings
    )
    effect = replace(effect, path=path, influence=_by_cluster(panel, chosen.influence))
    return (
        _with_unit_effects(effect, unit_effects(chosen.models, weighting, seed, level))
        if effects == "unit"
        else effect
    )


def _refuse_wrong(panel: Panel, repeats: int, draws: int | None, inference: str, by_period: bool) -> None:
    if repeats < 1:
        raise LiftosError("at least 1 repeat", str(repeats), "Use an odd number of repeats.")
    if draws is not None and (draws < 2 or inference == "influence"):
        raise LiftosError(
            "at least 2 draws, of the multiplier or the bootstrap",
            f"draws={draws} with inference={inference!r}",
            "Draw more, name inference='bootstrap', or leave draws out.",
        )
    if by_period and panel.roles.period is None:
        raise LiftosError("a panel with periods for a path by period", "none", "Name the column of the period.")
    if by_period and panel.n_clusters * panel.index.n_periods > MOST_CELLS:
        raise LiftosError(
            f"at most {MOST_CELLS} clusters times periods for a path",
            f"{panel.n_clusters} x {panel.index.n_periods}",
            "Use longer periods or coarser clusters.",
        )


def _one_split(panel: Panel, settings: _Settings, seed: int, needs_rows: bool) -> _Split:
    wanted = {"row": needs_rows or settings.learner != "linear", "period": settings.by_period}
    codes = tuple(name for name, is_wanted in wanted.items() if is_wanted)
    fit = cross_fit(panel, settings.folds, seed, settings.propensity_learner, codes)
    models = outcome_models(fit, settings.weighting, settings.learner, seed)
    scored = score_rows(
        models.fit, settings.weighting, 2, _scoring(models, settings.weighting.estimand), settings.by_period
    )
    estimate, influence = ratio_of_sums(*scored.sums.sum(axis=1).T)
    has_arm = np.asarray(scored.has_arm.any(axis=1))
    inference = inference_of_sums(estimate, influence, has_arm, settings.level)
    return _Split(scored, models, estimate, influence, inference)


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


def _redrawn(
    panel: Panel,
    settings: _Settings,
    seed: int,
    inference: Uncertainty,
    n_draws: int,
    chosen: _Split,
    estimate: float,
    known: Inference,
) -> tuple[Inference, dict[str, object]]:
    """Inference from draws, and what there is to say about them."""
    facts: dict[str, object] = {"draws": n_draws}
    if inference == "multiplier":
        std_error = float(np.std(multiplier_draws(chosen.influence, seed, n_draws), ddof=1))
        return limits(estimate, std_error, settings.level, known.n_clusters, known.degrees_of_freedom), facts
    held = panel.held()
    plain = replace(settings, by_period=False)

    def refit(counts: Floats) -> float:
        return _one_split(
            replace(held, weights=held.row_weights * counts[held.cluster]), plain, seed, False
        ).estimate

    found, n_failed = cluster_bootstrap(refit, estimate, held.n_clusters, n_draws, seed, settings.level, known)
    return found, {**facts, "failed_draws": n_failed}


def _path(panel: Panel, chosen: _Split, level: float, seed: int) -> pd.DataFrame:
    """Effect in each period; NaN without two clusters of each arm in it."""
    sums, has_arm = chosen.scored.sums, chosen.scored.has_arm
    told = (has_arm.sum(axis=0) >= 2).all(axis=1)
    estimates, influences = np.full(len(told), np.nan), np.zeros(sums.shape[:2])
    for place in np.flatnonzero(told):
        estimates[place], influences[:, place] = ratio_of_sums(*sums[:, place].T)
    counted = has_arm.any(axis=(1, 2))
    stratum = np.zeros(int(counted.sum()), dtype=np.int64)
    labels = panel.index.period_labels
    return path_with_bands("period", labels, estimates, influences[counted], told, stratum, level, seed)


def _by_cluster(panel: Panel, influence: Floats) -> pd.DataFrame:
    return pd.DataFrame({"cluster": panel.index.cluster_labels, "influence": influence})


def _with_unit_effects(effect: EffectEstimate, found: UnitEffects) -> EffectEstimate:
    facts: dict[str, object] = {**effect.diagnostics, **found.diagnostics}
    if found.reason is not None:
        facts[UNDEFINED] = {**effect.undefined, "unit_effects": found.reason}
    return replace(effect, diagnostics=facts, unit_effects=found.table)
