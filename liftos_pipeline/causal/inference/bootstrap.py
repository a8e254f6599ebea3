"""Bootstraps of clusters: multipliers of their influences, or redrawn clusters with everything fitted again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import limits, without_inference
from liftos_pipeline.causal.results import Inference
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Multiplier = Literal["rademacher", "mammen"]

MOST_FAILED = 0.05
"""Share of draws without an estimate beyond which the others tell nothing."""
_GOLDEN = (1.0 + 5.0**0.5) / 2.0


def multiplier_draws(
    sums: Floats, seed: int, n_draws: int = 1_000, multiplier: Multiplier = "rademacher"
) -> Floats:
    """Draws of an estimate's error: each cluster's influence times an independent multiplier.

    Parameters
    ----------
    sums : ndarray, shape (G,)
        Influence of each cluster, in outcome units.
    multiplier : str
        ``rademacher``: plus or minus one. ``mammen``: two points with third moment one.

    Returns
    -------
    draws : ndarray, shape (n_draws,)
        In outcome units. For one parameter they carry no more than the influence-function standard error does.

    References
    ----------
    Chernozhukov, Chetverikov and Kato (2013), Annals of Statistics 41(6). Mammen (1993), Annals of Statistics
    21(1).
    """
    rng = np.random.default_rng(seed)
    if multiplier == "rademacher":
        factors = 2.0 * rng.integers(0, 2, size=(n_draws, len(sums))) - 1.0
    elif multiplier == "mammen":
        is_low = rng.random((n_draws, len(sums))) < _GOLDEN / 5.0**0.5
        factors = np.where(is_low, 1.0 - _GOLDEN, _GOLDEN)
    else:
        raise LiftosError("multiplier rademacher or mammen", repr(multiplier), "Choose one of the two.")
    draws: Floats = factors @ sums
    return draws


def cluster_bootstrap(
    refit: Callable[[Floats], float],
    estimate: float,
    n_clusters: int,
    n_draws: int,
    seed: int,
    level: float,
    known: Inference,
) -> tuple[Inference, int]:
    """Standard error of estimates from redrawn clusters, and how many draws had no estimate.

    Parameters
    ----------
    refit : callable
        How often each cluster was drawn, shape (n_clusters,), to the estimate; may raise ``LiftosError``.
    known : Inference
        Whose clusters and degrees of freedom hold.

    References
    ----------
    Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90(3), section II: pairs cluster bootstrap.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_draws):
        counts = np.bincount(rng.integers(0, n_clusters, n_clusters), minlength=n_clusters).astype(np.float64)
        try:
            found.append(refit(counts))
        except LiftosError:
            continue
    n_failed = n_draws - len(found)
    if n_failed > MOST_FAILED * n_draws:
        reason = f"{n_failed} of {n_draws} bootstrap draws could not be estimated"
        return without_inference(reason, level, known.n_clusters), n_failed
    std_error = float(np.std(found, ddof=1))
    return limits(estimate, std_error, level, known.n_clusters, known.degrees_of_freedom), n_failed
