"""Tables of results, written by the stages and read by people, the report and the service.

Each is keyed by ``as_of`` first: what was known at the end of that day.
"""

from __future__ import annotations

from liftos_pipeline.schema.core import Column, Table, columns

PROVENANCE = columns(
    ("run_id", "VARCHAR", "Run that wrote the row.", False),
    ("code_version", "VARCHAR", "Version of the code.", False),
    ("seed", "BIGINT", "Seed of everything random behind the row.", False),
    ("source_mode", "VARCHAR", "live, simulated or recorded.", False),
)
_AS_OF = Column("as_of", "DATE", "What was known at the end of this day.", False)


def _result(schema: str, name: str, key: tuple[str, ...], meaning: str, *spec: tuple) -> Table:
    return Table(schema, name, ("as_of", *key), (_AS_OF, *columns(*spec), *PROVENANCE), meaning, "as_of")


_UNIT = (
    ("platform", "VARCHAR", "Platform.", False),
    ("unit_id", "VARCHAR", "Unit: platform, account and entity.", False),
)
_ANALYSIS = (
    ("platform", "VARCHAR", "Platform.", False),
    ("treatment_type", "VARCHAR", "budget_change, targeting_change or creative_change.", False),
)

EXTERNAL_FACTORS = _result(
    "causal",
    "external_factors",
    ("factor",),
    "Macro factors as known at the as-of day.",
    ("factor", "VARCHAR", "Name.", False),
    ("series_id", "VARCHAR", "FRED series.", False),
    ("value", "DOUBLE", "Transformed value; NULL unknown."),
    ("unit", "VARCHAR", "Unit of the value.", False),
    ("observation_date", "DATE", "Period of the newest observation behind it."),
    ("realtime_start", "DATE", "Since when that observation was published."),
    ("expected_on", "DATE", "Day on which the next release is or was due; NULL nothing is known."),
    ("overdue_after", "DATE", "Last day on which its absence is borne; NULL nothing is known."),
    ("is_stale", "BOOLEAN", "A newer release was due and is missing.", False),
)
RELEASE_CALENDAR = _result(
    "causal",
    "release_calendar",
    ("series_id", "observation_date"),
    "The last releases of every FRED series and the next one.",
    ("series_id", "VARCHAR", "FRED series.", False),
    ("observation_date", "DATE", "First day of the period.", False),
    ("expected_on", "DATE", "Day on which it is or was due.", False),
    ("released_on", "DATE", "Day on which it came out; NULL not yet."),
    ("status", "VARCHAR", "released, not_published (came without a value), expected, due or overdue.", False),
)
MATURITY_CURVES = _result(
    "causal",
    "maturity_curves",
    ("platform", "metric", "age_days"),
    "Share of the last count that is known at each age, from what was seen of each day at each age.",
    ("platform", "VARCHAR", "Platform.", False),
    ("metric", "VARCHAR", "Column of the panel, or the attribution window's count.", False),
    (
        "age_days",
        "INTEGER",
        "Days since the day's end; the last is the age at which it is pulled for the last time.",
        False,
    ),
    ("completeness", "DOUBLE", "Share of the last count; NULL too few days were watched."),
    ("completeness_low", "DOUBLE", "Lower limit."),
    ("completeness_high", "DOUBLE", "Upper limit."),
    ("level", "DOUBLE", "Level of the limits.", False),
    (
        "spread",
        "DOUBLE",
        "Squared half-width per completed count that the chance of a single day adds to its interval; NULL too few days.",
    ),
    ("n_days", "BIGINT", "Fewest days behind a factor from this age on.", False),
    ("reason", "VARCHAR", "Why there is no share."),
)
CONFOUNDERS = _result(
    "causal",
    "confounders",
    ("detector", "unit_id", "event_no"),
    "What the detectors found, one row per unit (or scored candidate) and event; event 0 is the unit's own verdict.",
    ("detector", "VARCHAR", "Detector.", False),
    *_UNIT,
    ("event_no", "INTEGER", "0 for the unit's verdict, 1.. for dated events.", False),
    ("status", "VARCHAR", "detected, not_detected, not_identified or undetermined.", False),
    ("event_on", "DATE", "Date of the event."),
    ("estimate", "DOUBLE", "Size, in the detector's unit."),
    ("statistic", "DOUBLE", "Test statistic."),
    ("p_value", "DOUBLE", "p-value."),
    ("confidence", "DOUBLE", "1 minus p-value, 0 to 1."),
    (
        "role",
        "VARCHAR",
        "Of a scored candidate: confounder, instrument, prognostic, none or absorbed_by_calendar.",
    ),
    ("reason", "VARCHAR", "Why undetermined or not identified."),
)
TREATMENTS = _result(
    "causal",
    "treatments",
    ("treatment_id",),
    "Treatments known at the as-of day, from change logs and from detected breaks. What was known before stays.",
    ("treatment_id", "VARCHAR", "Hash of unit, type and start as first known.", False),
    *_UNIT,
    ("treatment_type", "VARCHAR", "Type.", False),
    ("started_on", "DATE", "First treated day.", False),
    ("dose", "DOUBLE", "Log ratio of budget or volume; NULL where the type has none."),
    ("evidence", "VARCHAR", "logged, detected or both.", False),
    ("detected_on", "DATE", "Date of the matching break, if one was seen."),
    (
        "visibility",
        "VARCHAR",
        "seen; of logged changes without a break unseen (one was due), small, crowded, out_of_view or not_watched.",
        False,
    ),
    ("undone_on", "DATE", "Day from which later changes had taken the dose back; NULL while it stands."),
    ("assignment_method", "VARCHAR", "randomized, quasi_experimental or observational.", False),
    ("assignment_probability", "DOUBLE", "Probability of the treatment; NULL not known."),
    ("assignment_test", "VARCHAR", "The test behind the method.", False),
    ("control_group_id", "VARCHAR", "Group to compare with, where the assignment has one."),
    ("randomization_unit", "VARCHAR", "campaign, adset, geo or time: what was assigned.", False),
    ("overlap_group", "VARCHAR", "Treatments of one unit within 28 days share a group.", False),
    ("first_known_on", "DATE", "As-of day on which it was first known.", False),
    ("last_seen_on", "DATE", "Last as-of day on which log or detector had it.", False),
    (
        "standing",
        "VARCHAR",
        "current; unexplained: a break that the log, which was pulled, does not explain, no treatment; lapsed: before the "
        "look-back window; withdrawn: neither log nor detector has it any more.",
        False,
    ),
)
CAUSAL_GRAPH = _result(
    "causal",
    "causal_graph",
    ("platform", "treatment_type", "cause", "effect"),
    "Edges of the causal graph of each analysis.",
    *_ANALYSIS,
    ("cause", "VARCHAR", "Node.", False),
    ("effect", "VARCHAR", "Node.", False),
    (
        "cause_role",
        "VARCHAR",
        "treatment, outcome, confounder, calendar, external_factor, mediator or latent.",
        False,
    ),
    ("effect_role", "VARCHAR", "Same of the effect.", False),
    ("adjusted", "BOOLEAN", "Whether estimation holds the cause fixed: as a covariate or by the calendar.", False),
    ("evidence", "VARCHAR", "platform_knowledge, or the detector that found it.", False),
)
ADJUSTMENT_SETS = _result(
    "causal",
    "adjustment_sets",
    ("platform", "treatment_type"),
    "What the graph of each analysis says must, may and must not be adjusted for.",
    *_ANALYSIS,
    ("status", "VARCHAR", "identified or not_identified_by_adjustment.", False),
    ("minimal_set", "VARCHAR", "JSON array: the smallest sufficient set beside the calendar.", False),
    ("adjusted_set", "VARCHAR", "JSON array: all admissible covariates, what estimation adjusts for.", False),
    ("absorbed_by_calendar", "VARCHAR", "JSON array: day-level nodes.", False),
    ("forbidden", "VARCHAR", "JSON object: node to why it must not be adjusted for.", False),
    ("instruments", "VARCHAR", "JSON array: pure instruments.", False),
    ("open_path", "VARCHAR", "Back-door path through a latent node that nothing blocks; NULL if identified."),
    ("explanation", "VARCHAR", "The derivation, one sentence a line.", False),
)
CAUSAL_MARKETING_DATA = _result(
    "causal",
    "causal_marketing_data",
    ("platform", "treatment_type", "window_start", "unit_id"),
    "Landmarked rows: per weekly window the units that start in it and those not yet treated.",
    *_ANALYSIS,
    ("window_start", "DATE", "First day of the adoption window.", False),
    ("unit_id", "VARCHAR", "Unit.", False),
    ("started_on", "DATE", "Start of the treatment; NULL for controls."),
    ("is_treated", "INTEGER", "1 starts in the window, 0 not yet treated.", False),
    ("count_before", "DOUBLE", "Mean daily outcome count over days -28 to -1 before the window.", False),
    ("count_after", "DOUBLE", "Mean daily outcome count over days 0 to 27 after the start.", False),
    ("count_trend", "DOUBLE", "count_before times the growth of the other not-yet-treated units.", False),
    ("value_before", "DOUBLE", "Same for the outcome's value, major units.", False),
    ("value_after", "DOUBLE", "Same for the outcome's value, major units.", False),
    ("value_trend", "DOUBLE", "Same for the outcome's value, major units.", False),
    (
        "log_spend_before",
        "DOUBLE",
        "Log of 1 plus mean daily spend (sends for lists), days -28 to -1.",
        False,
    ),
    ("spend_momentum", "DOUBLE", "Log ratio of spend, days -7 to -1 against -28 to -8.", False),
    ("count_momentum", "DOUBLE", "Log ratio of the outcome, days -7 to -1 against -28 to -8.", False),
    ("click_rate_before", "DOUBLE", "Clicks per impression (per send for lists), days -28 to -1.", False),
    ("quality_before", "DOUBLE", "Mean quality score, days -28 to -1; NULL where none exists."),
    ("frequency_before", "DOUBLE", "Mean daily frequency, days -28 to -1; NULL where none exists."),
    ("days_since_other", "DOUBLE", "Days since the last other treatment, at most 56.", False),
    ("other_active", "INTEGER", "Other treatments that started before the window.", False),
    ("umcsent", "DOUBLE", "Consumer confidence known at the window's start."),
    ("unrate", "DOUBLE", "Unemployment known then, percent."),
    ("inflation", "DOUBLE", "12-month CPI change known then, percent."),
    ("nominal_gdp_growth", "DOUBLE", "Annualised quarterly log change known then, percent."),
    ("log_vix", "DOUBLE", "Log VIX known then."),
    ("vintage", "VARCHAR", "captured, as_restated or reconstructed.", False),
)
PROPENSITY_SCORES = _result(
    "causal",
    "propensity_scores",
    ("platform", "treatment_type", "window_start", "unit_id"),
    "Cross-fitted probability of starting in the window.",
    *_ANALYSIS,
    ("window_start", "DATE", "Adoption window.", False),
    ("unit_id", "VARCHAR", "Unit.", False),
    ("is_treated", "INTEGER", "1 started, 0 not yet.", False),
    ("fold", "INTEGER", "Cross-fitting fold of the unit.", False),
    ("propensity", "DOUBLE", "Score, 0 to 1.", False),
)
EFFECT_ESTIMATES = _result(
    "causal",
    "effect_estimates",
    ("platform", "treatment_type", "outcome", "method", "estimand"),
    "Effects per treatment type, platform, outcome and method.",
    *_ANALYSIS,
    ("outcome", "VARCHAR", "Outcome, as mean per unit-day.", False),
    ("label", "VARCHAR", "effect_on_orders or effect_on_reported: whose count the outcome is.", False),
    ("method", "VARCHAR", "Estimator.", False),
    ("estimand", "VARCHAR", "att, ate or overlap.", False),
    ("estimate", "DOUBLE", "Effect per treated unit-day; NULL undefined."),
    ("std_error", "DOUBLE", "Standard error."),
    ("ci_low", "DOUBLE", "Lower limit."),
    ("ci_high", "DOUBLE", "Upper limit."),
    ("level", "DOUBLE", "Level of the interval.", False),
    ("p_value", "DOUBLE", "p-value."),
    ("n_rows", "BIGINT", "Rows.", False),
    ("n_units", "BIGINT", "Units.", False),
    ("n_treated", "BIGINT", "Treated units.", False),
    ("n_clusters", "BIGINT", "Clusters.", False),
    ("refused", "VARCHAR", "Why the estimate must not be used; NULL if it may."),
    ("undefined", "VARCHAR", "Why a field is NULL; NULL if none is."),
    ("warnings", "VARCHAR", "Warnings, one per line."),
    ("diagnostics", "VARCHAR", "JSON of the diagnostics."),
    ("certificate", "VARCHAR", "Status of the method in causal.certificates; NULL without one."),
    ("certified_size", "DOUBLE", "Its share of placebos with an interval that leaves out zero."),
)
CERTIFICATES = _result(
    "causal",
    "certificates",
    ("platform", "outcome", "method"),
    "What each method does on the platform's own units where nobody was treated.",
    ("platform", "VARCHAR", "Platform.", False),
    ("outcome", "VARCHAR", "Outcome.", False),
    ("method", "VARCHAR", "Estimator.", False),
    ("status", "VARCHAR", "cleared, widened, blocked or not_applicable.", False),
    ("reason", "VARCHAR", "Why it is not cleared."),
    ("treatment_type", "VARCHAR", "Whose windows were replayed."),
    ("windows_until", "DATE", "Last window that was replayed.", False),
    ("level", "DOUBLE", "Level of the intervals.", False),
    ("n_replays", "BIGINT", "Placebo treatments.", False),
    ("answered", "BIGINT", "Those in which the method gave an interval.", False),
    ("n_units", "BIGINT", "Units at hand.", False),
    ("n_treated", "BIGINT", "Units treated on paper, mean of the replays.", False),
    ("size", "DOUBLE", "Share of replays without effect whose interval leaves out zero."),
    ("size_low", "DOUBLE", "Lower limit, simultaneous over the methods."),
    ("size_high", "DOUBLE", "Upper limit, simultaneous over the methods."),
    ("coverage", "DOUBLE", "Share of replays whose interval holds the injected effect."),
    ("coverage_low", "DOUBLE", "Lower limit, simultaneous over the methods."),
    ("coverage_high", "DOUBLE", "Upper limit, simultaneous over the methods."),
    ("injected", "DOUBLE", "Injected effect per treated unit-day."),
    ("bias", "DOUBLE", "Mean estimate minus injected effect."),
    ("bias_low", "DOUBLE", "Lower limit."),
    ("bias_high", "DOUBLE", "Upper limit."),
    ("detectable", "DOUBLE", "Effect that the released interval tells from zero in 80 % of the replays."),
    ("detectable_low", "DOUBLE", "Lower limit."),
    ("detectable_high", "DOUBLE", "Upper limit."),
    ("widening", "DOUBLE", "Factor on each side of released intervals."),
)
ATTRIBUTION = _result(
    "causal",
    "attribution",
    ("platform", "treatment_type", "outcome"),
    "Incremental outcome of each treatment type beside what the platform reported.",
    *_ANALYSIS,
    ("outcome", "VARCHAR", "Outcome.", False),
    ("label", "VARCHAR", "effect_on_orders or effect_on_reported.", False),
    ("method", "VARCHAR", "Estimator behind it.", False),
    ("treated_units", "BIGINT", "Units treated.", False),
    ("treated_unit_days", "BIGINT", "Unit-days that the effect is summed over.", False),
    ("reported_change", "DOUBLE", "After minus before, as reported, over those unit-days."),
    ("incremental", "DOUBLE", "Effect times unit-days; NULL if refused."),
    ("incremental_low", "DOUBLE", "Lower limit."),
    ("incremental_high", "DOUBLE", "Upper limit."),
    ("level", "DOUBLE", "Level of the interval.", False),
    ("refused", "VARCHAR", "Why there is no number or no interval; NULL if there are both."),
)
GATES = _result(
    "quality",
    "gates",
    ("gate", "subject"),
    "What every check saw.",
    ("gate", "VARCHAR", "Check.", False),
    ("subject", "VARCHAR", "Table or analysis that was checked.", False),
    ("passed", "BOOLEAN", "Verdict.", False),
    ("severity", "VARCHAR", "error blocks, warn does not.", False),
    ("seen", "VARCHAR", "What was seen.", False),
    ("expected", "VARCHAR", "What was expected.", False),
    ("way_out", "VARCHAR", "What to do.", False),
    ("offenders", "VARCHAR", "JSON of the worst five.", False),
)

