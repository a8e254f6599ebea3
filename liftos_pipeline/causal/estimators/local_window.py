"""Rows around a cutoff, for designs where a running variable assigns the treatment. Selects; estimates nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.panel_rows import rows_of
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LocalWindow:
    """Panel of the rows inside, with the running variable's interaction with the assignment as last covariate.

    ``centre`` is the value of the running variable at which the effect is read: the cutoff, or the mean inside the
    window where the assignment does not follow a cutoff. There is no interaction where the running variable has
    one value on a side.
    """

    panel: Panel
    centre: float
    follows_cutoff: bool
    n_outside: int


def local_window(panel: Panel, window: tuple[float, float], running: str) -> LocalWindow:
    """Keep rows whose running variable lies inside ``window``, limits included.

    Where the assignment (the panel's one instrument, of two values) switches along the running variable, the cutoff
    is the assigned value next to the others. The running variable keeps a slope of its own on each side of it.

    Raises
    ------
    LiftosError
        No such covariate, no row inside, more than one instrument, or no two values of it inside.

    References
    ----------
    Hahn, Todd and van der Klaauw (2001), Econometrica 69(1). Imbens and Lemieux (2008), Journal of Econometrics
    142(2), section 4.
    """
    values = _running_values(panel, running)
    low, high = _checked_limits(window)
    inside = (values >= low) & (values <= high)
    if not inside.any():
        raise LiftosError(
            f"rows with {running} from {low:g} to {high:g}",
            f"none; {running} runs from {values.min():g} to {values.max():g}",
            "Widen the window.",
        )
    assigned = _assignment(panel, inside, running)
    x = values[inside]
    centre, follows_cutoff = _centre(x, assigned, panel.row_weights[inside])
    kept = rows_of(panel, inside)
    if min(np.ptp(x[assigned]), np.ptp(x[~assigned])) > 0:
        interaction = np.where(assigned, x - centre, 0.0)
        names = (*kept.covariate_names, f"{panel.roles.instruments[0]} x {running}")
        kept = dataclasses.replace(kept, X=np.column_stack([kept.X, interaction]), covariate_names=names)
    return LocalWindow(kept, centre, follows_cutoff, int((~inside).sum()))


def _running_values(panel: Panel, running: str) -> Floats:
    if running not in panel.covariate_names:
        raise LiftosError(
            f"a running variable among the covariates that vary: {', '.join(panel.covariate_names) or 'none'}",
            repr(running),
            "Name it as a covariate of the panel too.",
        )
    return np.asarray(panel.X[:, panel.covariate_names.index(running)])


def _checked_limits(window: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(limit) for limit in window)
    except (TypeError, ValueError) as error:
        raise LiftosError("a window (low, high) of two numbers", repr(window), "Pass two numbers.") from error
    if not low < high:
        raise LiftosError("a window (low, high) with low below high", repr(window), "Swap or widen the limits.")
    return low, high


def _assignment(panel: Panel, inside: NDArray[np.bool_], running: str) -> NDArray[np.bool_]:
    """Whether the instrument has the larger of its two values, in the rows inside."""
    names = panel.roles.instruments
    if len(names) != 1:
        raise LiftosError("one instrument, the assignment", f"{len(names)}", "Name the assignment alone.")
    z = panel.Z[inside, 0]
    found = np.unique(z)
    if len(found) == 1:
        raise LiftosError(
            f"rows with and without {names[0]} inside the window",
            f"{names[0]} = {found[0]:g} in all {len(z)} rows",
            f"Move or widen the window of {running}.",
        )
    if len(found) > 2:
        raise LiftosError(
            f"two values of the assignment {names[0]}", f"{len(found)} values", "Code it as assigned or not."
        )
    return np.asarray(z == found[1])


def _centre(x: Floats, assigned: NDArray[np.bool_], weights: Floats) -> tuple[float, bool]:
    if x[~assigned].max() < x[assigned].min():
        return float(x[assigned].min()), True
    if x[assigned].max() < x[~assigned].min():
        return float(x[assigned].max()), True
    return float(np.average(x, weights=weights)), False
