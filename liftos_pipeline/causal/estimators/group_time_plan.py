"""Which 2 x 2 comparisons of cohorts and periods there are, and which cohorts are the controls of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.index import NEVER

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
ControlGroup = Literal["never_treated", "not_yet_treated"]
BasePeriod = Literal["varying", "universal"]


@dataclass(frozen=True, eq=False)
class Plan:
    """The 2 x 2 comparisons.

    Attributes
    ----------
    cohort, period, base : ndarray, shape (C,)
        Place of the cohort, period and base period of each comparison.
    controls : ndarray of bool, shape (C, H)
        Cohorts that it is compared with.
    """

    cohort: Integers
    period: Integers
    base: Integers
    controls: Booleans

    def of(self, chosen: Booleans) -> Plan:
        """The chosen comparisons."""
        return Plan(self.cohort[chosen], self.period[chosen], self.base[chosen], self.controls[chosen])

    def and_then(self, other: Plan) -> Plan:
        """These comparisons, then the others."""
        return Plan(
            np.concatenate([self.cohort, other.cohort]),
            np.concatenate([self.period, other.period]),
            np.concatenate([self.base, other.base]),
            np.concatenate([self.controls, other.controls]),
        )


def plan_of(adoption: Adoption, control_group: ControlGroup, anticipation: int, base_period: BasePeriod) -> Plan:
    """All comparisons of cohorts that have a period before adoption and anticipation.

    The base of a period from anticipation on is the last one before it; that of an earlier period is the same
    (``universal``) or the period before (``varying``). Comparisons without any control cohort are left out, and
    cohorts without a comparison from adoption on.
    """
    n_periods, starts = adoption.n_periods, adoption.cohorts
    parts = []
    for place, start in enumerate(adoption.adopting):
        reference = start - 1 - anticipation
        if reference < 0:
            continue
        period = np.arange(n_periods)
        base = np.where((period > reference) | (base_period == "universal"), reference, period - 1)
        usable = (base >= 0) & (base != period)
        parts.append(np.stack([np.full(n_periods, place), period, base])[:, usable])
    cohort, period, base = np.hstack(parts) if parts else np.empty((3, 0), dtype=np.int64)
    if control_group == "never_treated":
        controls = np.broadcast_to(starts == NEVER, (len(cohort), len(starts)))
    else:
        untreated_until = np.maximum(period, base) + anticipation
        controls = (starts > untreated_until[:, None]) & (np.arange(len(starts)) != cohort[:, None])
    compared = controls.any(axis=1)
    has_effect = np.isin(cohort, cohort[compared & (period >= starts[cohort])])
    return Plan(cohort, period, base, controls).of(compared & has_effect)


def long_leads(adoption: Adoption, control_group: ControlGroup, anticipation: int, n_leads: int) -> Plan:
    """Comparisons of the periods before the base, ``n_leads`` at most for a cohort, with the base itself."""
    plan = plan_of(adoption, control_group, anticipation, "universal")
    return plan.of((plan.period < plan.base) & (plan.period >= plan.base - n_leads))
