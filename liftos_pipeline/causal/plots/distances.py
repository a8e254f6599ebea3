"""How far measured numbers are from what was asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FURTHEST = 6.0
"""Errors from the aim beyond which bars end."""
_COLOURS = {"pass": "#17603a", "fall short": "#9b1414", "undecided": "#7a4b00"}
_ROW, _FRAME, _WIDTH = 0.26, 0.8, 7.6


def distance_bars(rows: Sequence[tuple[str, float, str]]) -> Figure:
    """One bar a line.

    Parameters
    ----------
    rows : sequence of (name, distance, verdict)
        Distance on the good side of the aim, in errors of the line; ``pass``, ``fall short`` or ``undecided``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _FRAME + _ROW * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    lengths = [max(-FURTHEST, min(FURTHEST, far)) for _, far, _ in rows]
    axes.axvspan(-1.0, 1.0, color="#d4d4d4", alpha=0.5, zorder=0)
    axes.barh(places, lengths, height=0.6, color=[_COLOURS.get(verdict, "#505050") for *_, verdict in rows])
    axes.axvline(0.0, color="#1b1b1b", linewidth=1.0)
    axes.set_yticks(places, [name for name, *_ in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(-FURTHEST, FURTHEST)
    axes.set_xlabel("errors beyond the aim; to the left of 0 it is missed", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure
