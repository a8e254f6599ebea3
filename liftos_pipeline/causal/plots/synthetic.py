"""Synthetic controls: the treated beside what stands for it, the gap among the donors' own, the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, LIGHT, ORANGE, effect_label, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from liftos_pipeline.causal.results import EffectEstimate

_MOST_WEIGHTS = 10
_SMALLEST_WEIGHT = 0.005


def has_synthetic(effect: EffectEstimate) -> bool:
    """Whether the path holds the observed and the synthetic outcome."""
    return effect.path is not None and {"observed", "synthetic"} <= set(effect.path.columns)


def draw_synthetic(axes: Axes, effect: EffectEstimate) -> None:
    """Both outcomes over event time."""
    path = effect.path
    assert path is not None
    axes.plot(path["event_time"], path["observed"], color=ORANGE, linewidth=1.6, label="treated")
    axes.plot(path["event_time"], path["synthetic"], color=BLUE, linewidth=1.6, linestyle="--", label="synthetic")
    axes.axvline(-0.5, color=GREY, linewidth=0.8, linestyle="--", label="start")
    axes.set_xlabel("event time")
    outcome = effect.diagnostics.get("outcome")
    axes.set_ylabel(str(outcome) if isinstance(outcome, str) else "outcome")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2, handlelength=2.0)


def draw_gap(axes: Axes, effect: EffectEstimate) -> None:
    """Treated less synthetic; in grey the same of donors, each by the others."""
    path = effect.path
    assert path is not None
    placebos = effect.diagnostics.get("placebo_gaps")
    lines = placebos if isinstance(placebos, Mapping) else {}
    for place, gaps in enumerate(lines.values()):
        label = f"{len(lines)} donors" if place == 0 else None
        axes.plot(path["event_time"], list(gaps), color=LIGHT, linewidth=0.7, zorder=1, label=label)
    axes.plot(path["event_time"], path["estimate"], color=ORANGE, linewidth=1.6, label="treated", zorder=3)
    axes.axhline(0.0, color=GREY, linewidth=0.8, zorder=2)
    axes.axvline(-0.5, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlabel("event time")
    axes.set_ylabel(effect_label(effect))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1.0, handlelength=1.4)


def has_weights(effect: EffectEstimate) -> bool:
    """Whether the result names donors with their weights, of one synthetic control."""
    return effect.weights is not None and list(effect.weights.columns) == ["unit", "weight"]


def draw_weights(axes: Axes, effect: EffectEstimate) -> None:
    """The largest weights of donors."""
    weights = effect.weights
    assert weights is not None
    by_size = weights.loc[weights["weight"].abs().sort_values(ascending=False).index]
    used = by_size[by_size["weight"].abs() > _SMALLEST_WEIGHT]
    shown = used.head(_MOST_WEIGHTS)
    axes.barh(range(len(shown)), shown["weight"], color=BLUE, height=0.7)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(shown)), [shortened(str(unit)) for unit in shown["unit"]])
    axes.set_ylim(max(len(shown), 3) - 0.4, -0.6)
    rest = len(weights) - len(shown)
    axes.set_xlabel(f"weight of the donor\n({rest} smaller ones not shown)" if rest else "weight of the donor")
