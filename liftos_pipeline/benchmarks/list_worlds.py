"""Made-up mailing lists with a known drift of the hazard of leaving. No measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Shocks = Literal["weekly", "daily AR(.5)", "daily AR(.7)", "ARMA", "t(3)", "outliers", "weekdays"]
BURN_IN = 100
OUTLIER_SHARE = 0.04


@dataclass(frozen=True)
class ListWorld:
    """Lists that subscribers join at a constant rate and leave with the daily hazard

    ``exp(log(base) + age_slope * log(1 + weeks of age) + drift * days / 30 + shock)``.

    ``drift`` is per month; ``shock_sd`` is the standard deviation of the shock that all subscribers of a list share.
    """

    drift: float = 0.0
    shock_sd: float = 0.15
    shocks: Shocks = "weekly"
    age_slope: float = -0.4
    base: float = 0.004
    joins: int = 40
    n_days: int = 182

    def draw(self, n_lists: int, rng: np.random.Generator) -> pd.DataFrame:
        """One row per subscriber: list, start, end (days), left; ``end`` of those who stay is the last day."""
        shock = self._shock(n_lists, rng) + self.drift * np.arange(self.n_days) / 30.0
        alive = np.full((n_lists, self.n_days), self.joins)
        found = []
        for age in range(self.n_days):
            n_starts = self.n_days - age
            log_hazard = np.log(self.base) + self.age_slope * np.log1p(age / 7.0) + shock[:, age:]
            left = rng.binomial(alive[:, :n_starts], -np.expm1(-np.exp(log_hazard)))
            alive[:, :n_starts] -= left
            found.append(_rows(left, age, 1))
        lists, starts = np.nonzero(alive)
        stay = np.stack(
            [lists, starts, np.full(len(lists), self.n_days - 1), np.zeros_like(lists), alive[alive > 0]]
        )
        cells = np.concatenate([*found, stay], axis=1)
        rows = np.repeat(cells[:4], cells[4], axis=1)
        return pd.DataFrame(dict(zip(("list", "start", "end", "left"), rows, strict=True)))

    def _shock(self, n_lists: int, rng: np.random.Generator) -> Floats:
        n_weeks = -(-self.n_days // 7)
        if self.shocks == "weekly":
            weeks = rng.standard_normal((n_lists, n_weeks))
        elif self.shocks == "t(3)":
            weeks = rng.standard_t(3, (n_lists, n_weeks)) / np.sqrt(3.0)
        elif self.shocks == "outliers":
            weeks = np.log(3.0) / self.shock_sd * (rng.random((n_lists, n_weeks)) < OUTLIER_SHARE)
        else:
            return self.shock_sd * self._daily(n_lists, rng)
        shock: Floats = self.shock_sd * np.repeat(weeks, 7, axis=1)[:, : self.n_days]
        return shock

    def _daily(self, n_lists: int, rng: np.random.Generator) -> Floats:
        if self.shocks == "weekdays":
            return np.tile(np.sqrt(2.0) * np.sin(2.0 * np.pi * np.arange(self.n_days) / 7.0), (n_lists, 1))
        rho = {"daily AR(.5)": 0.5, "daily AR(.7)": 0.7, "ARMA": 0.8}[self.shocks]
        series = autoregression(n_lists, self.n_days, rho, rng)
        if self.shocks == "ARMA":
            scale = np.sqrt(1.0 - rho**2)
            series = (series / scale + rng.standard_normal(series.shape)) / np.sqrt(1.0 / scale**2 + 1.0)
        return series


def autoregression(n_series: int, n_days: int, rho: float, rng: np.random.Generator) -> Floats:
    """Stationary AR(1) series with unit variance, shape (n_series, n_days)."""
    from scipy.signal import lfilter

    shocks = rng.standard_normal((n_series, n_days + BURN_IN))
    series: Floats = np.sqrt(1.0 - rho**2) * lfilter([1.0], [1.0, -rho], shocks, axis=1)[:, BURN_IN:]
    return series


def _rows(counts: NDArray[np.int64], age: int, left: int) -> NDArray[np.int64]:
    lists, starts = np.nonzero(counts)
    return np.stack([lists, starts, starts + age, np.full(len(lists), left), counts[lists, starts]])
