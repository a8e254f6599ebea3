"""The power curve, and the detectable effect of other durations and numbers of treated units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from liftos_pipeline.causal.plots.style import ALARM, BLUE, DPI, GREY, ORANGE, STYLE, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from liftos_pipeline.causal.power_result import Power

_HEIGHT = 3.6


def plot_power(found: Power) -> Figure:
    """Left: simulated power with limits, both formulas. Right: detectable effect over periods after the start."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH + 2.4, _HEIGHT), dpi=DPI, layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_curve(left, found)
        _draw_designs(right, found)
        design = found.design
        figure.suptitle(
            f"power of {found.method}: {design.n_treated} of {found.n_units} units, {design.n_pre} periods before, "
            f"{design.n_post} after"
        )
    return figure


def _draw_curve(axes: Axes, found: Power) -> None:
    curve = found.curve
    effects = curve["effect"].to_numpy()
    axes.axhline(100 * found.power, color=GREY, linewidth=0.8)
    axes.plot(
        effects, 100 * curve["power_independent"], color=ORANGE, linestyle=":", label="independent errors (wrong)"
    )
    axes.plot(effects, 100 * curve["power_analytic"], color=GREY, linestyle="--", label="formula")
    if found.simulated is not None:
        sides = np.clip([curve["power"] - curve["power_low"], curve["power_high"] - curve["power"]], 0.0, None)
        axes.errorbar(
            effects, 100 * curve["power"], yerr=100 * sides, color=BLUE, marker="o", markersize=4, capsize=2,
            linewidth=1.0, label="simulated on this panel",
        )  # fmt: skip
    if math.isfinite(found.detectable):
        axes.plot(
            [found.detectable], [100 * found.power], marker="D", color=BLUE, linestyle="", label="detectable"
        )
    if not math.isnan(found.effect):
        axes.axvline(abs(found.effect), color=ALARM, linewidth=1.0, label="effect asked for")
    axes.set_xlim(0, None)
    axes.set_ylim(0, 103)
    axes.set_xlabel(f"effect on {found.outcome} (outcome units)")
    axes.set_ylabel("power, %")
    axes.legend(loc="lower right")


def _draw_designs(axes: Axes, found: Power) -> None:
    """A line per number of treated units; hollow where the window is longer than the panel."""
    import matplotlib as mpl

    counts = sorted(found.designs["n_treated"].unique())
    shades = mpl.colormaps["viridis"](np.linspace(0.85, 0.05, len(counts)))
    for n_treated, shade in zip(counts, shades, strict=True):
        part = found.designs[found.designs["n_treated"] == n_treated].sort_values("n_post")
        axes.plot(part["n_post"], part["detectable"], color=shade, linewidth=1.2, label=str(n_treated))
        for is_extrapolated, face in ((False, shade), (True, "white")):
            points = part[part["is_extrapolated"] == is_extrapolated]
            axes.plot(points["n_post"], points["detectable"], "o", color=shade, markersize=4, markerfacecolor=face)
    if not math.isnan(found.effect):
        axes.axhline(abs(found.effect), color=ALARM, linewidth=1.0)
    durations = sorted(found.designs["n_post"].unique())
    axes.set_xscale("log")
    axes.set_xticks(durations, [str(n) for n in durations])
    axes.minorticks_off()
    axes.set_ylim(0, None)
    axes.set_xlabel("periods after the start")
    axes.set_ylabel("smallest effect seen")
    axes.legend(title="units treated", ncols=2)
