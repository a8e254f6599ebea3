"""Uncertainty of difference-in-differences: clustered, cluster jackknife or wild bootstrap, and when each is refused."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.inference.covariance import clustered_covariance, limits, without_inference
from liftos_pipeline.causal.inference.few_clusters import jackknife_inference
from liftos_pipeline.causal.inference.wild_bootstrap import bootstrap_inference
from liftos_pipeline.causal.kernels.normal_equations import ClusterFit
from liftos_pipeline.causal.kernels.twoway import TwoWayFit
from liftos_pipeline.causal.kernels.twoway_clusters import fit_clusters
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import Inference
from liftos_pipeline.errors import LiftosError

DidInference = Literal["cluster", "cr3", "wild_bootstrap"]

INFERENCES: tuple[DidInference, ...] = ("cluster", "cr3", "wild_bootstrap")
FEW_CLUSTERS = 10
"""Fewer treated, or fewer untreated, clusters than this bring a warning: CR1 standard errors are too small."""
FEW_FOR_BOOTSTRAP = 4
"""The same for the restricted wild bootstrap: with 2 of 12 clusters treated it rejects a true null at 5 % in 1 %."""
_MOST_JACKKNIFED = 500
_MOST_CLUSTER_CELLS = 20_000_000


def did_inference(
    panel: Panel, fit: TwoWayFit, n_parameters: int, level: float, kind: DidInference, seed: int
) -> tuple[Inference, dict[str, object]]:
    """Uncertainty of the coefficient, and what is to be said of how it was found."""
    name = {"cluster": "clustered_cr1", "cr3": "clustered_cr3", "wild_bootstrap": "clustered_cr1"}[kind]
    facts: dict[str, object] = {"standard_error": name}
    reason = _no_inference(panel.index, fit, n_parameters)
    if reason is not None:
        return without_inference(reason, level, fit.n_clusters), facts
    correction = (fit.n_rows - 1) / (fit.n_rows - n_parameters)
    if kind == "cluster":
        variance = clustered_covariance(fit.scores[fit.has_rows], fit.bread, correction)[0, 0]
        estimate, n_clusters = float(fit.coefficients[0]), fit.n_clusters
        return limits(estimate, math.sqrt(variance), level, n_clusters, float(n_clusters - 1)), facts
    by_cluster = fit_clusters(panel.rows, fit, panel.index, panel.has_weights)
    if kind == "cr3":
        return jackknife_inference(by_cluster, level), facts
    return _bootstrap(by_cluster, level, seed, correction, facts)


def _bootstrap(
    fit: ClusterFit, level: float, seed: int, correction: float, facts: dict[str, object]
) -> tuple[Inference, dict[str, object]]:
    found = bootstrap_inference(fit, level, seed, correction=correction)
    facts |= {
        "interval": "restricted wild cluster bootstrap",
        "multiplier": found.multiplier,
        "n_draws": found.n_draws,
        "enumerated": found.enumerated,
        "smallest_p_value": found.smallest_p_value,
        "seed": seed,
    }
    if found.unbounded is not None:
        facts["unbounded"] = found.unbounded
    return found.inference, facts


def _no_inference(index: Index, fit: TwoWayFit, n_parameters: int) -> str | None:
    if index.unit_cluster is not None:
        treated = np.unique(index.unit_cluster[index.treated_rows > 0])
        untreated = np.unique(index.unit_cluster[index.treated_rows < index.unit_rows])
        for name, found in (("treated", treated), ("untreated", untreated)):
            if len(found) < 2:
                return f"{len(found)} cluster with {name} rows; at least 2 are needed to tell a standard error"
    if fit.outcome_squares == 0.0:
        return "the outcome does not vary within the arms"
    if fit.is_exact:
        return "the regression fits the outcome exactly; there is no error to tell a standard error from"
    if fit.n_rows <= n_parameters:
        return f"{fit.n_rows} rows for {n_parameters} parameters"
    return None


def refuse_clusters(panel: Panel, kind: DidInference) -> None:
    """Refuse clusters that the jackknife and the bootstrap cannot leave out, or too many of them."""
    index = panel.index
    if index.unit_cluster is None:
        raise LiftosError(
            f"clusters that hold their units whole for inference='{kind}'",
            "units with rows in several",
            "Cluster by the unit or by groups of units, or use inference='cluster'.",
        )
    n_cells = index.n_clusters * index.n_periods * (len(panel.covariate_names) + 2)
    if index.n_clusters > _MOST_JACKKNIFED or n_cells > _MOST_CLUSTER_CELLS:
        raise LiftosError(
            f"at most {_MOST_JACKKNIFED} clusters, and {_MOST_CLUSTER_CELLS:,} sums by cluster, period and column, "
            f"for inference='{kind}'",
            f"{index.n_clusters} clusters, {n_cells:,} sums",
            "Use inference='cluster', which needs many clusters, or coarser clusters.",
        )


def few_clusters_warning(index: Index, kind: DidInference) -> tuple[str, ...]:
    """Say so where standard errors rest on few clusters, and what to do."""
    if index.unit_cluster is None or kind == "cr3":
        return ()
    n_treated = len(np.unique(index.unit_cluster[index.treated_rows > 0]))
    n_untreated = len(np.unique(index.unit_cluster[index.treated_rows == 0]))
    found = f"{n_treated} clusters with treated units, {n_untreated} with units never treated"
    smallest = min(n_treated, n_untreated or n_treated)
    if kind == "cluster" and smallest < FEW_CLUSTERS:
        way_out = "inference='cr3'" + (" or 'wild_bootstrap'" if smallest >= FEW_FOR_BOOTSTRAP else "")
        reason = f"with fewer than {FEW_CLUSTERS} of a side clustered standard errors are too small"
        return (f"{found}: {reason}; use {way_out}",)
    n_without = index.n_clusters - n_treated
    if kind == "wild_bootstrap" and n_without > 0 and min(n_treated, n_without) < FEW_FOR_BOOTSTRAP:
        reason = f"with fewer than {FEW_FOR_BOOTSTRAP} of a side the wild bootstrap misses its level"
        return (f"{found}: {reason}: it hardly ever rejects; compare with inference='cr3'",)
    return ()
