"""Propensity scores of the arms, mirrored, with the thresholds of the judgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, LIGHT, ORANGE, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from liftos_pipeline.causal.results import EffectEstimate


def has_overlap(effect: EffectEstimate) -> bool:
    """Whether the result holds the histogram of its scores."""
    return isinstance(effect.diagnostics.get("overlap_histogram"), Mapping)


def draw_overlap(axes: Axes, effect: EffectEstimate) -> None:
    """Treated rows upwards, control rows downwards."""
    from matplotlib.ticker import MaxNLocator

    found = effect.diagnostics["overlap_histogram"]
    assert isinstance(found, Mapping)
    edges, treated, control = (list(found[name]) for name in ("edges", "treated", "control"))
    low, high = number(found["low"]), number(found["high"])
    width = edges[1] - edges[0]
    for start, end in ((0.0, low), (high, 1.0)):
        axes.axvspan(start, end, color=LIGHT, alpha=0.6, linewidth=0)
    axes.bar(edges[:-1], treated, width, align="edge", color=ORANGE, label=f"treated ({sum(treated):,})")
    below = [-count for count in control]
    axes.bar(edges[:-1], below, width, align="edge", color=BLUE, label=f"control ({sum(control):,})")
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlim(0.0, 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_ylabel("rows")
    axes.set_xlabel(f"propensity score\n(grey: beyond {low:g}, {high:g})")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2, columnspacing=1.0, handlelength=1.0)
