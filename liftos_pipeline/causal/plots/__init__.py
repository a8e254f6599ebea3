"""Figures of results, one panel per file. matplotlib is imported when a figure is asked for; nothing is computed here."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.balance import draw_balance, has_balance
from liftos_pipeline.causal.plots.group_time import draw_group_times, has_group_times
from liftos_pipeline.causal.plots.interval import draw_interval
from liftos_pipeline.causal.plots.overlap import draw_overlap, has_overlap
from liftos_pipeline.causal.plots.path import draw_path
from liftos_pipeline.causal.plots.style import ALARM, DPI, STYLE, TITLE_WIDTH, WIDTH, headline
from liftos_pipeline.causal.plots.synthetic import (
    draw_gap,
    draw_synthetic,
    draw_weights,
    has_synthetic,
    has_weights,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from liftos_pipeline.causal.results import EffectEstimate

Draw = Callable[["Axes", "EffectEstimate"], None]

_INTERVAL_HEIGHT, _PATH_HEIGHT, _PANEL_HEIGHT = 1.6, 3.3, 3.0


def plot_effect(effect: EffectEstimate) -> Figure:
    """Picture of one effect, 640 pixels wide.

    The first axes show the path over time where there is one (of synthetic controls both outcomes), else the estimate
    with its interval. Below stand what the result has of these: covariate balance, overlap of the propensity scores,
    group-time effects, the gap among those of donors, the donors' weights.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    first, height = (draw_interval, _INTERVAL_HEIGHT) if effect.path is None else (draw_path, _PATH_HEIGHT)
    first = draw_synthetic if has_synthetic(effect) else first
    below = [draw for has, draw in _BELOW if has(effect)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height + (_PANEL_HEIGHT if below else 0.6)), dpi=DPI, layout="constrained")
        if below:
            rows = figure.add_gridspec(2, len(below), height_ratios=[height, _PANEL_HEIGHT])
            first(figure.add_subplot(rows[0, :]), effect)
            for column, draw in enumerate(below):
                draw(figure.add_subplot(rows[1, column]), effect)
        else:
            first(figure.add_subplot(), effect)
        if effect.refused is None:
            figure.suptitle(headline(effect))
        else:
            reason = textwrap.fill(f"REFUSED, do not use: {effect.refused}", TITLE_WIDTH)
            figure.suptitle(f"{headline(effect)}\n{reason}", color=ALARM)
    return figure


_BELOW: tuple[tuple[Callable[[EffectEstimate], bool], Draw], ...] = (
    (has_balance, draw_balance),
    (has_overlap, draw_overlap),
    (has_group_times, draw_group_times),
    (has_synthetic, draw_gap),
    (has_weights, draw_weights),
)
