"""Turns the long panel of one platform into unit x day arrays. Nothing statistical here."""

from __future__ import annotations

from dataclasses import dataclass

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

    def mean(self, name: str, first: np.ndarray, n_days: int) -> np.ndarray:
        """Mean of ``n_days`` days from day index ``first`` (one per unit); NaN if one of them is not observed."""
        values = self.values[name]
        sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        if np.isnan(sums).any():
            index = first[:, None] + np.arange(n_days)
            return np.take_along_axis(values, index, axis=1).mean(axis=1)
        rows = np.arange(len(values))
        return (sums[rows, first + n_days] - sums[rows, first]) / n_days


def to_grid(panel: pd.DataFrame, platform: str, columns: tuple[str, ...]) -> Grid:
    """Pivot the rows of one platform's analysis units.

    Parameters
    ----------
    panel : DataFrame
        ``marketing_panel`` as of one day.
    columns : tuple of str
        Numeric columns to pivot.
    """
    rows = panel[(panel["platform"] == platform) & (panel["unit_type"] == ROLES[platform].unit_type)]
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
