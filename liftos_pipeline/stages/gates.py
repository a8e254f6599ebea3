"""Runs the rules over the results: rows of ``quality.gates``."""

from __future__ import annotations

import json
from dataclasses import asdict

import pandas as pd

from liftos_pipeline.checks.certificates import no_method_is_blocked
from liftos_pipeline.checks.freshness import factors_are_fresh
from liftos_pipeline.checks.overlap import overlap_for_the_treated


def gate_rows(
    scores: pd.DataFrame, certificates: pd.DataFrame, factors: pd.DataFrame, min_effective_controls: float
) -> pd.DataFrame:
    """What every rule saw.

    Parameters
    ----------
    scores, certificates, factors : DataFrame
        ``causal.propensity_scores``, ``causal.certificates`` and ``causal.external_factors`` as of one day.
    min_effective_controls : float
        Setting of the overlap rule.
    """
    outcomes = overlap_for_the_treated(scores, min_effective_controls) if len(scores) else []
    outcomes += no_method_is_blocked(certificates) if len(certificates) else []
    outcomes += factors_are_fresh(factors) if len(factors) else []
    rows = [{**asdict(outcome), "offenders": json.dumps(outcome.offenders, default=str)} for outcome in outcomes]
    return pd.DataFrame(rows)
