"""When what was changed: starts of treatments by week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from liftos_pipeline.causal.plots.style import BLUE, GREY, LIGHT, ORANGE, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST = 130.0
"""Points squared."""
_WEEK, _SHORTEST = 7.0, 56.0
"""Days."""
_COLOURS = (BLUE, ORANGE, "#009E73", GREY)


def draw_timeline(axes: Axes, rows: Sequence[Mapping[str, object]]) -> None:
    """A line per channel and kind of change; a dot's area is the number of starts of that week.

    Parameters
    ----------
    rows : sequence of mapping
        ``channel``, ``change``, ``week`` (first day, date) and ``starts``.
    """
    from matplotlib import dates

    lines = list(dict.fromkeys((str(row["channel"]), str(row["change"])) for row in rows))
    channels = list(dict.fromkeys(channel for channel, _ in lines))
    most = max((number(row["starts"]) for row in rows), default=1.0)
    for place, line in enumerate(lines):
        own = [row for row in rows if (str(row["channel"]), str(row["change"])) == line]
        axes.axhline(place, color=LIGHT, linewidth=0.8, zorder=1)
        axes.scatter(
            [_day(row["week"]) for row in own],
            [place] * len(own),
            s=[_LARGEST * number(row["starts"]) / most for row in own],
            color=_COLOURS[channels.index(line[0]) % len(_COLOURS)],
            alpha=0.75,
            linewidth=0,
            zorder=2,
        )
    axes.set_yticks(range(len(lines)), [f"{channel}, {change.split()[0]}" for channel, change in lines])
    axes.set_ylim(max(len(lines), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    days = [_day(row["week"]) for row in rows]
    axes.set_xlim(min(days) - _WEEK, max(max(days) + _WEEK, min(days) + _SHORTEST))
    locator = dates.AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_title(f"largest dot: {most:.0f} starts in a week", loc="right", color=GREY)


def _day(week: object) -> float:
    """Days since 1970, as matplotlib counts them."""
    assert isinstance(week, date)
    return float((week - date(1970, 1, 1)).days)
