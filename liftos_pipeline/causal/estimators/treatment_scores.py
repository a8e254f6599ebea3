"""Propensity scores as an estimator uses them: brought by the panel or fitted, clipped, trimmed, judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.propensity.model import fit_propensity
from liftos_pipeline.causal.propensity.overlap import OverlapRule, judge_overlap
from liftos_pipeline.causal.propensity.weights import ESTIMANDS, Estimand, clip_scores, trimmed
from liftos_pipeline.causal.results import REFUSED
from liftos_pipeline.causal.specification import one_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TreatmentScores:
    """Scores ready for weighting.

    Attributes
    ----------
    e : ndarray, shape (n,)
        Clipped scores.
    row_weights : ndarray, shape (n,)
        Sampling weights, zero for trimmed rows.
    estimand : str
        Name of what is estimated after trimming.
    diagnostics : dict
        Overlap figures, and ``refused`` where they do not suffice.
    """

    e: Floats
    row_weights: Floats
    estimand: str
    diagnostics: dict[str, object]
    warnings: tuple[str, ...]


def treatment_scores(
    panel: Panel,
    estimand: Estimand,
    seed: int,
    folds: int,
    clip: float,
    trim: float,
    overlap_rule: OverlapRule | None,
) -> TreatmentScores:
    """Take the panel's scores or fit them, and judge the overlap of the raw scores on the rows that stay.

    Raises
    ------
    LiftosError
        Unknown estimand, limits outside their ranges, or too few units to fit the scores.
    """
    one_of("estimand", estimand, ESTIMANDS)
    raw, source = _raw_scores(panel, folds, seed)
    keep, name = trimmed(raw, estimand, trim)
    e, clipped_share = clip_scores(raw, clip)
    sampling = panel.row_weights
    overlap = judge_overlap(
        raw[keep], panel.d[keep], panel.unit[keep], panel.cluster[keep], estimand, overlap_rule, sampling[keep]
    )
    diagnostics: dict[str, object] = {
        **overlap.to_diagnostics(),
        "propensity": source,
        "clipped_share": clipped_share,
        "trimmed_share": float(np.mean(~keep)),
    }
    if overlap.refused is not None:
        diagnostics[REFUSED] = overlap.refused
    warnings = []
    if clipped_share > 0:
        warnings.append(f"{100 * clipped_share:.2g} % of propensity scores were held at {clip:g} or {1 - clip:g}")
    if panel.X.shape[1] == 0 and panel.propensity is None:
        warnings.append("no covariates: nothing is adjusted for")
    return TreatmentScores(e, np.where(keep, sampling, 0.0), name, diagnostics, tuple(warnings))


def _raw_scores(panel: Panel, folds: int, seed: int) -> tuple[Floats, str]:
    if panel.propensity is not None:
        return panel.propensity, "given"
    fit = fit_propensity(panel, folds, seed)
    return fit.scores, f"L1 logistic regression cross-fitted over {folds} folds, penalty {fit.penalty:.4g}"
