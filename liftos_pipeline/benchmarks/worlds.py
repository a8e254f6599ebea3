"""Noise that detectors must stay silent on, and the long tables they read. No detector is called here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BURN_IN = 200
OUTLIER_RATE = 0.002
OUTLIER_FACTORS = 3.0, 10.0
WEEK_AMPLITUDE = 0.12


@dataclass(frozen=True)
class Noise:
    """Errors of unit variance: an AR(1), Gaussian or Student t(3), with an equal variance of white noise if ``mixed``.

    ``weekly`` adds a cycle of .12 log points, ``outliers`` multiplies .2 % of the days by 3 to 10.
    """

    rho: float = 0.0
    heavy: bool = False
    mixed: bool = False
    weekly: bool = False
    outliers: bool = False

    def draw(self, n_series: int, n_days: int, sd: float, rng: np.random.Generator) -> Floats:
        """Shape (n_series, n_days), in log points."""
        shape = (n_days + BURN_IN, n_series)
        shocks = rng.standard_t(3, shape) / np.sqrt(3.0) if self.heavy else rng.standard_normal(shape)
        for day in range(1, len(shocks)):
            shocks[day] += self.rho * shocks[day - 1]
        errors = np.sqrt(1.0 - self.rho**2) * shocks[BURN_IN:].T
        if self.mixed:
            errors = (errors + rng.standard_normal(errors.shape)) / np.sqrt(2.0)
        values = sd * errors
        if self.weekly:
            phase = rng.uniform(0.0, 2.0 * np.pi, (n_series, 1))
            values = values + WEEK_AMPLITUDE * np.sin(2.0 * np.pi * np.arange(n_days) / 7.0 + phase)
        if self.outliers:
            hit = rng.random(values.shape) < OUTLIER_RATE
            values = values + hit * np.log(rng.uniform(*OUTLIER_FACTORS, values.shape))
        return values


NULLS: dict[str, tuple[Noise, float]] = {
    "independent": (Noise(), 0.05),
    "AR(.3)": (Noise(0.3), 0.05),
    "AR(.5)": (Noise(0.5), 0.05),
    "AR(.7)": (Noise(0.7), 0.05),
    "AR(.5), weekly": (Noise(0.5, weekly=True), 0.05),
    "AR(.7), outliers": (Noise(0.7, outliers=True), 0.05),
    "t(3)": (Noise(heavy=True), 0.07),
    "AR(.5), t(3)": (Noise(0.5, heavy=True), 0.07),
    "AR(.8) plus noise": (Noise(0.8, mixed=True), 0.07),
}
"""World to its noise and the largest share of false positives that is asked for."""


def long_table(columns: Mapping[str, Floats]) -> pd.DataFrame:
    """Grids of shape (n_series, n_days) as one row per unit and day."""
    n_series, n_days = next(iter(columns.values())).shape
    index = {"unit": np.repeat(np.arange(n_series), n_days), "day": np.tile(np.arange(n_days), n_series)}
    return pd.DataFrame({**index, **{name: grid.ravel() for name, grid in columns.items()}})
