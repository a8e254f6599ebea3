"""Several effects below each other, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_forest(axes: Axes, rows: Sequence[Mapping[str, object]], label: str) -> None:
    """A line per row; a row without a number says its note instead.

    Parameters
    ----------
    rows : sequence of mapping
        ``name``; ``estimate``, ``low``, ``high`` in one unit, None or NaN where not known; ``note``: what stands in place of
        a number, or in grey beside one that must not be used.
    label : str
        Name of the axis, with its unit.
    """
    from matplotlib.ticker import MaxNLocator

    axes.axvline(0.0, color=GREY, linewidth=0.8)
    for place, row in enumerate(rows):
        estimate, note = number(row["estimate"]), str(row["note"] or "")
        colour = GREY if note else BLUE
        if not math.isfinite(estimate):
            axes.text(0.0, place, f" {note or 'no number'}", ha="left", va="center", color=GREY, fontsize=8.0)
            continue
        low, high = number(row["low"]), number(row["high"])
        below, above = (abs(estimate - end) if math.isfinite(end) else 0.0 for end in (low, high))
        axes.errorbar([estimate], [place], xerr=[[below], [above]], fmt="o", color=colour, capsize=3)
        if note:
            axes.annotate(
                note, (estimate, place), (0, 5), textcoords="offset points", ha="center", color=GREY, fontsize=7.0
            )
    axes.set_yticks(range(len(rows)), [str(row["name"]) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(label)
