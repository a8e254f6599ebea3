"""The picture of a graph: every node and arrow, what is held fixed, what is latent, and boxes that do not touch."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from liftos_pipeline.causal.adjustment import adjustment_set
from liftos_pipeline.causal.plots.graph import plot_graph
from liftos_pipeline.causal.plots.style import LIGHT, ORANGE
from liftos_pipeline.domain import CausalGraph

T, Y = "budget_change", "outcome"


def marketing(n_covariates: int = 9, n_factors: int = 5, n_latent: int = 1, opens: bool = False) -> CausalGraph:
    names = [f"covariate_number_{number}" for number in range(n_covariates)]
    factors = [f"nominal_factor_{number}" for number in range(n_factors)]
    hidden = [f"hidden_demand_{number}" for number in range(n_latent)]
    edges = [(T, Y), (T, "delivery"), ("delivery", Y), (T, "report"), ("calendar", T), ("calendar", Y)]
    edges += [(name, end) for name in names for end in (T, Y)] + [(name, "calendar") for name in factors]
    edges += [(name, Y) for name in hidden] + [(name, names[0] if names and not opens else T) for name in hidden]
    roles = {T: "treatment", Y: "outcome", "delivery": "mediator", "report": "descendant", "calendar": "calendar"}
    roles |= (
        dict.fromkeys(names, "confounder")
        | dict.fromkeys(factors, "external_factor")
        | dict.fromkeys(hidden, "latent")
    )
    return CausalGraph(tuple(edges), roles, frozenset(hidden), ())


def drawn(graph: CausalGraph) -> Figure:
    return plot_graph(graph, adjustment_set(graph, T, Y), "meta: budget change")


def boxes(figure: Figure) -> dict[str, FancyBboxPatch]:
    (axes,) = figure.axes
    found = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    return {text.get_text().replace(" ", "_"): box for text, box in zip(axes.texts, found, strict=True)}


@pytest.mark.parametrize(
    "graph",
    [marketing(), marketing(0, 0, 0), marketing(14, 7, 4), marketing(3, 1, 2, opens=True), marketing(1, 4, 5)],
    ids=["usual", "bare", "large", "open", "latent"],
)
def test_every_node_has_a_box_that_holds_its_label_and_touches_no_other(graph: CausalGraph) -> None:
    figure = drawn(graph)
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = boxes(figure)
    assert set(found) == set(graph.roles)
    extents = {name: box.get_window_extent(renderer) for name, box in found.items()}
    for text in figure.axes[0].texts:
        inner, outer = text.get_window_extent(renderer), extents[text.get_text().replace(" ", "_")]
        assert outer.x0 < inner.x0 and inner.x1 < outer.x1, text.get_text()
    for (one, a), (other, b) in itertools.combinations(extents.items(), 2):
        assert not a.overlaps(b), (one, other)
    whole, titles = figure.bbox, [text.get_window_extent(renderer) for text in figure.texts]
    assert all(
        whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 for box in [*extents.values(), *titles]
    )
    assert not any(title.overlaps(box) for title in titles for box in extents.values())


def test_arrows_fills_and_dashes_say_what_the_graph_says() -> None:
    graph = marketing()
    figure = drawn(graph)
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == len(graph.edges)
    (question,) = (arrow for arrow in arrows if to_hex(arrow.get_edgecolor()) == ORANGE.lower())
    assert question.get_linewidth() == max(arrow.get_linewidth() for arrow in arrows)
    filled = {name for name, box in boxes(figure).items() if to_hex(box.get_facecolor()) == LIGHT.lower()}
    derived = adjustment_set(graph, T, Y)
    assert filled == {*derived.union, *derived.absorbed_by_calendar}
    dashed = {name for name, box in boxes(figure).items() if box.get_linestyle() == "--"}
    assert dashed == graph.latent
    assert "identified; minimal set of 9, 9 adjusted for" in figure.texts[0].get_text()


def test_what_is_not_identified_says_so_in_the_title() -> None:
    title = drawn(marketing(3, 1, 1, opens=True)).texts[0]
    assert "NOT IDENTIFIED by adjustment: budget_change <- hidden_demand_0 -> outcome" in title.get_text()
    assert to_hex(title.get_color()) != "#000000"
