"""Weights that make the arms comparable, one set per estimand, and trimming with the estimand it leaves.

Whether the scores allow an estimate at all is judged in ``overlap``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Estimand = Literal["ate", "att", "overlap"]

ESTIMANDS: tuple[Estimand, ...] = ("ate", "att", "overlap")


def balancing_weights(e: Floats, d: Floats, estimand: Estimand) -> Floats:
    """Weight of each row, shape (n,), for the ``ate``, the ``att`` or the ``overlap`` population.

    References
    ----------
    Li, Morgan and Zaslavsky (2018), Journal of the American Statistical Association 113(521), table 1.
    """
    treated, control = {
        "ate": (1.0 / e, 1.0 / (1.0 - e)),
        "att": (np.ones_like(e), e / (1.0 - e)),
        "overlap": (1.0 - e, e),
    }[estimand]
    return np.where(d == 1, treated, control)


def clip_scores(e: Floats, clip: float) -> tuple[Floats, float]:
    """Scores held within [clip, 1 - clip], and the share of rows that this moved.

    Raises
    ------
    LiftosError
        ``clip`` is not in [0, 0.5).
    """
    if not 0.0 <= clip < 0.5:
        raise LiftosError("clip in [0, 0.5)", repr(clip), "0.01 is usual.")
    clipped = np.clip(e, clip, 1.0 - clip)
    return clipped, float(np.mean(clipped != e))


def trimmed(e: Floats, estimand: Estimand, trim: float) -> tuple[NDArray[np.bool_], str]:
    """Rows that stay, and the name of the estimand that is left.

    The ATE loses scores outside [trim, 1 - trim]; the ATT only those above 1 - trim, where there is nobody to
    compare with. The overlap population needs no trimming.

    Raises
    ------
    LiftosError
        ``trim`` is not in [0, 0.5), or is asked of the overlap population.

    References
    ----------
    Crump, Hotz, Imbens and Mitnik (2009), Biometrika 96(1).
    """
    if not 0.0 <= trim < 0.5:
        raise LiftosError("trim in [0, 0.5)", repr(trim), "0.1 keeps scores from 0.1 to 0.9.")
    if trim == 0.0:
        return np.ones(len(e), dtype=np.bool_), estimand
    if estimand == "overlap":
        raise LiftosError("trim=0 for the overlap population", repr(trim), "Its weights already fade at the ends.")
    keep = e <= 1.0 - trim
    if estimand == "att":
        return keep, f"att on scores up to {1.0 - trim:g}"
    return keep & (e >= trim), f"ate on scores from {trim:g} to {1.0 - trim:g}"
