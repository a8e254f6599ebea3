"""Runs the rules over the results: rows of ``quality.gates``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date

import pandas as pd

from liftos_pipeline.checks.accounts import accounts_agree, one_currency_per_unit
from liftos_pipeline.checks.certificates import no_method_is_blocked
from liftos_pipeline.checks.freshness import every_day_was_pulled, factors_are_fresh
from liftos_pipeline.checks.overlap import overlap_for_the_treated

_DAILY = (
    ("meta", "insights_daily"),
    ("meta", "activities"),
    ("google_ads", "daily"),
    ("google_ads", "change_events"),
    ("klaviyo", "events"),
)
"""Streams whose every day results look at."""


def gate_rows(
    scores: pd.DataFrame,
    certificates: pd.DataFrame,
    factors: pd.DataFrame,
    pulled: pd.DataFrame,
    lost: pd.DataFrame,
    currencies: pd.DataFrame,
    accounts: pd.DataFrame,
    *,
    as_of: date,
    look_back_days: int,
    min_effective_controls: float,
) -> pd.DataFrame:
    """What every rule saw.

    Parameters
    ----------
    scores, certificates, factors : DataFrame
        ``causal.propensity_scores``, ``causal.certificates`` and ``causal.external_factors`` as of one day.
    pulled, lost : DataFrame
        Days that were pulled, and those that a platform no longer serves.
    currencies, accounts : DataFrame
        Currencies of every unit, and the accounts with their time zones.
    as_of : date
    look_back_days : int
        Days that results look at.
    min_effective_controls : float
        Setting of the overlap rule.
    """
    daily = pulled[
        [(source, stream) in _DAILY for source, stream in zip(pulled["source"], pulled["stream"], strict=True)]
    ]
    outcomes = every_day_was_pulled(daily, lost, as_of, look_back_days) if len(daily) else []
    outcomes += overlap_for_the_treated(scores, min_effective_controls) if len(scores) else []
    outcomes += no_method_is_blocked(certificates) if len(certificates) else []
    outcomes += factors_are_fresh(factors) if len(factors) else []
    outcomes += one_currency_per_unit(currencies)
    outcomes += accounts_agree(accounts, "account_timezone", "time zone")
    rows = [{**asdict(outcome), "offenders": json.dumps(outcome.offenders, default=str)} for outcome in outcomes]
    return pd.DataFrame(rows)
