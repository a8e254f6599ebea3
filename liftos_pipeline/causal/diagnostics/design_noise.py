"""What a design could see, by formula: the noise of long differences in the panel's own untreated windows, or in a fitted
autoregression where the window is longer than the panel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.planned import Design, Untreated
from liftos_pipeline.causal.diagnostics.replays import MIN_CONTROLS
from liftos_pipeline.causal.inference.long_difference import (
    Components,
    Noise,
    detectable_multiple,
    fit_noise,
    long_differences,
    semivariogram,
    standard_error,
    usable_windows,
    variance_components,
)
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

HORIZON = 8
"""Of the panel's periods: durations are looked for up to so many times as many."""
SHOWN = 2
"""A window other than the design's speaks for itself where the panel holds so many of it end to end. Fewer would let the
best of many designs be the luckiest; those are told from the design's own window and the fitted autocorrelation."""
RESIDUAL_WINDOWS = 5
"""Whose residuals the independent-errors variance is taken from."""


@dataclass(frozen=True)
class Reach:
    """What one design leaves visible.

    Attributes
    ----------
    std_error, detectable : float
        Of the effect, and the effect seen with the power asked for; units of the table of outcomes.
    freedom : float
        Degrees of freedom of the limits: clusters (or units) less one.
    allowance : float
        Factor in ``detectable`` for noise that is known from few stretches of time; near 1 in long panels.
    is_extrapolated : bool
        Whether the window is longer than what the panel shows.
    """

    std_error: float
    detectable: float
    freedom: float
    allowance: float
    is_extrapolated: bool


@dataclass(frozen=True)
class Measured:
    """Variances of the long difference in the panel's windows; units of a window on average, clusters in any; how many
    windows the panel holds end to end."""

    parts: Components
    n_units: float
    n_clusters: int
    stretches: float


