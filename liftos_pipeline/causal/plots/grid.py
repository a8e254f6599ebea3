"""A table whose cells are coloured by how good they are; each says in a word what its colour means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from liftos_pipeline.causal.plots.style import LIGHT, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

State = Literal["good", "fair", "poor", "none"]

_COLOURS: dict[State, str] = {"good": "#A6D8C6", "fair": "#F6E3A1", "poor": "#F0B49A", "none": LIGHT}
"""Light enough for black letters on them: contrast of 11 and more."""
_TICK = STYLE["font.size"]


def draw_grid(axes: Axes, cells: Mapping[tuple[str, str], tuple[str, State]], columns: Sequence[str] = ()) -> None:
    """Rows in the order in which they first come; where there is no cell, nothing is drawn.

    Parameters
    ----------
    cells : mapping
        (row, column) -> word in the cell and its state.
    columns : sequence of str
        Their order; that in which they first come if empty.
    """
    from matplotlib.patches import Rectangle

    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(columns or dict.fromkeys(column for _, column in cells))
    for (row, column), (word, state) in cells.items():
        x, y = columns.index(column), rows.index(row)
        axes.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, facecolor=_COLOURS[state], linewidth=0))
        axes.text(x + 0.5, y + 0.5, word, ha="center", va="center", fontsize=8.0)
    axes.set_xlim(0, max(len(columns), 1))
    axes.set_ylim(max(len(rows), 1), 0)
    axes.set_xticks([place + 0.5 for place in range(len(columns))], columns)
    axes.set_yticks([place + 0.5 for place in range(len(rows))], rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=_TICK)
    for spine in axes.spines.values():
        spine.set_visible(False)
