"""Overlap of the arms: how much of each population has comparable units on the other side, and the judgement."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.causal.propensity.weights import Estimand, balancing_weights
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_BINS = 40
"""Bins of the histogram of scores."""


@dataclass(frozen=True)
class OverlapRule:
    """Thresholds of the judgement.

    Attributes
    ----------
    low, high : float
        Scores outside leave too little to compare with (Crump et al. 2009 derive 0.1 and 0.9).
    min_share : float
        ATE: share of rows with scores in [low, high]. ATT: share of treated rows with scores below ``high``.
    min_effective_units : float
        ATT: effective number of control units. Overlap population: of units in each arm.
    """

    low: float = 0.1
    high: float = 0.9
    min_share: float = 0.8
    min_effective_units: float = 20.0


@dataclass(frozen=True)
class Overlap:
    """What the scores look like.

    Attributes
    ----------
    share_inside : float
        Share of rows with scores in [low, high].
    share_treated_below_high : float
        Share of treated rows with scores below ``high``.
    score_min_treated, score_max_treated, score_min_control, score_max_control : float
        Ranges by arm.
    ess_treated, ess_control : float
        Effective number of units by arm, ``(sum w)^2 / sum w^2`` over units' summed weights.
    ess_treated_clusters, ess_control_clusters : float
        The same over clusters.
    refused : str or None
        Why the estimand must not be believed.
    """

    share_inside: float
    share_treated_below_high: float
    score_min_treated: float
    score_max_treated: float
    score_min_control: float
    score_max_control: float
    ess_treated: float
    ess_control: float
    ess_treated_clusters: float
    ess_control_clusters: float
    refused: str | None

    def to_diagnostics(self) -> dict[str, object]:
        """The figures without the judgement."""
        figures = asdict(self)
        figures.pop("refused")
        return figures


def effective_size(weights: Floats, groups: Integers) -> float:
    """``(sum w)^2 / sum w^2`` over the groups' summed weights; zero without rows."""
    return effective_sizes(np.bincount(groups, weights=weights)[:, None].astype(np.float64))[0]


def effective_sizes(weights: Floats) -> tuple[float, ...]:
    """``(sum w)^2 / sum w^2`` of each column of summed weights; zero without any."""
    total, square = weights.sum(axis=0), np.sum(weights**2, axis=0)
    return tuple(float(size) for size in np.divide(total**2, square, out=np.zeros_like(total), where=square > 0))


