"""Figures 400 pixels wide, for pages that are read on a telephone too: one panel each, letters as text."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.attribution import draw_attribution
from liftos_pipeline.causal.plots.overlap import draw_overlap
from liftos_pipeline.causal.plots.path import draw_path
from liftos_pipeline.causal.plots.style import STYLE
from liftos_pipeline.causal.plots.synthetic import draw_gap
from liftos_pipeline.causal.plots.timeline import draw_timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

    from liftos_pipeline.causal.results import EffectEstimate

WIDTH, HEIGHT = 4.2, 2.9
"""Inches."""
_ROW, _FRAME = 0.44, 1.0
_FONTS = ["DejaVu Sans", "Arial", "Helvetica"]
_AS_TEXT: dict[RcKeyType, object] = {"svg.fonttype": "none", "svg.hashsalt": "liftos", "font.sans-serif": _FONTS}
"""Letters stay letters: small, and sharp at any size. The salt makes equal figures equal bytes."""


def narrow_path(effect: EffectEstimate) -> Figure:
    """The effect by weeks since the start."""

    def draw(axes: Axes) -> None:
        draw_path(axes, effect)
        _in_weeks(axes, effect)
        axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2, columnspacing=1.2, handlelength=1.5)

    return _figure(draw, left=0.16, top=0.84)


def narrow_gap(effect: EffectEstimate) -> Figure:
    """A synthetic control's gap beside those of its donors."""

    def draw(axes: Axes) -> None:
        draw_gap(axes, effect)
        _in_weeks(axes, effect)

    return _figure(draw, left=0.16, top=0.88)


def narrow_overlap(effect: EffectEstimate) -> Figure:
    """Propensity scores of both arms."""
    return _figure(lambda axes: draw_overlap(axes, effect), left=0.16, top=0.88, bottom=0.22)


def narrow_attribution(rows: Sequence[Mapping[str, object]], outcome: str) -> Figure:
    """Caused beside reported; see ``draw_attribution``."""
    height = _FRAME + _ROW * max(len(rows), 2)
    margins = {"top": 1.0 - 0.5 / height, "bottom": 0.5 / height}
    return _figure(lambda axes: draw_attribution(axes, rows, outcome), height, left=0.36, **margins)


def narrow_timeline(rows: Sequence[Mapping[str, object]]) -> Figure:
    """When what was changed; see ``draw_timeline``."""
    height = _FRAME + 0.34 * max(len({(row["channel"], row["change"]) for row in rows}), 2)
    margins = {"top": 1.0 - 0.34 / height, "bottom": 0.5 / height}
    return _figure(lambda axes: draw_timeline(axes, rows), height, left=0.36, **margins)


def svg_of(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes each time."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({**STYLE, **_AS_TEXT}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _in_weeks(axes: Axes, effect: EffectEstimate) -> None:
    outcome = effect.diagnostics.get("outcome")
    axes.set_xlabel("weeks since the start")
    axes.set_ylabel(f"{outcome} per unit and day" if isinstance(outcome, str) else "effect per unit and day")


def _figure(
    draw: Callable[[Axes], None],
    height: float = HEIGHT,
    *,
    left: float,
    top: float,
    bottom: float = 0.17,
) -> Figure:
    """One panel within fixed margins: an engine that finds them draws everything twice."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, **_AS_TEXT}):
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((left, bottom, 0.96 - left, top - bottom))
        draw(axes)
    return figure
