"""States the causal graph of each analysis: what may drive what, and what is adjusted for."""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.stages.analysis import ANALYSIS_KEY, COVARIATES
from liftos_pipeline.stages.roles import MACRO

_CALENDAR = "calendar"
_LATENT = "unit_demand"
_MEDIATORS = ("delivery",)


def graph_edges(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``causal.causal_graph``.

    Unit covariates drive treatment and outcome and are adjusted for. Macro factors act through the calendar, which
    the window indicators absorb. What moves after the start (delivery) is a mediator and never adjusted for. Demand
    of a unit that nothing measures is latent; its lagged outcome stands in for it.

    Parameters
    ----------
    rows : DataFrame
        ``causal.causal_marketing_data`` as of one day.
    """
    edges: list[tuple[object, object, object, object, str, bool]] = []
    for (platform, kind), part in rows.groupby(ANALYSIS_KEY, sort=True) if len(rows) else []:
        outcome = "outcome"
        known = [name for name in (*COVARIATES, "count_before") if part[name].notna().any()]
        for name in known:
            edges.extend((platform, kind, name, effect, "confounder", True) for effect in (kind, outcome))
        edges.extend((platform, kind, name, _CALENDAR, "external_factor", False) for name in MACRO)
        edges.extend((platform, kind, _CALENDAR, effect, "confounder", True) for effect in (kind, outcome))
        edges.extend(
            (platform, kind, _LATENT, effect, "latent", False) for effect in ("count_momentum", kind, outcome)
        )
        for name in _MEDIATORS:
            edges.append((platform, kind, kind, name, "treatment", False))
            edges.append((platform, kind, name, outcome, "mediator", False))
        edges.append((platform, kind, kind, outcome, "treatment", False))
    return pd.DataFrame(edges, columns=["platform", "treatment_type", "cause", "effect", "cause_role", "adjusted"])
