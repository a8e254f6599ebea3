"""The estimate with its interval, and beside it what else was computed of the same effect."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, TITLE_WIDTH, effect_label, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from liftos_pipeline.causal.results import EffectEstimate

_MARGIN = 0.12
_ROBUST_SET, _LEAST_SQUARES = "anderson_rubin_set", "ols_estimate"


def draw_interval(axes: Axes, effect: EffectEstimate) -> None:
    """A line per interval; limits that are infinite end in an arrow at the edge."""
    percent = f"{100 * effect.level:g} %"
    lines: list[tuple[str, float, Sequence[tuple[float, float]], str]] = [
        (f"{percent} interval", effect.estimate, [(effect.ci_low, effect.ci_high)], BLUE)
    ]
    if isinstance(effect.diagnostics.get(_ROBUST_SET), list):
        lines.append((f"{percent} Anderson-Rubin set", math.nan, _pairs(effect), GREY))
    if _LEAST_SQUARES in effect.diagnostics:
        lines.append(("least squares, no instrument", number(effect.diagnostics[_LEAST_SQUARES]), [], GREY))
    ends = [value for _, estimate, spans, _ in lines for span in spans for value in (*span, estimate)]
    low, high = _shown([0.0, *ends, *(estimate for _, estimate, _, _ in lines)])
    for place, (_, estimate, spans, colour) in enumerate(lines):
        for span in spans:
            _draw_span(axes, place, estimate, span, (low, high), colour)
        if not spans:
            axes.plot([estimate], [place], "o", color=colour)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlim(low, high)
    axes.set_ylim(len(lines) - 0.4, -0.8)
    axes.set_yticks(range(len(lines)), [name for name, *_ in lines])
    axes.set_xlabel(effect_label(effect))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=8)
    _say(axes, effect)


def _draw_span(
    axes: Axes,
    place: int,
    estimate: float,
    span: tuple[float, float],
    edges: tuple[float, float],
    colour: str,
) -> None:
    """One interval, with its point where there is an estimate."""
    if any(math.isnan(end) for end in span):
        axes.plot([estimate], [place], "o", color=colour)
        return
    low, high = max(span[0], edges[0]), min(span[1], edges[1])
    centre, marker = ((low + high) / 2, "none") if math.isnan(estimate) else (estimate, "o")
    axes.errorbar([centre], [place], xerr=[[centre - low], [high - centre]], fmt=marker, color=colour, capsize=4)
    for end, edge, arrow in ((span[0], edges[0], "<"), (span[1], edges[1], ">")):
        if math.isinf(end):
            axes.plot([edge], [place], arrow, color=colour, clip_on=False)


def _say(axes: Axes, effect: EffectEstimate) -> None:
    """The number above its point, or why there is none."""
    if math.isnan(effect.estimate):
        text, where = f"no estimate: {effect.undefined.get('estimate', 'undefined')}", 0.0
    elif math.isnan(effect.ci_low):
        reason = effect.undefined.get("ci_low", "undefined")
        text, where = f"{effect.estimate:.4g}, no interval: {reason}", effect.estimate
    else:
        limits = f"[{effect.ci_low:.4g}, {effect.ci_high:.4g}]"
        text, where = f"{effect.estimate:.4g} {limits}, p {effect.p_value:.2g}", effect.estimate
    left, right = axes.get_xlim()
    share = (where - left) / (right - left)
    align = "left" if share < 1 / 3 else "right" if share > 2 / 3 else "center"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(where, -0.25, textwrap.fill(text, TITLE_WIDTH // 2), ha=align, va="bottom", bbox=box)


def _pairs(effect: EffectEstimate) -> list[tuple[float, float]]:
    found = effect.diagnostics.get(_ROBUST_SET)
    return [(number(low), number(high)) for low, high in found] if isinstance(found, list) else []


def _shown(values: Sequence[float]) -> tuple[float, float]:
    """Range of the axis: all finite values with a margin."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    margin = _MARGIN * (high - low) or 1.0
    return low - margin, high + margin
