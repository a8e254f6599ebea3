"""Effects of single units by a DR-learner, and the calibration test that they must pass to be released."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.cross_fitting import Weighting
from liftos_pipeline.causal.estimators.outcome_models import OutcomeModels, cross_fitted_regression
from liftos_pipeline.causal.inference.calibration import calibration
from liftos_pipeline.causal.kernels.folded import FoldedBlock
from liftos_pipeline.causal.kernels.scores import orthogonal_score

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnitEffects:
    """Effects of single units.

    Attributes
    ----------
    table : DataFrame or None
        unit, estimate: mean predicted effect over the unit's rows, in outcome units. None with ``reason`` where the
        predictions failed the test.
    diagnostics : dict
        ``calibration_slope``, ``calibration_std_error``, ``calibration_p``.
    """

    table: pd.DataFrame | None
    reason: str | None
    diagnostics: dict[str, object]


def unit_effects(models: OutcomeModels, weighting: Weighting, seed: int, level: float) -> UnitEffects:
    """Regress the doubly robust score of the effect on the covariates, each row predicted from other folds.

    References
    ----------
    Kennedy (2023), Electronic Journal of Statistics 17(2): the DR-learner. Chernozhukov, Demirer, Duflo and
    Fernandez-Val (2025), Econometrica 93(4), section 3: the test of calibration.
    """
    fit, panel = models.fit, models.fit.panel
    score, weights = np.empty(panel.n_rows), np.empty(panel.n_rows)

    def visit(_: None, block: FoldedBlock) -> None:
        raw = fit.scores(block)
        e = np.clip(raw, weighting.clip, 1.0 - weighting.clip)
        rows = block.codes["row"]
        score[rows] = orthogonal_score(block.y, block.d, e, *models.predict(block), "ate")[0]
        weights[rows] = weighting.kept(raw, block.weight)

    fit.folded.walk(lambda: None, visit)
    predicted = cross_fitted_regression(panel, score, weights > 0, fit.fold_of_unit, weights, models.learner, seed)
    test = calibration(score, predicted, weights, panel.cluster, level)
    if test.reason is not None:
        return UnitEffects(None, test.reason, test.to_diagnostics())
    total = np.bincount(panel.unit, weights=weights * predicted, minlength=panel.n_units)
    size = np.bincount(panel.unit, weights=weights, minlength=panel.n_units)
    known = size > 0
    table = pd.DataFrame({"unit": panel.unit_labels[known], "estimate": total[known] / size[known]})
    return UnitEffects(table, None, test.to_diagnostics())
