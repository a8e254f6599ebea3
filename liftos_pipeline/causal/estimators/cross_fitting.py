"""What weighting and doubly robust estimators share: whose effect is meant, folds, and the propensity model.

Outcome models and the walk that scores the rows stand beside this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.folded import FoldedBlock, FoldedRows, Moments, moments_of
from liftos_pipeline.causal.kernels.pairs import refuse_repeated
from liftos_pipeline.causal.panel import Panel, StreamedPanel
from liftos_pipeline.causal.propensity.boosting import boosted_scores
from liftos_pipeline.causal.propensity.model import block_scores, fit_model, folded_rows, row_scores, unit_folds
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.propensity.weights import ESTIMANDS, Estimand, clip_scores, trimmed
from liftos_pipeline.causal.specification import one_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PropensityLearner = Literal["l1_logit", "boosting"]

PROPENSITY_LEARNERS: tuple[PropensityLearner, ...] = ("l1_logit", "boosting")


@dataclass(frozen=True)
class Weighting:
    """Whose effect is meant, and how scores near 0 and 1 are treated.

    Raises
    ------
    LiftosError
        Unknown estimand, or limits outside their ranges.
    """

    estimand: Estimand
    clip: float = 0.01
    trim: float = 0.0
    rule: OverlapRule | None = None

    def __post_init__(self) -> None:
        one_of("estimand", self.estimand, ESTIMANDS)
        clip_scores(np.full(1, 0.5), self.clip)
        trimmed(np.full(1, 0.5), self.estimand, self.trim)

    @property
    def name(self) -> str:
        """Name of what is estimated after trimming."""
        return trimmed(np.full(1, 0.5), self.estimand, self.trim)[1]

    def kept(self, raw: Floats, weight: Floats) -> Floats:
        """Row weights, zero for trimmed rows."""
        if self.trim == 0.0:
            return weight
        return np.where(trimmed(raw, self.estimand, self.trim)[0], weight, 0.0)


@dataclass(frozen=True, eq=False)
class CrossFit:
    """A panel's rows by fold with its propensity model.

    Attributes
    ----------
    panel : Panel
    folded : FoldedRows
    moments : Moments
        Cross-products by fold and arm.
    propensity : ndarray, shape (n_folds, k + 1), or None
        Coefficients on a block's values; None where the panel brings its scores.
    source : str
        Where the scores come from, in words.
    fold_of_unit : ndarray, shape (N,)
    """

    panel: Panel
    folded: FoldedRows
    moments: Moments
    propensity: Floats | None
    source: str
    fold_of_unit: Integers

    def carrying(self, columns: dict[str, Floats]) -> CrossFit:
        """The same with further columns of the rows, which lie in memory, in its blocks."""
        rows = self.panel.rows.extended(columns)  # type: ignore[attr-defined]
        codes = (*self.folded.codes, *columns)
        return replace(self, folded=folded_rows(self.panel, self.fold_of_unit, self.folded.n_folds, codes, rows))

    def scores(self, block: FoldedBlock) -> Floats:
        """Scores of a block's rows, each from the model without its fold, as they come."""
        if self.propensity is None:
            given: Floats = block.codes["propensity"]
            return given
        return block_scores(block, self.propensity)

    def row_scores(self) -> Floats:
        """Scores of a panel in memory whose blocks carry the code ``row``, shape (n,)."""
        if self.propensity is None:
            assert self.panel.propensity is not None
            return self.panel.propensity
        return row_scores(self.folded, self.propensity)


def cross_fit(
    panel: Panel,
    n_folds: int,
    seed: int,
    learner: PropensityLearner = "l1_logit",
    codes: tuple[str, ...] = (),
) -> CrossFit:
    """Part the units into folds and fit the propensity model without each, unless the panel brings scores.

    Parameters
    ----------
    codes : tuple of str
        Further roles that the scoring reads.

    Raises
    ------
    LiftosError
        Folds that leave too few units of an arm to learn from, or a repeated row in a file.
    """
    one_of("propensity_learner", learner, PROPENSITY_LEARNERS)
    if isinstance(panel, StreamedPanel) and panel.roles.period is not None and panel.index.unit_rows.max() > 1:
        refuse_repeated(panel.rows, panel.index)
    fold_of_unit = unit_folds(panel.index, n_folds, seed)
    source = "given"
    if learner == "boosting" and not panel.has_propensity:
        panel = panel.held()
        panel = replace(panel, propensity=boosted_scores(panel, fold_of_unit, seed))
        source = f"gradient boosting cross-fitted over {n_folds} folds"
    is_given = panel.has_propensity
    wanted = ("unit",) if panel.roles.cluster is None else ("unit", "cluster")
    wanted += (*codes, *(("propensity",) if is_given else ()))
    folded = folded_rows(panel, fold_of_unit, n_folds, wanted)
    moments = moments_of(folded)
    if is_given:
        return CrossFit(panel, folded, moments, None, source, fold_of_unit)
    model = fit_model(folded, moments)
    source = f"L1 logistic regression cross-fitted over {n_folds} folds, penalty {model.penalty:.4g}"
    return CrossFit(panel, folded, moments, model.coefficients, source, fold_of_unit)
