"""The effect over event time or calendar periods, with pointwise intervals and a simultaneous band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from liftos_pipeline.causal.plots.style import BLUE, GREY, ORANGE, effect_label, label_places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from liftos_pipeline.causal.results import EffectEstimate

_EVENT_TIME = "event_time"
_MANY = 30


def draw_path(axes: Axes, effect: EffectEstimate) -> None:
    """Points with intervals and the band; the base period hollow, adoption a dashed line."""
    from matplotlib.ticker import MaxNLocator

    path = effect.path
    assert path is not None
    name = str(path.columns[0])
    where, labels = _positions(path[name], effect)
    percent = f"{100 * effect.level:g} %"
    is_base = (path["std_error"] == 0.0).to_numpy()
    told = path["std_error"].notna().to_numpy() & ~is_base
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    if told.any():
        band = f"{percent} simultaneous band"
        points = path[told]
        if effect.diagnostics.get("aggregation") == "group":
            ends = (points["band_low"], points["band_high"])
            axes.vlines(where[told], *ends, color=BLUE, alpha=0.18, linewidth=9.0, label=band)
        else:
            ends = (path["band_low"], path["band_high"])
            axes.fill_between(where, *ends, color=BLUE, alpha=0.18, linewidth=0, label=band)
        axes.vlines(where[told], points["ci_low"], points["ci_high"], color=BLUE, label=f"{percent} interval")
    axes.plot(where[told], path.loc[told, "estimate"], "o", color=BLUE, markersize=4 if len(path) <= _MANY else 2)
    if is_base.any():
        axes.plot(where[is_base], np.zeros(is_base.sum()), "o", mfc="white", mec=ORANGE, label="base period, 0")
    unknown = ~told & ~is_base
    if unknown.any():
        axes.plot(where[unknown], path.loc[unknown, "estimate"], "x", color=GREY, label="no standard error")
    if name == _EVENT_TIME:
        axes.axvline(-0.5, color=GREY, linewidth=0.8, linestyle="--", label="adoption")
    if labels is not None:
        places = label_places(labels)
        axes.set_xticks(where[places], [labels[place] for place in places])
    elif (where == np.round(where)).all():
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(_axis_name(name, effect))
    axes.set_ylabel(effect_label(effect))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, columnspacing=1.2, handlelength=1.5)


def _positions(points: pd.Series, effect: EffectEstimate) -> tuple[np.ndarray, list[str] | None]:
    """Where points stand, and their labels where these are no numbers or some stand for several event times."""
    if pd.api.types.is_numeric_dtype(points):
        where = points.to_numpy(dtype=np.float64)
        bins = effect.diagnostics.get("bins")
        if not (isinstance(bins, Mapping) and bins):
            return where, None
        return where, [_bin_label(int(point), bins) for point in points]
    if pd.api.types.is_datetime64_any_dtype(points):
        return np.arange(len(points), dtype=np.float64), [f"{label:%Y-%m-%d}" for label in points]
    return np.arange(len(points), dtype=np.float64), [str(label) for label in points]


def _bin_label(point: int, bins: Mapping[object, object]) -> str:
    if str(point) not in bins:
        return str(point)
    return f"\u2264 {point}" if point < 0 else f"\u2265 {point}"


def _axis_name(name: str, effect: EffectEstimate) -> str:
    if effect.diagnostics.get("aggregation") == "group":
        return "period of adoption"
    return name.replace("_", " ")
