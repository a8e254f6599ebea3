"""Figures as small PNG files, for the metadata of assets: 640 pixels wide, few colours, no text outside."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.attribution import draw_attribution
from liftos_pipeline.causal.plots.forest import draw_forest
from liftos_pipeline.causal.plots.grid import State, draw_grid
from liftos_pipeline.causal.plots.style import DPI, STYLE, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = 32
_ROW, _FRAME = 0.3, 0.9
"""Inches."""


def small_forest(rows: Sequence[Mapping[str, object]], label: str) -> bytes:
    """Effects with their intervals; see ``draw_forest``."""
    return _png(lambda axes: draw_forest(axes, rows, label), len(rows))


def small_attribution(rows: Sequence[Mapping[str, object]], outcome: str) -> bytes:
    """Caused beside reported; see ``draw_attribution``."""
    return _png(lambda axes: draw_attribution(axes, rows, outcome), 1.6 * len(rows))


def small_grid(cells: Mapping[tuple[str, str], tuple[str, State]], columns: Sequence[str] = ()) -> bytes:
    """States of things; see ``draw_grid``."""
    return _png(lambda axes: draw_grid(axes, cells, columns), len({row for row, _ in cells}))


def png_of(figure: Figure) -> bytes:
    """A figure with few colours: a tenth of the size."""
    from PIL import Image

    page, small = io.BytesIO(), io.BytesIO()
    figure.savefig(page, format="png")
    Image.open(page).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def _png(draw: Callable[[Axes], None], n_rows: float) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, _FRAME + _ROW * max(n_rows, 3)), dpi=DPI, layout="constrained")
        draw(figure.add_subplot())
        return png_of(figure)
