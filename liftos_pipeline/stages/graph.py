"""States the causal graph of each analysis and derives from it what to adjust for.

Platform knowledge stands here as edges; what follows from them is the library's.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from liftos_pipeline.causal.adjustment import adjustment_set
from liftos_pipeline.domain import CausalGraph
from liftos_pipeline.stages.analysis import adjusted, analyses
from liftos_pipeline.stages.roles import MACRO

OUTCOME = "outcome"
CALENDAR, DEMAND, DELIVERY = "calendar", "unit_demand", "delivery"
OUTCOME_TREND = "outcome_trend"
RECORDS_OF_DEMAND = ("outcome_before", "count_momentum", "spend_momentum")
"""Covariates in which the demand of a unit shows before the window."""
NULL_SHARE, NULL_LEVEL = 0.05, 0.01
"""A detector flags so many units where there is nothing; more than that at this level and its node enters the graph."""

_COLOURS = 32
"""Of the stored picture: a third of the bytes."""


@dataclass(frozen=True)
class _Detected:
    """Node that a detector's finding puts into the graph, and the covariate that records it; None: the calendar does."""

    detector: str
    node: str
    recorded_in: str | None


_SCORED_IN = {
    "quality": "quality_before",
    "click_rate": "click_rate_before",
    "frequency": "frequency_before",
    "volume": "log_spend_before",
    **{name: name for name in MACRO},
}
"""Covariate, or macro factor, that records a candidate of ``confounder_score``."""
_DETECTED = (
    _Detected("audience_fatigue", "audience_fatigue", "click_rate_before"),
    _Detected("quality_score_regime", "quality_regime", "quality_before"),
    _Detected("list_health", "list_health", "click_rate_before"),
    _Detected("seasonality", "seasonality", None),
    _Detected("market_shock", "market_shock", None),
)


