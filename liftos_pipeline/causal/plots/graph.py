"""A causal graph as a picture: treatment left, outcome right, what is before them between and above, mediators below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.adjustment import Adjustment
from liftos_pipeline.causal.graph import ancestors, dag_of, descendants
from liftos_pipeline.causal.plots.style import ALARM, BLUE, DPI, GREY, LIGHT, ORANGE, STYLE, TITLE_WIDTH, WIDTH
from liftos_pipeline.domain import CausalGraph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

Place = tuple[float, float]

_ROW, _TOP, _BOTTOM = 0.36, 0.75, 0.45
"""Inches."""
_PER_ROW = 3
_LETTER, _PADDING, _BOX = 0.066, 0.16, 0.22
_LEFT, _CENTRE, _LATENT, _RIGHT = 0.95, 2.55, 4.35, 5.85


def plot_graph(graph: CausalGraph, derived: Adjustment, title: str = "") -> Figure:
    """Picture of a graph and of what is adjusted for, 640 pixels wide.

    Nodes that estimation holds fixed are filled, latent ones dashed; the arrow from treatment to outcome is thick. Where no
    set suffices, the open path stands in the title.

    Parameters
    ----------
    graph : CausalGraph
    derived : Adjustment
        Of the same graph.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    places, height = _layout(graph, derived)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0.0, WIDTH)
        axes.set_ylim(0.0, height)
        axes.set_axis_off()
        held = {*derived.union, *derived.absorbed_by_calendar}
        boxes = {name: _box(axes, name, place, graph, derived, name in held) for name, place in places.items()}
        for cause, effect in graph.edges:
            _arrow(axes, boxes, places, (cause, effect), derived)
        figure.text(0.5, 1.0 - 0.08 / height, _title(derived, title), ha="center", va="top", color=_alarm(derived))
        figure.text(0.5, 0.1 / height, "filled: held fixed; dashed: latent", ha="center", va="bottom", color=GREY)
    return figure


def _layout(graph: CausalGraph, derived: Adjustment) -> tuple[dict[str, Place], float]:
    """Centre of each box and the height of the figure, inches."""
    dag = dag_of(graph)
    ends = (derived.treatment, derived.outcome)
    after = descendants(dag, [derived.treatment]) - set(ends)
    causes = ancestors(dag, ends)
    factors = [name for name in dag.nodes if graph.roles[name] == "external_factor"]
    latent = [name for name in dag.nodes if name in dag.latent and name not in factors]
    rest = [name for name in dag.nodes if name not in {*ends, *after, *factors, *latent}]
    middle = sorted(rest, key=lambda name: (graph.roles[name] != "calendar", name not in causes))
    below = sorted(after - set(latent), key=lambda name: (name not in causes, name))
    top = -(-len(factors) // _PER_ROW)
    n_rows = top + max(len(middle) + 1, len(latent)) + len(below)
    height = _TOP + _BOTTOM + n_rows * _ROW

    def level(row: float) -> float:
        return height - _TOP - (row + 0.5) * _ROW

    places: dict[str, Place] = {}
    for number, name in enumerate(factors):
        row, column = divmod(number, _PER_ROW)
        places[name] = (WIDTH * (2 * column + 1) / (2 * min(len(factors), _PER_ROW)), level(row))
    for number, name in enumerate([*middle, "", *below]):
        if name:
            places[name] = (_CENTRE, level(top + number))
    places[ends[0]], places[ends[1]] = ((x, level(top + len(middle))) for x in (_LEFT, _RIGHT))
    for number, name in enumerate(latent):
        places[name] = (_LATENT, level(top + (number + 0.5) * max(len(middle) / len(latent), 1.0) - 0.5))
    return places, height


def _box(
    axes: Axes, name: str, place: Place, graph: CausalGraph, derived: Adjustment, is_held: bool
) -> FancyBboxPatch:
    from matplotlib.patches import FancyBboxPatch

    label = name.replace("_", " ")
    width = _LETTER * len(label) + _PADDING
    is_end = name in (derived.treatment, derived.outcome)
    edge = {derived.treatment: ORANGE, derived.outcome: BLUE}.get(name, GREY)
    box = FancyBboxPatch(
        (place[0] - width / 2, place[1] - _BOX / 2),
        width,
        _BOX,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=LIGHT if is_held else "white",
        edgecolor=edge,
        linewidth=1.8 if is_end else 0.9,
        linestyle="--" if name in graph.latent else "-",
        zorder=3,
    )
    axes.add_patch(box)
    axes.text(*place, label, ha="center", va="center_baseline", fontsize=8.0, zorder=4)
    return box


def _arrow(
    axes: Axes,
    boxes: dict[str, FancyBboxPatch],
    places: dict[str, Place],
    edge: Sequence[str],
    derived: Adjustment,
) -> None:
    from matplotlib.patches import FancyArrowPatch

    cause, effect = edge
    is_question = (cause, effect) == (derived.treatment, derived.outcome)
    arrow = FancyArrowPatch(
        places[cause],
        places[effect],
        patchA=boxes[cause],
        patchB=boxes[effect],
        shrinkA=0.0,
        shrinkB=1.0,
        arrowstyle="-|>",
        mutation_scale=14.0 if is_question else 7.0,
        color=ORANGE if is_question else GREY,
        linewidth=2.4 if is_question else 0.6,
        linestyle="--" if boxes[cause].get_linestyle() == "--" else "-",
        connectionstyle="arc3,rad=-0.45" if places[cause][0] == places[effect][0] else "arc3",
        zorder=2 if is_question else 1,
    )
    axes.add_patch(arrow)


def _title(derived: Adjustment, title: str) -> str:
    lines = [title] if title else []
    if derived.open_path is not None:
        lines.append(textwrap.fill(f"NOT IDENTIFIED by adjustment: {derived.open_path}", TITLE_WIDTH))
    else:
        lines.append(f"identified; minimal set of {len(derived.minimal)}, {len(derived.union)} adjusted for")
    return "\n".join(lines)


def _alarm(derived: Adjustment) -> str:
    return "black" if derived.is_identified else ALARM
