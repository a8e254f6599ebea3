"""The certificate: how often each method is wrong where nobody was treated, and what it would see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from liftos_pipeline.causal.plots.style import ALARM, BLUE, DPI, GREY, LIGHT, ORANGE, STYLE, WIDTH
from liftos_pipeline.causal.verdicts import BLOCKED_EXCESS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from liftos_pipeline.causal.certificate import Certificate

_COLOURS = {"cleared": BLUE, "widened": ORANGE, "blocked": ALARM}
_MARKERS = {"cleared": "o", "widened": "s", "blocked": "X"}
_ROW_HEIGHT, _FRAME_HEIGHT = 0.28, 1.5


def plot_certificate(certificate: Certificate) -> Figure:
    """One line per method with a verdict: size, coverage of the injected effect, smallest detectable effect."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    table = certificate.table[certificate.table["status"].isin(list(_COLOURS))].reset_index(drop=True)
    nominal = 1.0 - certificate.level
    with mpl.rc_context(STYLE):
        height = _FRAME_HEIGHT + _ROW_HEIGHT * max(len(table), 2)
        figure = Figure(figsize=(WIDTH + 1.2, height), dpi=DPI, layout="constrained")
        size, coverage, seen = figure.subplots(1, 3, sharey=True)
        for row in table.itertuples():
            colour, marker = _COLOURS[row.status], _MARKERS[row.status]
            _draw(size, row.Index, 100 * row.size, 100 * row.size_low, 100 * row.size_high, colour, marker)
            limits = (100 * row.coverage_low, 100 * row.coverage_high)
            _draw(coverage, row.Index, 100 * row.coverage, *limits, colour, marker)
            share = 1.0 / row.injected
            limits = (share * row.detectable_low, share * row.detectable_high)
            _draw(seen, row.Index, share * row.detectable, *limits, colour, marker)
        size.axvspan(0, 100 * nominal, color=LIGHT, alpha=0.5, linewidth=0)
        size.axvline(100 * (nominal + BLOCKED_EXCESS), color=ALARM, linewidth=0.8, linestyle=":")
        size.set_xlim(0, None)
        size.set_xlabel("size, % (grey: allowed;\nblocked: all beyond the dots)")
        coverage.axvline(100 * certificate.level, color=GREY, linewidth=0.8)
        coverage.set_xlabel("coverage, %")
        seen.axvline(1.0, color=GREY, linewidth=0.8)
        seen.set_xlim(0, None)
        seen.set_xlabel("detectable effect\n(injected = 1)")
        size.set_yticks(np.arange(len(table)), list(table["method"]))
        size.set_ylim(len(table) - 0.4, -0.6)
        known = [name for name in _COLOURS if (table["status"] == name).any()]
        marks = [Line2D([], [], color=_COLOURS[n], marker=_MARKERS[n], linestyle="", label=n) for n in known]
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks) or 1)
        figure.suptitle(
            f"certificate for {certificate.outcome}: {certificate.n_replays} replays of "
            f"{certificate.n_treated} of {certificate.n_units} units"
        )
    return figure


def _draw(axes: Axes, place: int, value: float, low: float, high: float, colour: str, marker: str) -> None:
    """A point with its limits; an infinite value has no point."""
    if math.isfinite(value):
        below, above = (value - low if math.isfinite(low) else 0.0), (high - value if math.isfinite(high) else 0.0)
        axes.errorbar(
            [value], [place], xerr=[[max(below, 0.0)], [max(above, 0.0)]], fmt=marker, color=colour, capsize=3
        )
    else:
        axes.text(0.95, place, "none", transform=axes.get_yaxis_transform(), ha="right", va="center", color=colour)