class OverlapSums:
    """Running description of the overlap, block by block.

    Parameters
    ----------
    estimand : str
        Whose weights the effective sizes are of.
    rule : OverlapRule
    n_units, n_clusters : int
    """

    def __init__(self, estimand: Estimand, rule: OverlapRule, n_units: int, n_clusters: int) -> None:
        self._estimand, self._rule = estimand, rule
        self._arm_weights = np.zeros(2)
        self._inside = self._treated_below_high = 0.0
        self._lowest, self._highest = np.full(2, np.inf), np.full(2, -np.inf)
        self._by_unit, self._by_cluster = np.zeros((n_units, 2)), np.zeros((n_clusters, 2))
        self._histogram = np.zeros((2, N_BINS), dtype=np.int64)

    def add(self, e: Floats, d: Floats, weight: Floats, unit: Integers, cluster: Integers) -> None:
        """Take in rows, all of shape (m,); ``weight`` is zero for rows that are left out."""
        balancing = weight * balancing_weights(e, d, self._estimand)
        by_arm = np.where(d == 1, [[0.0], [1.0]], [[1.0], [0.0]])
        add_by_key(self._by_unit, unit, balancing * by_arm)
        if cluster is not unit:
            add_by_key(self._by_cluster, cluster, balancing * by_arm)
        bins = np.minimum((e * N_BINS).astype(np.int64), N_BINS - 1)
        self._inside += float(weight[(e >= self._rule.low) & (e <= self._rule.high)].sum())
        for arm in (0, 1):
            used = (d == arm) & (weight > 0)
            if not used.any():
                continue
            self._arm_weights[arm] += weight[used].sum()
            self._lowest[arm] = min(self._lowest[arm], e[used].min())
            self._highest[arm] = max(self._highest[arm], e[used].max())
            self._histogram[arm] += np.bincount(bins[used], minlength=N_BINS)
        self._treated_below_high += float(weight[(d == 1) & (e < self._rule.high)].sum())

    def merge(self, other: OverlapSums) -> None:
        """Take in what another has seen."""
        self._arm_weights += other._arm_weights
        self._inside += other._inside
        self._treated_below_high += other._treated_below_high
        self._lowest = np.minimum(self._lowest, other._lowest)
        self._highest = np.maximum(self._highest, other._highest)
        self._by_unit += other._by_unit
        self._by_cluster += other._by_cluster
        self._histogram += other._histogram

    def judged(self) -> Overlap:
        """The description and the judgement.

        Raises
        ------
        LiftosError
            An arm has no rows.
        """
        for arm, name in enumerate(("control", "treated")):
            if self._arm_weights[arm] == 0:
                raise LiftosError(f"{name} rows", "none", "Trim less, or add rows of this arm.")
        units = effective_sizes(self._by_unit)
        clusters = effective_sizes(self._by_cluster) if self._by_cluster.any() else units
        low, high = (tuple(float(value) for value in part) for part in (self._lowest, self._highest))
        overlap = Overlap(
            share_inside=self._inside / float(self._arm_weights.sum()),
            share_treated_below_high=self._treated_below_high / float(self._arm_weights[1]),
            score_min_treated=low[1],
            score_max_treated=high[1],
            score_min_control=low[0],
            score_max_control=high[0],
            ess_treated=units[1],
            ess_control=units[0],
            ess_treated_clusters=clusters[1],
            ess_control_clusters=clusters[0],
            refused=None,
        )
        reasons = _reasons(overlap, self._estimand, self._rule)
        return replace(overlap, refused="; ".join(reasons) or None)

    def histogram(self) -> dict[str, object]:
        """Rows by score and arm, for a figure.

        ``edges``, ``N_BINS`` + 1 from 0 to 1; ``treated``, ``control``, rows in each bin; ``low``, ``high``, the rule's
        thresholds.
        """
        return {
            "edges": [place / N_BINS for place in range(N_BINS + 1)],
            "treated": self._histogram[1].tolist(),
            "control": self._histogram[0].tolist(),
            "low": self._rule.low,
            "high": self._rule.high,
        }


def judge_overlap(
    e: Floats,
    d: Floats,
    unit: Integers,
    cluster: Integers,
    estimand: Estimand,
    rule: OverlapRule | None = None,
    row_weights: Floats | None = None,
) -> Overlap:
    """Describe the overlap of the arms and judge it for one estimand.

    Parameters
    ----------
    e, d : ndarray, shape (n,)
        Scores and treatment.
    unit, cluster : ndarray, shape (n,)
        Codes.
    rule : OverlapRule, optional
        Thresholds; the defaults are documented there.
    row_weights : ndarray, shape (n,), optional
        Sampling weights.

    Raises
    ------
    LiftosError
        An arm has no rows.
    """
    sums = OverlapSums(estimand, rule or OverlapRule(), int(unit.max()) + 1, int(cluster.max()) + 1)
    sums.add(e, d, np.ones_like(e) if row_weights is None else row_weights, unit, cluster)
    return sums.judged()


def _reasons(overlap: Overlap, estimand: Estimand, rule: OverlapRule) -> list[str]:
    reasons = []
    if estimand == "ate" and overlap.share_inside < rule.min_share:
        reasons.append(
            f"{100 * overlap.share_inside:.1f} % of propensity scores lie in [{rule.low:g}, {rule.high:g}], "
            f"the ATE needs {100 * rule.min_share:g} %"
        )
    if estimand == "att" and overlap.share_treated_below_high < rule.min_share:
        reasons.append(
            f"{100 * overlap.share_treated_below_high:.1f} % of treated rows have scores below {rule.high:g}, "
            f"the ATT needs {100 * rule.min_share:g} %"
        )
    sizes = {"att": ("control",), "overlap": ("control", "treated"), "ate": ()}[estimand]
    for arm in sizes:
        size = overlap.ess_control if arm == "control" else overlap.ess_treated
        if size < rule.min_effective_units:
            reasons.append(
                f"{size:.1f} effective {arm} units, the {estimand.upper()} needs {rule.min_effective_units:g}"
            )
    return reasons
