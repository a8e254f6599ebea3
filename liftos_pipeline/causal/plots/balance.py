"""Love plot: standardised mean differences of the covariates before and after weighting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, LIGHT, ORANGE, number, records, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from liftos_pipeline.causal.results import EffectEstimate

_MOST_SHOWN = 12
_MARK = 0.1


def has_balance(effect: EffectEstimate) -> bool:
    """Whether there is a covariate whose difference is defined."""
    return bool(_rows(effect))


def draw_balance(axes: Axes, effect: EffectEstimate) -> None:
    """One line per covariate, the largest differences first."""
    rows = _rows(effect)
    shown = rows[:_MOST_SHOWN]
    axes.axvspan(-_MARK, _MARK, color=LIGHT, alpha=0.6, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    places = range(len(shown))
    before, after = [row[1] for row in shown], [row[2] for row in shown]
    is_weighted = any(b != a for _, b, a in rows)
    if is_weighted:
        axes.hlines(places, before, after, color=LIGHT, linewidth=1.0)
        axes.plot(before, places, "o", mfc="white", mec=ORANGE, label="before weighting")
        axes.plot(after, places, "o", color=BLUE, markersize=5, label="after")
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, columnspacing=1.0, handletextpad=0.2)
    else:
        axes.plot(after, places, "o", color=BLUE, markersize=5)
    axes.set_yticks(places, [shortened(name) for name, *_ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    more = f"; {len(rows) - len(shown)} smaller ones not shown" if len(rows) > len(shown) else ""
    axes.set_xlabel(f"difference of means in sd\n(grey: up to {_MARK:g}{more})")


def _rows(effect: EffectEstimate) -> list[tuple[str, float, float]]:
    """Name, difference before and after, the largest first."""
    found = [
        (str(entry["covariate"]), number(entry["smd_before"]), number(entry["smd_after"]))
        for entry in records(effect, "balance")
    ]
    known = [row for row in found if math.isfinite(row[1]) and math.isfinite(row[2])]
    return sorted(known, key=lambda row: -max(abs(row[1]), abs(row[2])))