_NOT_IN_HISTORY = {"label", "warnings", "diagnostics", "certified_size"}
EFFECT_HISTORY = Table(
    "causal",
    "effect_history",
    ("run_id", *EFFECT_ESTIMATES.key),
    (
        *(column for column in EFFECT_ESTIMATES.columns if column.name not in _NOT_IN_HISTORY),
        *columns(
            ("vintage", "VARCHAR", "captured; as_restated before the first day that was captured in time.", False),
            ("finished_at", "TIMESTAMP", "Wall clock (UTC).", False),
        ),
    ),
    "Effects of every run. Only grows.",
)
TREATMENTS_REPLACED = Table(
    "causal",
    "treatments_replaced",
    ("as_of", "run_id", "treatment_id"),
    TREATMENTS.columns,
    "Rows of causal.treatments that another run of the same as-of day replaced: later days remembered them.",
)
HISTORY_TABLES: tuple[Table, ...] = (EFFECT_HISTORY, TREATMENTS_REPLACED)

RESULT_TABLES: tuple[Table, ...] = (
    EXTERNAL_FACTORS,
    RELEASE_CALENDAR,
    MATURITY_CURVES,
    CONFOUNDERS,
    TREATMENTS,
    CAUSAL_GRAPH,
    ADJUSTMENT_SETS,
    CAUSAL_MARKETING_DATA,
    PROPENSITY_SCORES,
    CERTIFICATES,
    EFFECT_ESTIMATES,
    ATTRIBUTION,
    GATES,
)
