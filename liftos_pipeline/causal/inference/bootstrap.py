"""Multiplier bootstrap of influence functions. Refitting bootstraps do not belong here."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Multiplier = Literal["rademacher", "mammen"]

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
