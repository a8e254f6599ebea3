"""Turns the long panel of one platform into unit x day arrays. Nothing statistical here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from liftos_pipeline.stages.roles import ROLES


@dataclass(frozen=True)
class Grid:
    """Arrays of one platform. ``values[name]``: ndarray, shape (n_units, n_days), NaN where not observed."""

    platform: str
    units: np.ndarray
    days: np.ndarray
    values: dict[str, np.ndarray]

    def mean(self, name: str, units: np.ndarray, first: np.ndarray, n_days: int) -> np.ndarray:
        """Mean of ``n_days`` days from day index ``first``, for chosen units; NaN if one of them is not observed.

        Parameters
        ----------
        units, first : ndarray, shape (n_chosen,)
            Indices of units, and of the first day of each.
        """
        sums, unknown = self._running[name]
        last = first + n_days
        is_known = unknown[units, last] == unknown[units, first]
        return np.where(is_known, (sums[units, last] - sums[units, first]) / n_days, np.nan)

    def mean_of_known(self, name: str, units: np.ndarray, first: np.ndarray, n_days: int) -> np.ndarray:
        """The same over those of the days that are observed; NaN if none is."""
        sums, unknown = self._running[name]
        last = first + n_days
        n_known = n_days - (unknown[units, last] - unknown[units, first])
        total = sums[units, last] - sums[units, first]
        return np.divide(total, n_known, out=np.full(total.shape, np.nan), where=n_known > 0)

    @cached_property
    def _running(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Per column the sum of what is known before each day, and how many days are not."""
        running = {}
        for name, values in self.values.items():
            known = np.isfinite(values)
            start = np.zeros((len(values), 1))
            sums = np.concatenate([start, np.cumsum(np.where(known, values, 0.0), axis=1)], axis=1)
            running[name] = sums, np.concatenate([start, np.cumsum(~known, axis=1)], axis=1)
        return running


def to_grid(panel: pd.DataFrame, platform: str, columns: tuple[str, ...], unit_type: str | None = None) -> Grid:
    """Pivot the rows of one platform's analysis units, or of its units of another type.

    Parameters
    ----------
    panel : DataFrame
        ``marketing_panel`` as of one day.
    columns : tuple of str
        Numeric columns to pivot.
    """
    rows = panel[
        (panel["platform"] == platform) & (panel["unit_type"] == (unit_type or ROLES[platform].unit_type))
    ]
    unit_codes, units = pd.factorize(rows["unit_id"], sort=True)
    dates = rows["date_day"].to_numpy(dtype="datetime64[D]")
    if len(dates) == 0:
        return Grid(platform, np.array([], dtype=object), np.array([], dtype="datetime64[D]"), {})
    days = np.arange(dates.min(), dates.max() + 1)
    day_codes = (dates - days[0]).astype(int)
    values = {}
    for name in columns:
        block = np.full((len(units), len(days)), np.nan)
        block[unit_codes, day_codes] = rows[name].to_numpy(dtype=float, na_value=np.nan)
        values[name] = block
    return Grid(platform, np.asarray(units, dtype=object), days, values)
