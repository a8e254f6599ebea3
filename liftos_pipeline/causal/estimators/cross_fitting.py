"""What weighting and doubly robust estimators share: folds, nuisance models, and one walk that scores the rows.

The walk sums scores by cluster and describes overlap and balance on the way. Solving for the estimate belongs to the
estimators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.folded import FoldedBlock, FoldedRows, Moments, moments_of
from liftos_pipeline.causal.kernels.incidence import refuse_repeated
from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.causal.panel import Panel, StreamedPanel
from liftos_pipeline.causal.propensity.model import block_scores, fit_model, folded_rows, row_scores, unit_folds
from liftos_pipeline.causal.propensity.overlap import Overlap, OverlapRule, OverlapSums
from liftos_pipeline.causal.propensity.weights import ESTIMANDS, Estimand, balancing_weights, clip_scores, trimmed
from liftos_pipeline.causal.results import REFUSED
from liftos_pipeline.causal.specification import one_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Scoring = Callable[[FoldedBlock, Floats, Floats], Floats]
"""Block, clipped scores (m,) and row weights (m,) to the columns that are summed by cluster, (c, m)."""


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


def cross_fit(panel: Panel, n_folds: int, seed: int, codes: tuple[str, ...] = ()) -> CrossFit:
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
    if isinstance(panel, StreamedPanel) and panel.roles.period is not None:
        refuse_repeated(panel.rows, panel.index)
    is_given = panel.has_propensity
    wanted = ("unit",) if panel.roles.cluster is None else ("unit", "cluster")
    wanted += (*codes, *(("propensity",) if is_given else ()))
    fold_of_unit = unit_folds(panel.index, n_folds, seed)
    folded = folded_rows(panel, fold_of_unit, n_folds, wanted)
    moments = moments_of(folded)
    if is_given:
        return CrossFit(panel, folded, moments, None, "given", fold_of_unit)
    model = fit_model(folded, moments)
    source = f"L1 logistic regression cross-fitted over {n_folds} folds, penalty {model.penalty:.4g}"
    return CrossFit(panel, folded, moments, model.coefficients, source, fold_of_unit)


@dataclass(frozen=True, eq=False)
class Scored:
    """What the walk found.

    Attributes
    ----------
    sums : ndarray, shape (G, c)
        Columns of the scoring, summed by cluster (and code, see :func:`score_rows`).
    has_arm : ndarray of bool, shape (G, 2)
        Whether the cluster has untreated and treated rows that were used.
    estimand : str
        Name of what is estimated after trimming.
    diagnostics : dict
        Overlap and balance figures, and ``refused`` where they do not suffice.
    """

    sums: Floats
    has_arm: Booleans
    estimand: str
    diagnostics: dict[str, object]
    warnings: tuple[str, ...]


@dataclass
class _Part:
    sums: Floats
    has_arm: Booleans
    overlap: OverlapSums
    means: Floats
    weights: Floats
    n_clipped: int = 0
    n_trimmed: int = 0

    def merge(self, other: _Part) -> None:
        self.sums += other.sums
        self.has_arm |= other.has_arm
        self.overlap.merge(other.overlap)
        self.means += other.means
        self.weights += other.weights
        self.n_clipped += other.n_clipped
        self.n_trimmed += other.n_trimmed


def score_rows(fit: CrossFit, weighting: Weighting, n_columns: int, scoring: Scoring) -> Scored:
    """Walk over the rows once.

    Parameters
    ----------
    n_columns : int
        How many columns ``scoring`` gives.
    """
    index = fit.panel.index
    rule = weighting.rule or OverlapRule()
    has_clusters = fit.panel.roles.cluster is not None

    def make() -> _Part:
        overlap = OverlapSums(weighting.estimand, rule, index.n_units, index.n_clusters if has_clusters else 1)
        sums, seen = np.zeros((index.n_clusters, n_columns)), np.zeros((index.n_clusters, 2), dtype=np.bool_)
        return _Part(sums, seen, overlap, np.zeros((fit.folded.width, 2)), np.zeros(2))

    def visit(part: _Part, block: FoldedBlock) -> None:
        raw = fit.scores(block)
        weight = weighting.kept(raw, block.weight)
        e = np.clip(raw, weighting.clip, 1.0 - weighting.clip)
        unit = block.codes["unit"]
        cluster = block.codes["cluster"] if has_clusters else unit
        used = weight > 0
        part.has_arm[cluster[used], block.d[used].astype(np.int64)] = True
        add_by_key(part.sums, cluster, scoring(block, e, weight))
        part.overlap.add(raw, block.d, weight, unit, cluster)
        balancing = weight * balancing_weights(e, block.d, weighting.estimand)
        by_arm = np.column_stack([np.where(block.d == 1, 0.0, balancing), np.where(block.d == 1, balancing, 0.0)])
        part.means += block.values @ by_arm
        part.n_clipped += int(np.count_nonzero(e != raw))
        part.n_trimmed += int(len(used) - np.count_nonzero(used))

    parts = fit.folded.walk(make, visit)
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part)
    return _described(fit, weighting, whole, whole.overlap.judged())


def _described(fit: CrossFit, weighting: Weighting, whole: _Part, overlap: Overlap) -> Scored:
    n_rows, clip = fit.panel.n_rows, weighting.clip
    clipped_share = whole.n_clipped / n_rows
    diagnostics: dict[str, Any] = {
        **overlap.to_diagnostics(),
        "overlap_histogram": whole.overlap.histogram(),
        "balance": _balance(fit, whole.means),
        "propensity": fit.source,
        "clipped_share": clipped_share,
        "trimmed_share": whole.n_trimmed / n_rows,
    }
    if overlap.refused is not None:
        diagnostics[REFUSED] = overlap.refused
    warnings = []
    if clipped_share > 0:
        warnings.append(f"{100 * clipped_share:.2g} % of propensity scores were held at {clip:g} or {1 - clip:g}")
    if not fit.panel.covariate_names and fit.propensity is not None:
        warnings.append("no covariates: nothing is adjusted for")
    return Scored(whole.sums, whole.has_arm, weighting.name, diagnostics, tuple(warnings))


def _balance(fit: CrossFit, weighted: Floats) -> list[dict[str, object]]:
    """Standardised differences of every covariate before and after weighting."""
    arms = fit.moments.gram.sum(axis=0)
    size = arms[:, 0, 0]
    mean = arms[:, 0, 1:] / size[:, None]
    variance = np.maximum(np.diagonal(arms, axis1=1, axis2=2)[:, 1:] / size[:, None] - mean**2, 0.0)
    pooled = np.sqrt(variance.mean(axis=0))
    after = weighted[1:] / weighted[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        before_smd, after_smd = (mean[1] - mean[0]) / pooled, (after[:, 1] - after[:, 0]) / pooled
        ratio = variance[1] / variance[0]
    return [
        {
            "covariate": name,
            "smd_before": float(before_smd[place]),
            "smd_after": float(after_smd[place]),
            "variance_ratio_before": float(ratio[place]),
        }
        for place, name in enumerate(fit.panel.covariate_names)
    ]
