"""What a design could see on one panel: fields, words, rows and picture. Computes nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from liftos_pipeline.causal.diagnostics.planned import Design
from liftos_pipeline.causal.simulated_power import SimulatedPower

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Needed:
    """What would let the effect be seen, each alone; None where no number would.

    Attributes
    ----------
    n_treated : int or None
        Units treated, of the panel's own.
    n_units : int or None
        Units in all, the same share of them treated.
    n_post : int or None
        Periods after the start.
    """

    n_treated: int | None
    n_units: int | None
    n_post: int | None


@dataclass(frozen=True)
class PanelNoise:
    """Noise of the panel, about unit and period effects.

    Attributes
    ----------
    sd : float
        Of one row, in outcome units (a share of the outcome for methods that tell proportions).
    autocorrelation : float
        Between successive periods of a unit.
    intraclass : float
        Correlation, within a cluster, of the units' means after the start minus before.
    design_effect : float
        Factor on the variance of the effect for assigning whole clusters; 1 where units are assigned.
    """

    sd: float
    autocorrelation: float
    intraclass: float
    design_effect: float


@dataclass(frozen=True, eq=False)
class Power:
    """What a design could see on one panel. Effects are in outcome units.

    Attributes
    ----------
    design : Design
        n_treated, n_pre, n_post, assigned.
    n_units, n_clusters : int
        In a window of the design, on average.
    mean : float
        Of the untreated outcome: relative effects are shares of it.
    detectable, detectable_low, detectable_high : float
        Smallest effect that is told from zero with probability ``power``, without sign: the one announced. Simulated,
        with Monte-Carlo limits; by formula, without limits (NaN), where nothing was simulated. Infinite where no effect
        that was tried is seen as often.
    analytic : float
        The same by formula, with clusters and serial correlation.
    allowance : float
        Factor in both for how well the panel shows its noise: near 1 where it holds many windows of the design's length
        end to end, above where it holds one, or few clusters.
    independent : float
        The same as if errors were independent: too small wherever they are not, for comparison only.
    effect, effect_power, effect_power_low, effect_power_high : float
        The effect asked for, with its sign, and the chance to see it; NaN where none was.
    can_see : bool or None
        Whether ``detectable`` is at most the effect asked for, by a method whose size is not above what a certificate
        allows; None where none was.
    reason : str or None
        Why the effect cannot be seen, and what would be needed.
    needed : Needed
    simulated : SimulatedPower or None
    noise : PanelNoise
    curve : DataFrame
        effect, effect_relative, power, power_low, power_high (simulated), power_analytic, power_independent.
    designs : DataFrame
        n_treated, n_pre, n_post, detectable (by formula, on the scale of the simulated answer), analytic, can_see,
        is_extrapolated (the window is longer than the panel).
    recommended : mapping or None
        The fewest treated unit-periods among ``designs`` whose simulated power for the effect is as asked: n_treated,
        n_pre, n_post, power, power_low, power_high.
    """

    method: str
    outcome: str
    level: float
    power: float
    seed: int
    design: Design
    n_units: int
    n_clusters: int
    mean: float
    detectable: float
    detectable_low: float
    detectable_high: float
    analytic: float
    allowance: float
    independent: float
    effect: float
    effect_power: float
    effect_power_low: float
    effect_power_high: float
    can_see: bool | None
    reason: str | None
    needed: Needed
    simulated: SimulatedPower | None
    noise: PanelNoise
    curve: pd.DataFrame
    designs: pd.DataFrame
    recommended: Mapping[str, float] | None
    warnings: tuple[str, ...]

    @property
    def detectable_relative(self) -> float:
        """``detectable`` as a share of the mean; NaN where that is not positive."""
        return self.relative(self.detectable)

    def relative(self, effect: float) -> float:
        """An effect as a share of the untreated mean; NaN where that is not positive."""
        return effect / self.mean if self.mean > 0 else math.nan

    def summary(self) -> str:
        """What the design sees, and what it would take, in a few lines."""
        from liftos_pipeline.causal.power_summary import describe_power

        return describe_power(self)

    def to_dict(self) -> dict[str, object]:
        """Fields and rows as JSON types; NaN becomes None, an infinite number ``"Infinity"``."""
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        relative = {name: _plain(self.relative(getattr(self, name))) for name in ("detectable", "effect")}
        return fields | {f"{name}_relative": value for name, value in relative.items()}

    def plot(self) -> Figure:
        """Power over effects, and the detectable effect over durations and numbers of units treated."""
        from liftos_pipeline.causal.plots.power import plot_power

        return plot_power(self)


def _plain(value: object) -> object:
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict("records")]
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        value = None if math.isnan(value) else str(value).replace("inf", "Infinity")
    return value