@dataclass(frozen=True, eq=False)
class DesignNoise:
    """Noise of a panel under designs like ``design``.

    Attributes
    ----------
    untreated : Untreated
    design : Design
        Fits into the panel; others are compared with it.
    level, power : float
    weight_factor : float
        Mean square of the units' weights over their squared mean.
    scale : float
        Factor on standard errors: 1, or what a method's simulated precision is against the formula's.
    """

    untreated: Untreated
    design: Design
    level: float
    power: float
    weight_factor: float = 1.0
    scale: float = 1.0
    _measured: dict[tuple[int, int], Measured] = field(default_factory=dict)

    @cached_property
    def noise(self) -> Noise:
        """Fitted to changes over all lags."""
        return fit_noise(*semivariogram(self.untreated.Y))

    def measured(self, n_pre: int, n_post: int) -> Measured:
        """Noise in all windows of this length."""
        key = n_pre, n_post
        if key not in self._measured:
            length = n_pre + n_post
            usable = self.untreated.windows(length, 2 * MIN_CONTROLS)
            D, cluster = long_differences(self.untreated.Y, n_pre, n_post), self.untreated.cluster
            n_windows = int(usable.any(axis=0).sum())
            self._measured[key] = Measured(
                variance_components(D, usable, cluster),
                float(usable.sum()) / n_windows,
                len(np.unique(cluster[usable.any(axis=1)])),
                (n_windows + length - 1) / length,
            )
        return self._measured[key]

    @property
    def n_units(self) -> float:
        """Units in a window of the design, on average."""
        return self.measured(self.design.n_pre, self.design.n_post).n_units

    def fits(self, design: Design) -> bool:
        """Whether the panel has a window of this length with enough units."""
        if design.length > self.untreated.Y.shape[1]:
            return False
        least = max(design.n_treated + MIN_CONTROLS, 2 * MIN_CONTROLS)
        return bool((usable_windows(self.untreated.Y, design.length).sum(axis=0) >= least).any())

    def reach(self, design: Design, n_units: float | None = None) -> Reach:
        """What a design could see, with the panel's number of units or another.

        References
        ----------
        Burlig, Preonas and Woerman (2020), JDE 144, equation 2, with any share treated and clusters assigned whole.
        """
        is_extrapolated = not self.fits(replace(design, n_treated=1))
        own, asked = (self.design.n_pre, self.design.n_post), (design.n_pre, design.n_post)
        is_shown = asked == own or not (is_extrapolated or SHOWN * design.length > self.untreated.Y.shape[1])
        seen = self.measured(*(asked if is_shown else own))
        variance = seen.parts.total * self.weight_factor * self.scale**2
        if not is_shown and variance > 0:
            model = self.noise.long_difference_variance
            variance *= model(*asked) / model(*own)
        n_assigned: float = seen.n_units
        if design.assigned == "cluster":
            variance *= seen.parts.design_effect
            n_assigned = seen.n_clusters
        n = seen.n_units if n_units is None else n_units
        freedom = max(seen.n_clusters * n / seen.n_units - 1.0, 1.0)
        error = standard_error(variance, design.n_treated, n - design.n_treated)
        multiples = [
            detectable_multiple(freedom, self.level, self.power, known)
            for known in (math.inf, (n_assigned - 1.0) * seen.stretches)
        ]
        return Reach(error, error * multiples[1], freedom, multiples[1] / multiples[0], is_extrapolated)

    def independent(self) -> Reach:
        """What the design could see if errors were independent, which they are not: for comparison only."""
        variance = self._residual_variance() * (1.0 / self.design.n_pre + 1.0 / self.design.n_post)
        n = self.n_units
        error = standard_error(variance, self.design.n_treated, n - self.design.n_treated)
        freedom = max(n - 1.0, 1.0)
        return Reach(error, error * detectable_multiple(freedom, self.level, self.power), freedom, 1.0, False)

    def _residual_variance(self) -> float:
        """Of outcomes less unit and period means, in a few windows."""
        length = self.design.length
        usable = self.untreated.windows(length, 2 * MIN_CONTROLS)
        firsts = np.flatnonzero(usable.any(axis=0))
        squares, freedom = 0.0, 0
        for first in firsts[np.linspace(0, len(firsts) - 1, min(RESIDUAL_WINDOWS, len(firsts))).astype(int)]:
            block = self.untreated.Y[usable[:, first], first : first + length]
            left = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
            squares, freedom = squares + float((left**2).sum()), freedom + (len(block) - 1) * (length - 1)
        return squares / freedom

    def treated_needed(self, effect: float) -> int | None:
        """Fewest of the panel's units that, treated, show an effect; None if no number does."""
        most = max(1, math.floor(self.n_units / 2))

        def sees(n: int) -> bool:
            return self.reach(replace(self.design, n_treated=n)).detectable <= effect

        return _first(sees, most) if sees(most) else None

    def units_needed(self, effect: float) -> int:
        """Units in all that show an effect with the design's share treated."""
        share = self.design.n_treated / self.n_units
        least = max(2.0 / share, 2.0 / (1.0 - share))

        def sees(n: int) -> bool:
            design = replace(self.design, n_treated=max(1, round(share * n)))
            return n >= least and self.reach(design, n).detectable <= effect

        return _first(sees, 1 << 40)

    def post_needed(self, effect: float) -> int | None:
        """Fewest periods after the start that show an effect; None if no duration within the horizon does."""
        longest = HORIZON * self.untreated.Y.shape[1]

        def sees(n: int) -> bool:
            return self.reach(replace(self.design, n_post=n)).detectable <= effect

        return _first(sees, longest) if sees(longest) else None


def _first(sees: Callable[[int], bool], largest: int) -> int:
    """Smallest number that passes, where those above it pass too."""
    low, high = 0, 1
    while high < largest and not sees(high):
        low, high = high, min(2 * high, largest)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if sees(middle) else (middle, high)
    return high


def table_of_outcomes(untreated: Untreated, is_proportional: bool) -> Untreated:
    """Outcomes, or their logarithms where a method tells proportions.

    Raises
    ------
    LiftosError
        Outcomes that are not positive have no logarithm.
    """
    if not is_proportional:
        return untreated
    if np.nanmin(untreated.Y) <= 0:
        raise LiftosError(
            "positive outcomes for a method that tells proportions",
            f"a smallest one of {np.nanmin(untreated.Y):.6g}",
            "Use a method in outcome units, such as did, or longer periods.",
        )
    return replace(untreated, Y=np.log(untreated.Y))
