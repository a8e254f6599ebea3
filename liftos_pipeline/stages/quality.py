"""Scores the data of each platform, part by part: rows of ``quality.scores``, and ``CausalDataQuality`` from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from liftos_pipeline.checks.density import account_days, empty_days
from liftos_pipeline.checks.overlap import share_below_high
from liftos_pipeline.checks.reconciliation import unreconciled
from liftos_pipeline.checks.timing import consistent_share, figures_precede_the_start
from liftos_pipeline.domain import CausalDataQuality
from liftos_pipeline.stages.gates import PANEL_COLUMNS, SOURCES
from liftos_pipeline.stages.roles import MACRO, ROLES, Roles

PARTS = (
    *("completeness", "temporal_consistency", "confounder_coverage"),
    *("overlap_quality", "maturity", "reconciliation"),
)
OVERALL = "overall"
COLUMNS = tuple(dict.fromkeys([*PANEL_COLUMNS, *MACRO.values(), "n_budget_changes"]))
"""Columns of the panel behind the scores."""
_OBSERVED_DAYS = 0.95
_CONFOUNDING = ("confounder", "external_factor")

Score = tuple[float | None, str]
"""The score, and what it is the share of or why there is none."""


def score_rows(
    panel: pd.DataFrame,
    levels: pd.DataFrame,
    curves: pd.DataFrame,
    rows: pd.DataFrame,
    scores: pd.DataFrame,
    graph: pd.DataFrame,
    treatments: pd.DataFrame,
    *,
    as_of: date,
    tolerance: float,
) -> pd.DataFrame:
    """Scores of every platform that has data.

    Parameters
    ----------
    panel : DataFrame
        ``COLUMNS`` of ``marketing_panel`` as of one day.
    levels, curves, rows, scores, graph, treatments : DataFrame
        Sums by level, ``causal.maturity_curves``, ``causal.causal_marketing_data``, ``causal.propensity_scores``,
        ``causal.causal_graph`` and ``causal.treatments`` as of the same day.
    as_of : date
    tolerance : float
        Setting of the reconciliation.
    """
    table = []
    for platform, roles in ROLES.items():
        own = panel[(panel["platform"] == platform)]
        if len(own) == 0:
            continue
        parts: dict[str, Score] = {
            "completeness": _completeness(own),
            "temporal_consistency": _consistency(_of(rows, platform), own, treatments, as_of),
            "confounder_coverage": _coverage(_of(graph, platform), own, roles),
            "overlap_quality": _overlap(_of(scores, platform)),
            "maturity": _maturity(_of(curves, platform), roles),
            "reconciliation": _reconciliation(_of(levels, platform), tolerance),
        }
        known = [score for score, _ in parts.values() if score is not None]
        overall = math.exp(sum(math.log(max(score, 1e-9)) for score in known) / len(known)) if known else None
        parts[OVERALL] = overall, f"geometric mean of the {len(known)} parts that are known"
        table += [
            {"platform": platform, "part": part, "score": score, "reason": reason}
            for part, (score, reason) in parts.items()
        ]
    return pd.DataFrame(table)


def data_quality(scores: pd.DataFrame, platform: str) -> CausalDataQuality:
    """Quality of one platform's data.

    Parameters
    ----------
    scores : DataFrame
        ``quality.scores`` as of one day.
    """
    own = scores[scores["platform"] == platform].set_index("part")["score"]
    known: Mapping[str, float] = {str(part): float(score) for part, score in own.items() if not pd.isna(score)}
    return CausalDataQuality(known.get(OVERALL), *(known.get(part) for part in PARTS))


def _of(table: pd.DataFrame, platform: str) -> pd.DataFrame:
    return table[table["platform"] == platform] if len(table) else table


def _completeness(panel: pd.DataFrame) -> Score:
    units = panel[panel["unit_type"] != "geo"]
    observed = float(units["is_observed"].mean())
    days = account_days(panel)
    full = 1.0 - len(empty_days(days)) / max(len(days), 1)
    return observed * full, "unit-days that were pulled, less account-days that hold nothing"


def _consistency(rows: pd.DataFrame, panel: pd.DataFrame, treatments: pd.DataFrame, as_of: date) -> Score:
    if len(rows) == 0:
        return None, "no causal-ready rows"
    (outcome,) = figures_precede_the_start(rows, panel, treatments, SOURCES, as_of)
    return consistent_share(outcome), "figures of causal-ready rows that lie where they are said to"


def _coverage(graph: pd.DataFrame, panel: pd.DataFrame, roles: Roles) -> Score:
    """Latent nodes count as long as they act on the outcome past all that is recorded; others act through what counts.

    Seasonality is known with the date, a shock of the market where prices are: with spend.
    """
    if len(graph) == 0:
        return None, "no causal graph"
    names = set(graph.loc[graph["cause_role"].isin(_CONFOUNDING), "cause"])
    is_open = (graph["cause_role"] == "latent") & (graph["effect_role"] == "outcome")
    names |= set(graph.loc[is_open, "cause"])
    units = panel[(panel["unit_type"] == roles.unit_type) & ~panel["is_boundary"]]
    behind = {
        **dict.fromkeys(("log_spend_before", "spend_momentum"), roles.volume),
        **dict.fromkeys(("count_momentum", "outcome_before", "outcome_trend"), roles.count),
        "click_rate_before": roles.clicks,
        "quality_before": roles.quality,
        "frequency_before": roles.frequency,
        **dict.fromkeys(("days_since_other", "other_active"), "n_budget_changes"),
        **{"seasonality": "date_day", "market_shock": "spend"},
        **MACRO,
    }
    observed = sorted(name for name in names if _is_observed(units, behind.get(name)))
    missing = ", ".join(sorted(names - set(observed))) or "none"
    return len(observed) / len(names), f"confounders observed on 95 % of days; not: {missing}"


def _is_observed(units: pd.DataFrame, column: str | None) -> bool:
    return column is not None and len(units) > 0 and float(units[column].notna().mean()) >= _OBSERVED_DAYS


def _overlap(scores: pd.DataFrame) -> Score:
    if len(scores) == 0:
        return None, "no propensity scores"
    shares = [share_below_high(part) for _, part in scores.groupby(["treatment_type", "design"], sort=True)]
    return float(np.mean(shares)), "treated rows with comparable controls, mean of the analyses"


def _maturity(curves: pd.DataFrame, roles: Roles) -> Score:
    if len(curves) == 0:
        return None, "no maturity curve"
    own = curves[curves["metric"] == roles.count]
    at = own[own["age_days"] == min(roles.maturity_days, int(own["age_days"].max()))] if len(own) else own
    if len(at) == 0 or pd.isna(at["completeness"].iloc[0]):
        return None, str(at["reason"].iloc[0]) if len(at) else "no maturity curve"
    return min(
        float(at["completeness"].iloc[0]), 1.0
    ), f"of the last count, known at {int(at['age_days'].iloc[0])} days"


def _reconciliation(levels: pd.DataFrame, tolerance: float) -> Score:
    if len(levels) == 0 or levels["level"].nunique() == 1:
        return None, "one level only"
    bad = unreconciled(levels, tolerance)[["account_id", "date_day"]].drop_duplicates()
    n_days = len(levels[["account_id", "date_day"]].drop_duplicates())
    return 1.0 - len(bad) / n_days, "account-days whose levels add up"
