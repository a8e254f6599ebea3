"""Figures of results. matplotlib is imported when a figure is asked for; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from liftos_pipeline.causal.results import EffectEstimate

_X_NAMES = ("event_time", "period")


def plot_effect(effect: EffectEstimate) -> Figure:
    """The path over time where there is one, else the estimate with its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.5), layout="constrained")
    axes = figure.add_subplot()
    if effect.path is None:
        axes.errorbar(
            [effect.estimate],
            [0],
            xerr=[[effect.estimate - effect.ci_low], [effect.ci_high - effect.estimate]],
            fmt="o",
            capsize=4,
        )
        axes.axvline(0.0, color="grey", linewidth=0.8)
        axes.set_yticks([0], [f"{effect.method} ({effect.estimand.upper()})"])
        axes.set_xlabel(f"effect, {100 * effect.level:g} % interval")
    else:
        path = effect.path
        time = next(name for name in _X_NAMES if name in path.columns)
        axes.fill_between(path[time], path["band_low"], path["band_high"], alpha=0.2, label="simultaneous band")
        axes.vlines(path[time], path["ci_low"], path["ci_high"], label=f"{100 * effect.level:g} % interval")
        axes.plot(path[time], path["estimate"], "o")
        axes.axhline(0.0, color="grey", linewidth=0.8)
        if time == "event_time":
            axes.axvline(-0.5, color="grey", linewidth=0.8, linestyle="--")
        axes.set_title(f"{effect.method} ({effect.estimand.upper()})")
        axes.set_xlabel(time.replace("_", " "))
        axes.set_ylabel("effect")
        axes.legend()
    if effect.refused is not None:
        axes.set_title("refused: overlap or another gate failed", color="firebrick")
    return figure
