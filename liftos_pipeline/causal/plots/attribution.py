"""What was caused, with its interval, beside what the platform counted over the same days."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, LIGHT, ORANGE, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HALF = 0.18
_REPORTED, _CAUSED, _TRUTH = "counted by the platform", "caused, with its interval", "truth (simulated)"


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
    for place, row in enumerate(rows):
        reported, caused = number(row["reported"]), number(row["caused"])
        if math.isfinite(reported):
            axes.barh(
                [place - _HALF],
                [reported],
                height=2 * _HALF,
                color=LIGHT,
                edgecolor=GREY,
                linewidth=0.5,
                label=_REPORTED,
            )
        if math.isfinite(caused):
            low, high = number(row["low"]), number(row["high"])
            below, above = (abs(caused - end) if math.isfinite(end) else 0.0 for end in (low, high))
            axes.errorbar(
                [caused], [place + _HALF], xerr=[[below], [above]], fmt="o", color=BLUE, capsize=3, label=_CAUSED
            )
        else:
            axes.text(0.0, place + _HALF, f" {row['note']}", ha="left", va="center", color=GREY, fontsize=8.0)
        truth = number(row.get("truth"))
        if math.isfinite(truth):
            axes.plot([truth], [place + 2.1 * _HALF], "^", color=ORANGE, markersize=4, label=_TRUTH)
    axes.set_yticks(range(len(rows)), [str(row["name"]) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(outcome)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    shown = [name for name in (_REPORTED, _CAUSED, _TRUTH) if name in handles]
    axes.legend(
        [handles[name] for name in shown],
        shown,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        columnspacing=1.0,
        handlelength=1.2,
    )
