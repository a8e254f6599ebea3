"""What a detector saw: series of a few units with their events marked, lists week by week, or scored candidates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from liftos_pipeline.causal.columns import keys, numeric, to_pandas
from liftos_pipeline.causal.plots.style import ALARM, BLUE, DPI, GREY, LIGHT, ORANGE, STYLE, WIDTH
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from liftos_pipeline.causal.results import Detection, Read

MOST_UNITS = 6
MARKET = "market"
_COLOURS = {"detected": ORANGE, "not_detected": BLUE, "undetermined": GREY, "not_identified": GREY}
_ROW_HEIGHT, _FRAME_HEIGHT = 1.25, 0.7


def plot_detection(found: Detection) -> Figure:
    """Picture of a detector's findings, 640 pixels wide.

    Units with events, then detected ones, then the most suspicious come first, six at most.

    Raises
    ------
    LiftosError
        A detection that was not made through ``detect``, so that nothing is known of its table.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        if "candidate" in found.table:
            figure = Figure(
                figsize=(WIDTH, _FRAME_HEIGHT + 0.3 * max(len(found.table), 4)), dpi=DPI, layout="constrained"
            )
            _draw_candidates(figure.subplots(), found.table)
        else:
            units = _chosen(found)
            height = _FRAME_HEIGHT + _ROW_HEIGHT * len(units)
            figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
            panels = np.atleast_1d(figure.subplots(len(units), 1, sharex=True))
            series = _weeks(found) if "weeks" in found.diagnostics else _series(found.read)
            for axes, unit in zip(panels, units, strict=True):
                _draw_unit(axes, found, unit, series)
            figure.supylabel(_label(found), fontsize=8)
        figure.suptitle(_title(found))
    return figure


def _title(found: Detection) -> str:
    counts = found.table["status"].value_counts().sort_index()
    told = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
    return f"{found.detector}: {told}"


def _label(found: Detection) -> str:
    if "weeks" in found.diagnostics:
        return "left, observed over expected at their age"
    return "" if found.read is None or found.read.value is None else found.read.value


def _chosen(found: Detection) -> list[object]:
    table = found.table.assign(
        has_events=-found.table.get("n_events", pd.Series(0, found.table.index)),
        rank=found.table["status"].map({"detected": 0, "not_detected": 1}).fillna(2),
        doubt=found.table["p_value"].fillna(1.0),
    )
    return list(table.sort_values(["rank", "has_events", "doubt"], kind="stable")["unit"].head(MOST_UNITS))


def _series(read: Read | None) -> pd.DataFrame:
    """Columns unit, period, value, by unit and period."""
    if read is None or read.period is None or read.value is None:
        raise LiftosError(
            "a detection made through detect()", "one without its table", "Call detect and plot its result."
        )
    frame = to_pandas(read.table, (read.unit, read.period, read.value))
    units, periods = keys(frame, read.unit, "unit"), keys(frame, read.period, "period")
    value = numeric(frame, read.value, read.value, allow_missing=True, allow_infinite=True)
    rows = pd.DataFrame(
        {"unit": units.labels[units.codes], "period": periods.labels[periods.codes], "value": value}
    )
    return rows.sort_values(["unit", "period"], kind="stable")


def _weeks(found: Detection) -> pd.DataFrame:
    """Observed over expected events of each list and week."""
    weeks = found.diagnostics["weeks"]
    if not isinstance(weeks, pd.DataFrame):
        raise LiftosError("a table of weeks", type(weeks).__name__, "Call detect and plot its result.")
    ratio = np.divide(
        weeks["observed"], weeks["expected"], out=np.full(len(weeks), math.nan), where=weeks["expected"] > 0
    )
    return pd.DataFrame({"unit": weeks["unit"], "period": weeks["week"], "value": ratio})


def _draw_unit(axes: Axes, found: Detection, unit: object, series: pd.DataFrame) -> None:
    own = series[series["unit"] == unit]
    row = found.table[found.table["unit"] == unit].iloc[0]
    axes.plot(own["period"], own["value"], color=_COLOURS[row["status"]], linewidth=0.9)
    events = found.events[found.events["unit"].isin([unit, MARKET])]
    for event in events.itertuples():
        axes.axvline(event.date, color=ALARM, linewidth=0.9, linestyle="--")
        axes.annotate(f"{event.size:+.2g}", (event.date, 1.0), xycoords=("data", "axes fraction"), color=ALARM, fontsize=7,
                      xytext=(2, -1), textcoords="offset points", va="top")  # fmt: skip
    chance = "" if pd.isna(row["p_value"]) else f", p {row['p_value']:.2g}"
    axes.set_title(f"{unit}: {row['status'].replace('_', ' ')}{chance}", loc="left")
    axes.tick_params(labelsize=7)


def _draw_candidates(axes: Axes, table: pd.DataFrame) -> None:
    """Both p-values of each candidate: small ones to the right."""
    place = np.arange(len(table))
    for column, marker, label in (("gamma_p", "o", "adoption"), ("beta_p", "s", "untreated outcome")):
        strength = -np.log10(np.clip(table[column].to_numpy(dtype=float), 1e-12, 1.0))
        axes.plot(strength, place, marker, color=BLUE if marker == "o" else ORANGE, label=label, markersize=5)
    axes.axvline(-math.log10(0.05), color=LIGHT)
    axes.set_yticks(place, [f"{row.candidate} ({row.role or row.status})" for row in table.itertuples()])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlabel("minus log10 of the p-value (line: 5 %)")
    axes.legend(loc="lower right")
