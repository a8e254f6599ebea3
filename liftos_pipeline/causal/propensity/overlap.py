"""Overlap of the arms: how much of each population has comparable units on the other side, and the judgement."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.propensity.weights import Estimand, balancing_weights
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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
    if len(weights) == 0:
        return 0.0
    sums = np.bincount(groups, weights=weights)
    return float(sums.sum() ** 2 / np.sum(sums**2))


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
    rule = rule or OverlapRule()
    arms = {"treated": d == 1, "control": d == 0}
    for name, arm in arms.items():
        if not arm.any():
            raise LiftosError(f"{name} rows", "none", "Trim less, or add rows of this arm.")
    sampling = np.ones_like(e) if row_weights is None else row_weights
    weights = sampling * balancing_weights(e, d, estimand)
    share = sampling / sampling.sum()
    ess = {
        (name, level): effective_size(weights[arm], groups[arm])
        for name, arm in arms.items()
        for level, groups in (("unit", unit), ("cluster", cluster))
    }
    treated, control = arms["treated"], arms["control"]
    overlap = Overlap(
        share_inside=float(share[(e >= rule.low) & (e <= rule.high)].sum()),
        share_treated_below_high=float(share[treated & (e < rule.high)].sum() / share[treated].sum()),
        score_min_treated=float(e[treated].min()),
        score_max_treated=float(e[treated].max()),
        score_min_control=float(e[control].min()),
        score_max_control=float(e[control].max()),
        ess_treated=ess["treated", "unit"],
        ess_control=ess["control", "unit"],
        ess_treated_clusters=ess["treated", "cluster"],
        ess_control_clusters=ess["control", "cluster"],
        refused=None,
    )
    reasons = _reasons(overlap, estimand, rule)
    return Overlap(**{**asdict(overlap), "refused": "; ".join(reasons) or None})


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
