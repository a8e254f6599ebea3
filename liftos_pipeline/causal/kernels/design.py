"""Design matrices shared by the linear and the logistic fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def standardised_design(X: Floats, weights: Floats) -> Floats:
    """Ones and the covariates at weighted mean zero and variance one, shape (n, k + 1).

    A column without variance becomes zero.
    """
    share = weights / weights.sum()
    centred = X - share @ X
    spread = np.sqrt(share @ centred**2)
    return np.column_stack([np.ones(len(X)), centred / np.where(spread > 0, spread, 1.0)])