def graph_edges(rows: pd.DataFrame, confounders: pd.DataFrame, treatments: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``causal.causal_graph``.

    Covariates that vary act on treatment and outcome: decisions are taken on what the platform records. Demand of a unit
    is latent; it moves the outcome and shows in past outcomes. Where no log says that somebody decided, demand itself may
    have moved the treatment, and its arrow is drawn. What detectors find is a latent node behind the covariate that
    records it, or an arrow of its own where none does. Macro factors, seasons and shocks that units share act through the
    calendar, which the window indicators hold fixed. What moves after the start is a mediator.

    Parameters
    ----------
    rows : DataFrame
        ``causal.causal_marketing_data`` as of one day.
    confounders, treatments : DataFrame
        ``causal.confounders``, ``causal.treatments`` as of the same day.
    """
    parts: list[tuple[object, ...]] = []
    logged = treatments[treatments["evidence"] != "detected"]
    decided = set(zip(logged["platform"], logged["treatment_type"], strict=True))
    for platform, kind, _, part in analyses(rows.assign(design="any")):
        names = {_node(name) for outcome in ("count", "value") for name in adjusted(part, outcome)}
        found = _found(confounders, platform)
        graph = _graph(kind, sorted(names), found, (platform, kind) in decided)
        derived = adjustment_set(graph, kind, OUTCOME)
        held = {*derived.union, *derived.absorbed_by_calendar}
        detectors = {entry.node: entry.detector for entry in found}
        detectors |= dict.fromkeys(_scored(confounders, platform, kind), "confounder_score")
        parts.extend(
            (
                *(platform, kind, cause, effect, graph.roles[cause], graph.roles[effect], cause in held),
                detectors.get(cause, "platform_knowledge"),
            )
            for cause, effect in graph.edges
        )
    keys = ["platform", "treatment_type", "cause", "effect"]
    return pd.DataFrame(parts, columns=[*keys, "cause_role", "effect_role", "adjusted", "evidence"])


def graphs(edges: pd.DataFrame) -> Iterator[tuple[str, str, CausalGraph]]:
    """(platform, treatment type, graph with its minimal adjustment set) of every analysis.

    Parameters
    ----------
    edges : DataFrame
        ``causal.causal_graph`` as of one day.
    """
    for (platform, kind), part in edges.groupby(["platform", "treatment_type"], sort=True) if len(edges) else ():
        roles = dict(zip(part["cause"], part["cause_role"], strict=True))
        roles |= dict(zip(part["effect"], part["effect_role"], strict=True))
        latent = frozenset(name for name, role in roles.items() if role == "latent")
        pairs = tuple(sorted(zip(part["cause"], part["effect"], strict=True)))
        stated = CausalGraph(pairs, roles, latent, ())
        minimal = adjustment_set(stated, str(kind), OUTCOME).minimal
        yield str(platform), str(kind), CausalGraph(pairs, roles, latent, minimal)


def adjustment_rows(edges: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``causal.adjustment_sets``.

    Parameters
    ----------
    edges : DataFrame
        ``causal.causal_graph`` as of one day.
    """
    rows = []
    for platform, kind, graph in graphs(edges):
        derived = adjustment_set(graph, kind, OUTCOME)
        forbidden = {node: f"{entry.why}: {entry.path}" for node, entry in derived.forbidden.items()}
        rows.append(
            {
                "platform": platform,
                "treatment_type": kind,
                "status": derived.status,
                "minimal_set": json.dumps(derived.minimal),
                "adjusted_set": json.dumps(derived.union),
                "absorbed_by_calendar": json.dumps(derived.absorbed_by_calendar),
                "forbidden": json.dumps(forbidden),
                "instruments": json.dumps(derived.instruments),
                "open_path": derived.open_path,
                "explanation": f"{derived.explanation()}\n{_assumption(graph, kind)}",
            }
        )
    return pd.DataFrame(rows)


def first_picture(edges: pd.DataFrame) -> bytes | None:
    """The first analysis' graph as a PNG."""
    from PIL import Image

    from liftos_pipeline.causal.plots.graph import plot_graph

    for platform, kind, graph in graphs(edges):
        page, small = io.BytesIO(), io.BytesIO()
        derived = adjustment_set(graph, kind, OUTCOME)
        plot_graph(graph, derived, f"{platform}: {kind.replace('_', ' ')}").savefig(page, format="png")
        Image.open(page).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
        return small.getvalue()
    return None


def _node(name: str) -> str:
    """Count and value of the outcome play one part in the graph."""
    return {
        f"{outcome}_{part}": f"outcome_{part}" for outcome in ("count", "value") for part in ("before", "trend")
    }.get(name, name)


def _found(confounders: pd.DataFrame, platform: str) -> list[_Detected]:
    """Nodes of the detectors that flag more of the platform's units than chance does."""
    from scipy.stats import binom

    verdicts = confounders[(confounders["platform"] == platform) & (confounders["event_no"] == 0)]
    tested = verdicts[verdicts["status"].isin(["detected", "not_detected"])]
    counts = tested.groupby("detector")["status"].agg([lambda status: (status == "detected").sum(), "size"])
    beyond_chance = {
        detector
        for detector, flagged, size in counts.itertuples(name=None)
        if binom.sf(flagged - 1, size, NULL_SHARE) < NULL_LEVEL
    }
    return [entry for entry in _DETECTED if entry.detector in beyond_chance]


def _scored(confounders: pd.DataFrame, platform: str, kind: str) -> list[str]:
    """Covariates behind the candidates that the scoring flags for this treatment and the outcome."""
    prefix = f"{platform}:{kind}:"
    scored = confounders[(confounders["detector"] == "confounder_score") & (confounders["status"] == "detected")]
    names = scored.loc[scored["unit_id"].str.startswith(prefix), "unit_id"].str.removeprefix(prefix)
    return [_SCORED_IN[name] for name in names if name in _SCORED_IN]


def _graph(kind: str, history: list[str], found: list[_Detected], is_decided: bool) -> CausalGraph:
    edges = {(kind, OUTCOME), (kind, DELIVERY), (DELIVERY, OUTCOME), (CALENDAR, kind), (CALENDAR, OUTCOME)}
    roles = {kind: "treatment", OUTCOME: "outcome", DELIVERY: "mediator", CALENDAR: "calendar", DEMAND: "latent"}
    for name in history:
        roles[name] = "confounder"
        edges.add((name, OUTCOME))
        if name == OUTCOME_TREND:  # what the other units go on to do: known to nobody who decides
            edges |= {(CALENDAR, name), *((other, name) for other in history if other == "outcome_before")}
        else:
            edges.add((name, kind))
    for name in MACRO:
        roles[name] = "external_factor"
        edges.add((name, CALENDAR))
    edges |= {(DEMAND, name) for name in (*RECORDS_OF_DEMAND, OUTCOME) if name in roles}
    if not is_decided:
        edges.add((DEMAND, kind))
    for entry in found:
        roles[entry.node] = "external_factor" if entry.recorded_in is None else "latent"
        if entry.recorded_in is None:
            edges.add((entry.node, CALENDAR))
        else:
            edges |= {
                (entry.node, OUTCOME),
                (entry.node, entry.recorded_in if entry.recorded_in in roles else kind),
            }
    latent = frozenset(name for name, role in roles.items() if role == "latent")
    return CausalGraph(tuple(sorted(edges)), roles, latent, ())


def _assumption(graph: CausalGraph, kind: str) -> str:
    if (DEMAND, kind) in graph.edges:
        return f"No log says who decided on {kind}: demand itself may have moved it."
    return f"Assumes that decisions on {kind} rest on what the platform records, not on demand that only managers see."
