"""One walk that scores the rows: sums by cluster, and the overlap and balance that they rest on.

Solving for the estimate belongs to the estimators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.balance import NO_VARIATION, compare_moments
from liftos_pipeline.causal.diagnostics.carried import tell_balance
from liftos_pipeline.causal.estimators.cross_fitting import CrossFit, Weighting
from liftos_pipeline.causal.kernels.folded import FoldedBlock
from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.causal.propensity.overlap import Overlap, OverlapRule, OverlapSums
from liftos_pipeline.causal.propensity.weights import balancing_weights
from liftos_pipeline.causal.results import REFUSED

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Scoring = Callable[[FoldedBlock, Floats, Floats], Floats]
"""Block, clipped scores (m,) and row weights (m,) to the columns that are summed by cluster, (c, m)."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What the walk found.

    Attributes
    ----------
    sums : ndarray, shape (G, n_groups, c)
        Columns of the scoring, summed by cluster and group.
    has_arm : ndarray of bool, shape (G, n_groups, 2)
        Whether the cluster has untreated and treated rows that were used, in each group.
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
    squares: Floats
    weight_square: Floats
    n_clipped: int = 0
    n_trimmed: int = 0

    def merge(self, other: _Part) -> None:
        self.sums += other.sums
        self.has_arm |= other.has_arm
        self.overlap.merge(other.overlap)
        self.means += other.means
        self.squares += other.squares
        self.weight_square += other.weight_square
        self.n_clipped += other.n_clipped
        self.n_trimmed += other.n_trimmed


def score_rows(
    fit: CrossFit, weighting: Weighting, n_columns: int, scoring: Scoring, by_period: bool = False
) -> Scored:
    """Walk over the rows once.

    Parameters
    ----------
    n_columns : int
        How many columns ``scoring`` gives.
    by_period : bool
        Whether the periods, which the blocks carry, are groups; all rows are one group otherwise.
    """
    index = fit.panel.index
    n_groups = index.n_periods if by_period else 1
    rule = weighting.rule or OverlapRule()
    has_clusters = fit.panel.roles.cluster is not None

    def make() -> _Part:
        overlap = OverlapSums(weighting.estimand, rule, index.n_units, index.n_clusters if has_clusters else 1)
        n_cells = index.n_clusters * n_groups
        sums, seen = np.zeros((n_cells, n_columns)), np.zeros((n_cells, 2), dtype=np.bool_)
        return _Part(
            sums, seen, overlap, np.zeros((fit.folded.width, 2)), np.zeros((fit.folded.width, 2)), np.zeros(2)
        )

    def visit(part: _Part, block: FoldedBlock) -> None:
        raw = fit.scores(block)
        weight = weighting.kept(raw, block.weight)
        e = np.clip(raw, weighting.clip, 1.0 - weighting.clip)
        unit = block.codes["unit"]
        cluster = block.codes["cluster"] if has_clusters else unit
        cell = cluster * n_groups + block.codes["period"] if by_period else cluster
        used = weight > 0
        part.has_arm[cell[used], block.d[used].astype(np.int64)] = True
        add_by_key(part.sums, cell, scoring(block, e, weight))
        part.overlap.add(raw, block.d, weight, unit, cluster)
        balancing = weight * balancing_weights(e, block.d, weighting.estimand)
        by_arm = np.column_stack([np.where(block.d == 1, 0.0, balancing), np.where(block.d == 1, balancing, 0.0)])
        part.means += block.values @ by_arm
        part.squares += np.square(block.values) @ by_arm
        part.weight_square += np.sum(by_arm**2, axis=0)
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
    balanced, unlike = tell_balance(_balance(fit, whole), is_weighted=True)
    diagnostics: dict[str, Any] = {
        **overlap.to_diagnostics(),
        "overlap_histogram": whole.overlap.histogram(),
        **balanced,
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
    n_clusters = fit.panel.index.n_clusters
    sums = whole.sums.reshape(n_clusters, -1, whole.sums.shape[1])
    warnings += unlike
    return Scored(sums, whole.has_arm.reshape(n_clusters, -1, 2), weighting.name, diagnostics, tuple(warnings))


def _balance(fit: CrossFit, whole: _Part) -> pd.DataFrame:
    """Means and variances of the covariates by arm, before and after weighting."""
    gram = fit.moments.gram.sum(axis=0)
    squares_before, weights_before = np.diagonal(gram, axis1=1, axis2=2), fit.moments.weight_square.sum(axis=0)
    origin, found = fit.folded.origin, {}
    for arm, name in enumerate(("control", "treated")):
        for time, sums, squares, weight_square in (
            ("before", gram[arm, 0], squares_before[arm], weights_before[arm]),
            ("after", whole.means[:, arm], whole.squares[:, arm], whole.weight_square[arm]),
        ):
            mean = sums[1:] / sums[0]
            freedom = 1.0 - weight_square / sums[0] ** 2
            spread = np.maximum(squares[1:] / sums[0] - mean**2, 0.0)
            found[name, time] = origin + mean, spread / freedom if freedom > NO_VARIATION else 0.0 * spread
    size = np.abs(origin) + np.sqrt(squares_before.sum(axis=0)[1:] / gram[:, 0, 0].sum())
    return compare_moments(fit.panel.covariate_names, found, size)
