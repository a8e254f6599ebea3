"""Effects of one platform together: totals, net returns and ratios from their joint covariance.

Reads the published rows of ``causal.effect_estimates``; a certificate's widening belongs to every figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.causal.inference.fieller import RatioSet, fieller
from liftos_pipeline.stages.effects import COVARIANCES, name_of
from liftos_pipeline.stages.roles import role_of_column


@dataclass(frozen=True)
class LiftStudy:
    """Share of what a platform reports that a lift study found to be incremental, and its standard error."""

    share: float
    std_error: float


@dataclass(frozen=True)
class Sum:
    """A weighted sum of effects with limits at ``level``; NaN where one of them has none."""

    value: float
    low: float
    high: float
    variance: float


class Joint:
    """Primary effects of one platform with the covariance that they carry.

    Parameters
    ----------
    effects : DataFrame
        Rows of ``causal.effect_estimates`` of one platform, one as-of day.
    study : LiftStudy, optional
        Turns reported sales into incremental ones, whose error counts too.
    """

    def __init__(self, effects: pd.DataFrame, study: LiftStudy | None = None) -> None:
        primary = effects[effects["role"] == "primary"]
        self.platform = str(primary["platform"].iloc[0]) if len(primary) else ""
        self.study = study
        self._rows: dict[str, dict[str, object]] = {
            name_of(row["treatment_type"], row["design"], role_of_column(self.platform, row["outcome"])): row
            for row in primary.to_dict("records")
        }
        self._facts = {name: json.loads(str(row["diagnostics"])) for name, row in self._rows.items()}

    def row(self, name: str) -> Mapping[str, object] | None:
        return self._rows.get(name)

    def treated(self, name: str) -> tuple[int, int]:
        """Units and unit-days of an effect that tells them itself; none where it does not."""
        row, days = self._rows.get(name), self._facts.get(name, {}).get("treated_unit_days", 0)
        return (0, 0) if row is None else (int(float(str(row["n_treated"]))), int(str(days)))

    def is_usable(self, names: Iterable[str]) -> bool:
        """Whether all these effects have a number that may be used."""
        rows = [self._rows.get(name) for name in names]
        return all(
            row is not None and not isinstance(row["refused"], str) and _is_known(row["estimate"]) for row in rows
        )

    def total(self, weights: Mapping[str, float]) -> Sum:
        """Weighted sum of effects by name."""
        names = [name for name, weight in weights.items() if weight != 0.0]
        factor = np.array([weights[name] for name in names])
        estimates = np.array([self.estimate(name) for name in names])
        covariance = self.covariance(names)
        value, variance = float(factor @ estimates), float(factor @ covariance @ factor)
        half = self.quantile(names) * math.sqrt(variance) if variance >= 0.0 else math.nan
        return Sum(value, value - half, value + half, variance)

    def ratio(self, above: Mapping[str, float], below: Mapping[str, float]) -> RatioSet:
        """Ratio of two weighted sums, by Fieller."""
        upper, lower = self.total(above), self.total(below)
        both = {name: above.get(name, 0.0) + below.get(name, 0.0) for name in {**above, **below}}
        names = [*above, *(name for name in below if name not in above)]
        a = np.array([above.get(name, 0.0) for name in names])
        b = np.array([below.get(name, 0.0) for name in names])
        covariance = float(a @ self.covariance(names) @ b)
        return fieller(
            upper.value, lower.value, upper.variance, covariance, lower.variance, self.quantile(list(both))
        )

    def estimate(self, name: str) -> float:
        """An effect per unit-day; sales that a platform reports are calibrated where there is a study."""
        value = float(str(self._rows[name]["estimate"]))
        return value * self._share(name)

    def covariance(self, names: list[str]) -> np.ndarray:
        """Joint covariance, with the error of the lift study and the factors of certificates."""
        spread = np.array([self._std_error(name) for name in names])
        found = np.outer(spread, spread)
        for i, name in enumerate(names):
            told = self._facts[name].get(COVARIANCES, {})
            for j, other in enumerate(names):
                if other in told:
                    found[i, j] = float(told[other]) * self._factor(name) * self._factor(other)
        share = np.array([self._share(name) for name in names])
        found = found * np.outer(share, share)
        if self.study is not None:
            claimed = [float(str(self._rows[name]["estimate"])) * self.is_calibrated(name) for name in names]
            found += self.study.std_error**2 * np.outer(claimed, claimed)
        return found

    def is_calibrated(self, name: str) -> bool:
        """Whether a lift study turned what a platform reports into what is incremental."""
        return self.study is not None and self._rows[name]["label"] == "effect_on_reported"

    def quantile(self, names: list[str]) -> float:
        """Two-sided, of the effect with the fewest degrees of freedom."""
        from scipy import special

        level = float(str(self._rows[names[0]]["level"]))
        freedom = min(_freedom(self._facts[name]) for name in names)
        tail = 0.5 + level / 2
        return float(special.ndtri(tail) if math.isinf(freedom) else special.stdtrit(freedom, tail))

    def _share(self, name: str) -> float:
        return self.study.share if self.study is not None and self.is_calibrated(name) else 1.0

    def _std_error(self, name: str) -> float:
        value = self._rows[name]["std_error"]
        return float(str(value)) * self._factor(name) if _is_known(value) else math.nan

    def _factor(self, name: str) -> float:
        certificate = self._facts[name].get("certificate") or {}
        widening = certificate.get("widening")
        if certificate.get("status") != "widened" or widening is None:
            return 1.0
        return math.inf if isinstance(widening, str) else float(widening)


def _freedom(facts: Mapping[str, object]) -> float:
    found = facts.get("degrees_of_freedom")
    return math.inf if found is None or isinstance(found, str) else float(str(found))


def _is_known(value: object) -> bool:
    return value is not None and not pd.isna(value)
