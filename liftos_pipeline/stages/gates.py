"""Runs the rules over data and results: rows of ``quality.gates``. Which rule gets what is stated here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date

import pandas as pd

from liftos_pipeline.checks import CheckOutcome, density, tracking
from liftos_pipeline.checks.accounts import accounts_agree, one_currency_per_unit
from liftos_pipeline.checks.balance import weighted_arms_are_alike
from liftos_pipeline.checks.certificates import no_method_is_blocked
from liftos_pipeline.checks.estimates import instruments_are_strong, synthetic_controls_fit
from liftos_pipeline.checks.freshness import every_day_was_pulled, factors_are_fresh
from liftos_pipeline.checks.interference import siblings_do_not_move
from liftos_pipeline.checks.maturity import outcomes_have_matured
from liftos_pipeline.checks.overlap import overlap_for_the_treated
from liftos_pipeline.checks.placebos import no_effect_before_the_start, paths_were_parallel
from liftos_pipeline.checks.precedence import spend_comes_first
from liftos_pipeline.checks.reconciliation import claims_are_within_orders, levels_add_up
from liftos_pipeline.checks.timing import Sources, figures_precede_the_start
from liftos_pipeline.checks.usable import a_platform_is_left, newest_day_stands
from liftos_pipeline.schema import AD_PLATFORMS
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.analysis import ANALYSIS_KEY, COVARIATES
from liftos_pipeline.stages.landmarks import PANEL_COLUMNS as ROW_COLUMNS
from liftos_pipeline.stages.roles import ROLES

PANEL_COLUMNS = tuple(dict.fromkeys([*density.COLUMNS, *ROW_COLUMNS]))
"""Columns of the panel that the rules read."""

_DAILY = (
    ("meta", "insights_daily"),
    ("meta", "activities"),
    ("google_ads", "daily"),
    ("google_ads", "change_events"),
    ("klaviyo", "events"),
)
"""Streams whose every day results look at."""
_COMPARED_WITH = {platform: ROLES[platform].clicks for platform in AD_PLATFORMS}
"""Column beside which the outcome of a platform is steady; first-party orders stand by themselves."""
SOURCES = {
    platform: Sources(
        roles.unit_type,
        roles.count,
        roles.value,
        roles.volume,
        roles.clicks,
        roles.exposure,
        roles.quality,
        roles.frequency,
        roles.maturity_days,
    )
    for platform, roles in ROLES.items()
}
_BALANCED = (*COVARIATES, "count_before", "value_before")


@dataclass(frozen=True)
class Data:
    """What was pulled, as of one day: ``PANEL_COLUMNS`` of the panel, sums by level, attribution settings, days pulled and
    lost, currencies of every unit, and the accounts with their time zones."""

    panel: pd.DataFrame
    levels: pd.DataFrame
    attribution: pd.DataFrame
    pulled: pd.DataFrame
    lost: pd.DataFrame
    currencies: pd.DataFrame
    accounts: pd.DataFrame


@dataclass(frozen=True)
class Results:
    """Result tables of the same day, by their names in ``schema``; ``curves`` are the maturity curves."""

    rows: pd.DataFrame
    scores: pd.DataFrame
    treatments: pd.DataFrame
    certificates: pd.DataFrame
    effects: pd.DataFrame
    factors: pd.DataFrame
    curves: pd.DataFrame
    placebos: pd.DataFrame


def gate_rows(data: Data, results: Results, as_of: date, settings: Settings) -> pd.DataFrame:
    """What every rule saw."""
    outcomes = data_outcomes(data, as_of, settings) + analysis_outcomes(data.panel, results, as_of, settings)
    rows = [{**asdict(outcome), "offenders": json.dumps(outcome.offenders, default=str)} for outcome in outcomes]
    return pd.DataFrame(rows)


def data_outcomes(data: Data, as_of: date, settings: Settings) -> list[CheckOutcome]:
    """Rules on what was pulled, whatever is computed from it."""
    streams = zip(data.pulled["source"], data.pulled["stream"], strict=True)
    daily = data.pulled[[stream in _DAILY for stream in streams]]
    outcomes = every_day_was_pulled(daily, data.lost, as_of, settings.liftos_look_back_days) if len(daily) else []
    outcomes += one_currency_per_unit(data.currencies)
    outcomes += accounts_agree(data.accounts, "account_timezone", "time zone")
    return outcomes + panel_outcomes(data.panel, data.levels, data.attribution, as_of, settings)


def panel_outcomes(
    panel: pd.DataFrame, levels: pd.DataFrame, attribution: pd.DataFrame, as_of: date, settings: Settings
) -> list[CheckOutcome]:
    """Rules on the panel and the levels that it was made of."""
    steady = {
        platform: (roles.unit_type, roles.count, _COMPARED_WITH.get(platform), roles.maturity_days)
        for platform, roles in ROLES.items()
    }
    moving = {
        platform: (roles.unit_type, roles.volume, roles.count, roles.maturity_days)
        for platform, roles in ROLES.items()
    }
    claims = {platform: ROLES[platform].count for platform in AD_PLATFORMS}
    outcomes = levels_add_up(levels, settings.liftos_reconcile_tolerance)
    outcomes += tracking.one_attribution_setting(attribution)
    if len(panel) == 0:
        return outcomes
    outcomes += density.no_day_is_empty(panel, settings.liftos_density_max_empty_days)
    outcomes += density.few_holes(panel, settings.liftos_density_max_holes)
    outcomes += tracking.counting_is_steady(panel, steady, as_of, settings.liftos_tracking_max_shift)
    outcomes += claims_are_within_orders(
        panel, claims, ("account", "orders"), settings.liftos_reconcile_max_claims
    )
    return outcomes + spend_comes_first(panel, moving, as_of, settings.liftos_precedence_level)


def stopping_outcomes(
    panel: pd.DataFrame,
    levels: pd.DataFrame,
    found: list[CheckOutcome],
    as_of: date,
    settings: Settings,
) -> list[CheckOutcome]:
    """Rules that stop a day's whole run; ``found`` is what the rules on the panel saw."""
    if len(panel) == 0:
        return []
    empty, tolerance = settings.liftos_density_max_empty_days, settings.liftos_reconcile_tolerance
    platforms = sorted(set(panel["platform"]))
    return [*newest_day_stands(panel, levels, as_of, empty, tolerance), *a_platform_is_left(found, platforms)]


