"""Heat map of group-time effects: cohorts by periods."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from liftos_pipeline.causal.plots.style import effect_label, label_places, number, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from liftos_pipeline.causal.results import EffectEstimate

_MOST_NUMBERS = 90
_MOST_ROW_LABELS = 12
_DARK = 0.6


def has_group_times(effect: EffectEstimate) -> bool:
    """Whether the result holds an effect per cohort and period."""
    return bool(records(effect, "group_times"))


def draw_group_times(axes: Axes, effect: EffectEstimate) -> None:
    """One cell per cohort and period; a line where each cohort adopts; empty where nothing could be computed."""
    entries = records(effect, "group_times")
    cohorts = sorted({entry["group"] for entry in entries}, key=_order)
    periods = sorted({entry["period"] for entry in entries} | set(cohorts), key=_order)
    values = np.full((len(cohorts), len(periods)), math.nan)
    for entry in entries:
        values[cohorts.index(entry["group"]), periods.index(entry["period"])] = number(entry["estimate"])
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    limit = largest or 1.0
    image = axes.imshow(values, aspect="auto", cmap="PuOr_r", vmin=-limit, vmax=limit)
    for row, cohort in enumerate(cohorts):
        start = periods.index(cohort) - 0.5
        axes.plot([start, start], [row - 0.5, row + 0.5], color="black", linewidth=2.0)
    if values.size <= _MOST_NUMBERS:
        _write_numbers(axes, values, limit)
    _label(axes, [_text(period) for period in periods], [_text(cohort) for cohort in cohorts])
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(effect_label(effect))
    axes.set_title("effect by cohort and period (black line: adoption)")


def _write_numbers(axes: Axes, values: np.ndarray, limit: float) -> None:
    decimals = max(0, 1 - math.floor(math.log10(limit)))
    for (row, column), value in np.ndenumerate(values):
        if math.isfinite(value):
            colour = "white" if abs(value) > _DARK * limit else "black"
            axes.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize=7, color=colour)


def _label(axes: Axes, periods: list[str], cohorts: list[str]) -> None:
    rows = range(0, len(cohorts), -(-len(cohorts) // _MOST_ROW_LABELS))
    for axis, labels, places in ((axes.xaxis, periods, label_places(periods)), (axes.yaxis, cohorts, rows)):
        axis.set_ticks(list(places), [labels[place] for place in places])
    axes.tick_params(length=0)
    axes.set_xlabel("period")
    axes.set_ylabel("period of adoption")


def _order(label: object) -> tuple[float, str]:
    """Numbers by size, everything else by its text; ISO dates sort in time."""
    return (float(label), "") if isinstance(label, int | float) else (0.0, str(label))


def _text(label: object) -> str:
    return str(label).removesuffix(" 00:00:00")
