"""What was caused, with its interval, beside what the platform counted over the same days."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, LIGHT, ORANGE, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HALF = 0.18


def draw_attribution(axes: Axes, rows: Sequence[Mapping[str, object]], outcome: str) -> None:
    """One line per row: the platform's bar, the estimate with its interval below it.

    Parameters
    ----------
    rows : sequence of mapping
        ``name``; ``reported``, ``caused``, ``low``, ``high`` in units of the outcome, None where not known; ``note``: what
        stands in place of a number.
    outcome : str
        Name of the axis.
    """
    from matplotlib.ticker import MaxNLocator

    axes.axvline(0.0, color=GREY, linewidth=0.8)
    labels = {"reported": "counted by the platform", "caused": "caused, with its interval", "truth": "truth (simulated)"}
    for place, row in enumerate(rows):
        reported, caused = number(row["reported"]), number(row["caused"])
        if math.isfinite(reported):
            label = labels.pop("reported", None)
            axes.barh(
                [place - _HALF], [reported], height=2 * _HALF, color=LIGHT, edgecolor=GREY, linewidth=0.5, label=label
            )
        if math.isfinite(caused):
            low, high = number(row["low"]), number(row["high"])
            below, above = (abs(caused - end) if math.isfinite(end) else 0.0 for end in (low, high))
            label = labels.pop("caused", None)
            axes.errorbar(
                [caused], [place + _HALF], xerr=[[below], [above]], fmt="o", color=BLUE, capsize=3, label=label
            )
        else:
            axes.text(0.0, place + _HALF, f" {row['note']}", ha="left", va="center", color=GREY, fontsize=8.0)
        truth = number(row.get("truth"))
        if math.isfinite(truth):
            label = labels.pop("truth", None)
            axes.plot([truth], [place + 2.1 * _HALF], "^", color=ORANGE, markersize=4, label=label)
    axes.set_yticks(range(len(rows)), [str(row["name"]) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(outcome)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, columnspacing=1.0, handlelength=1.2)