def maturity_outcomes(curves: pd.DataFrame, settings: Settings) -> list[CheckOutcome]:
    """Rule on the youngest days that effects look at."""
    used = {platform: ((roles.count, roles.value), roles.maturity_days) for platform, roles in ROLES.items()}
    return outcomes_have_matured(curves, used, settings.liftos_maturity_min_completeness) if len(curves) else []


def analysis_outcomes(
    panel: pd.DataFrame, results: Results, as_of: date, settings: Settings
) -> list[CheckOutcome]:
    """Rules on what was computed."""
    rows, scores, placebos, effects = results.rows, results.scores, results.placebos, results.effects
    outcomes = maturity_outcomes(results.curves, settings)
    if len(rows):
        outcomes += figures_precede_the_start(rows, panel, results.treatments, SOURCES, as_of)
        outcomes += siblings_do_not_move(
            rows,
            results.treatments,
            _units(panel),
            settings.liftos_interference_level,
            settings.liftos_seed,
        )
    outcomes += score_outcomes(rows, scores, settings)
    if len(placebos):
        outcomes += paths_were_parallel(placebos, settings.liftos_placebo_level / 2)
        outcomes += no_effect_before_the_start(
            placebos, effects, rows, settings.liftos_placebo_level, settings.liftos_placebo_borne_share
        )
    outcomes += no_method_is_blocked(results.certificates) if len(results.certificates) else []
    outcomes += factors_are_fresh(results.factors) if len(results.factors) else []
    outcomes += instruments_are_strong(effects)
    return outcomes + synthetic_controls_fit(effects, settings.liftos_pre_fit_max_ratio)


def score_outcomes(rows: pd.DataFrame, scores: pd.DataFrame, settings: Settings) -> list[CheckOutcome]:
    """Rules on propensity scores: overlap, effective controls, balance."""
    if len(scores) == 0:
        return []
    return overlap_for_the_treated(
        scores, settings.liftos_overlap_min_effective_controls
    ) + weighted_arms_are_alike(
        with_scores(rows, scores),
        _BALANCED,
        settings.liftos_balance_max_smd,
        settings.liftos_balance_max_variance_ratio,
        settings.liftos_balance_max_distance,
    )


def with_scores(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Causal-ready rows that have a score, with it."""
    keys = [*ANALYSIS_KEY, "window_start", "unit_id"]
    return rows.merge(scores[[*keys, "propensity"]], on=keys)


def _units(panel: pd.DataFrame) -> pd.Series:
    """Units that treatments are given to, by platform and account."""
    kinds = {platform: roles.unit_type for platform, roles in ROLES.items()}
    own = panel[panel["unit_type"] == panel["platform"].map(kinds)]
    return own.groupby(["platform", "account_id"])["unit_id"].nunique()
