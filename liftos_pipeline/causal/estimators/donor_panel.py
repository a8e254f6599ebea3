"""Treated units beside their donors, one column each: what synthetic controls are made of. Reads a panel, fits nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.index import NEVER
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MIN_PRE_PERIODS = 2
MIN_DONORS = 2
LARGEST = 1e150
"""Squares of what is larger, or smaller than one by it, are no numbers any more."""
_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class DonorPanel:
    """Outcomes of treated units and of donors that are never treated and never missing.

    Attributes
    ----------
    Y : ndarray, shape (T, N)
        Outcome of each period and unit, less ``origin``; treated units first.
    origin : float
        An outcome of the panel: what is far from zero then loses no digits.
    start : ndarray, shape (n_treated,)
        First treated period of each treated unit.
    units : ndarray, shape (N,)
        Codes into the panel's ``unit_labels``.
    labels : ndarray, shape (N,)
    period_labels : ndarray, shape (T,)
    warnings : tuple of str
        What was left out.
    """

    Y: Floats
    origin: float
    start: Integers
    units: Integers
    labels: NDArray[Any]
    period_labels: NDArray[Any]
    warnings: tuple[str, ...]

    @property
    def n_treated(self) -> int:
        return len(self.start)

    @property
    def n_periods(self) -> int:
        return len(self.Y)

    @cached_property
    def donors(self) -> Integers:
        """Columns of the donors, shape (J,)."""
        return np.arange(self.n_treated, self.Y.shape[1])

    @property
    def n_donors(self) -> int:
        return len(self.units) - self.n_treated

    def others(self, column: int) -> Integers:
        """Donors but one."""
        others: Integers = self.donors[self.donors != column]
        return others

    def event_times(self) -> Integers:
        """Event times that every treated unit has, in order."""
        return np.arange(-int(self.start.min()), self.n_periods - int(self.start.max()))


def donor_panel(
    panel: Panel, method: str, uses_covariates: bool = False, on_logarithms: bool = False
) -> DonorPanel:
    """Read treated units and donors from a panel.

    Parameters
    ----------
    uses_covariates : bool
        Whether covariates are used where the panel has them; a warning says so if not.
    on_logarithms : bool
        Whether logarithms of outcomes are squared, and not outcomes.

    Raises
    ------
    LiftosError
        No periods, outcomes too large or too small to be squared, a treatment that switches off, a treated unit with a
        missing period, too few donors, or too few periods before or none after the start.
    """
    if panel.roles.period is None or panel.period is None:
        raise LiftosError(f"a panel with periods for {method}", "none", "Name the column of the period.")
    index = panel.index
    if not index.is_absorbing:
        raise LiftosError(
            "a treatment that stays on once it is on",
            "one that is switched off in some units",
            "Keep the rows up to the first switch, or use did.",
        )
    Y = np.full((index.n_periods, index.n_units), np.nan)
    origin = float(panel.y[0])
    Y[panel.period, panel.unit] = panel.y - origin
    if not on_logarithms:
        _refuse_extremes(Y)
    is_missing = np.isnan(Y).any(axis=0)
    is_treated = index.first_treated != NEVER
    treated, donors = np.flatnonzero(is_treated), np.flatnonzero(~is_treated & ~is_missing)
    labels = index.unit_labels
    if is_missing[treated].any():
        raise LiftosError(
            "every period of every treated unit",
            f"missing ones of {_named(labels[treated[is_missing[treated]]])}",
            "Keep the periods that treated units have, or leave these units out.",
        )
    start = index.first_treated[treated]
    for expected, bad in (
        (f"at least {MIN_PRE_PERIODS} periods before the start", start < MIN_PRE_PERIODS),
        ("at least 1 period from the start on", start >= index.n_periods),
    ):
        if bad.any():
            raise LiftosError(
                expected, f"fewer for {_named(labels[treated[bad]])}", "Add periods, or drop the unit."
            )
    if len(donors) < MIN_DONORS:
        raise LiftosError(
            f"at least {MIN_DONORS} units that are never treated and have every period",
            str(len(donors)),
            "Add donors, or fill or drop the periods that they lack.",
        )
    left_out = labels[np.flatnonzero(~is_treated & is_missing)]
    warnings = _ignored(panel, left_out, uses_covariates)
    units = np.concatenate([treated, donors])
    return DonorPanel(Y[:, units], origin, start, units, labels[units], index.period_labels, warnings)


def _refuse_extremes(Y: Floats) -> None:
    spread = float(np.nanmax(np.abs(Y)))
    if spread != 0.0 and not 1 / LARGEST <= spread <= LARGEST:
        raise LiftosError(
            f"outcomes that differ by {1 / LARGEST:g} to {LARGEST:g}",
            f"{spread:.3g}",
            "Measure the outcome in another unit.",
        )


def _ignored(panel: Panel, left_out: NDArray[Any], uses_covariates: bool) -> tuple[str, ...]:
    warnings = []
    if len(left_out):
        warnings.append(f"{len(left_out)} donors lack periods and were left out: {_named(left_out)}")
    if panel.has_weights:
        warnings.append("sampling weights are not used: every treated unit counts the same")
    if panel.roles.cluster is not None:
        warnings.append("clusters are not used: every unit stands for itself")
    if panel.covariate_names and not uses_covariates:
        warnings.append(f"{len(panel.covariate_names)} covariates are not used: outcomes alone are matched")
    return tuple(warnings)


def _named(labels: NDArray[Any]) -> str:
    shown = ", ".join(str(label) for label in labels[:_MOST_NAMED])
    return shown if len(labels) <= _MOST_NAMED else f"{shown} and {len(labels) - _MOST_NAMED} more"
