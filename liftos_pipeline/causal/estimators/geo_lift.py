"""Lift from logarithms: fit, then what speaks against it. Knows arrays, no panel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.disturbances import (
    FALSE_ALARMS,
    WEEK,
    Disturbance,
    Family,
    Known,
    after_start,
    before_start,
    largest_disturbance,
)
from liftos_pipeline.causal.estimators.geo_contrast import Contrasts, contrasts
from liftos_pipeline.causal.estimators.geo_model import STEP, LiftFit, fit_lift
from liftos_pipeline.causal.inference.autoregression import (
    Mixture,
    step_alone,
)

Floats = NDArray[np.float64]

WEEKS_FOR_WEEKDAYS = 6
DONOR_ALARMS = 0.02
"""Chance that donors which did not step are taken to have: a spillover is small beside what all regions share."""


@dataclass(frozen=True, eq=False)
class GeoLift:
    """Lift of the treated total.

    Attributes
    ----------
    contrasts : Contrasts
    fit : LiftFit
    before, after : Disturbance or None
        Most surprising move of the treated contrast at other times than the start.
    donor_step : Mixture or None
        Of the weighted donors at the start, on logarithms; None with too few periods.
    """

    contrasts: Contrasts
    fit: LiftFit
    before: Disturbance | None
    after: Disturbance | None
    donor_step: Mixture | None

    @property
    def donors_moved(self) -> bool:
        return self.donor_step is not None and self.donor_step.p_value() < DONOR_ALARMS

    @property
    def is_doubtful(self) -> bool:
        """Whether one of the three speaks against the lift."""
        moved = (found for found in (self.before, self.after) if found is not None)
        return self.donors_moved or any(found.p_value < FALSE_ALARMS for found in moved)


def measure_lift(treated: Floats, donors: Floats, start: int) -> GeoLift:
    """Step of the treated logarithm against the donors' and what speaks against it.

    Parameters
    ----------
    treated : ndarray, shape (T,)
        Logarithm of the treated total.
    donors : ndarray, shape (T, J)
        Logarithms of the donors.
    start : int
        First treated period.
    """
    found = contrasts(treated, donors)
    fit = fit_lift(found, start)
    before = _largest(found, fit, before_start(len(treated), start))
    after = _largest(found, fit, after_start(len(treated), start))
    return GeoLift(found, fit, before, after, _donor_step(found.mean, start))


def _largest(found: Contrasts, fit: LiftFit, family: Family) -> Disturbance | None:
    known = Known(fit.donor_correlation, fit.prior, fit.slope_unit)
    return largest_disturbance(found.series[:, 0], fit.design, known, family)


def _donor_step(mean: Floats, start: int) -> Mixture | None:
    """Step of the donors themselves, given weekdays."""
    time = np.arange(len(mean))
    columns = [np.ones(len(mean)), time >= start]
    if len(mean) >= WEEKS_FOR_WEEKDAYS * WEEK:
        columns += [time % WEEK == day for day in range(1, WEEK)]
    if len(mean) < len(columns) + 5 or not np.ptp(mean) > 0:
        return None
    return step_alone(mean, np.column_stack(columns).astype(np.float64), STEP)
