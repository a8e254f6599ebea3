"""Tables of what is true of a simulated world. Read by the demo's table, validation and tests only."""

from __future__ import annotations

from liftos_pipeline.schema.core import Table, columns

_UNIT = (("platform", "VARCHAR", "Platform.", False), ("unit_id", "VARCHAR", "Unit.", False))
_TYPE = ("treatment_type", "VARCHAR", "Type.", False)

TREATMENTS = Table(
    "truth",
    "treatments",
    ("unit_id", "treatment_type", "started_on"),
    columns(
        *_UNIT,
        _TYPE,
        ("started_on", "DATE", "First treated day.", False),
        ("ended_on", "DATE", "Last treated day; NULL while it lasts and for refreshes of a creative."),
        ("dose", "DOUBLE", "Log ratio; NULL where the type has none."),
        ("assignment_method", "VARCHAR", "randomized, quasi_experimental or observational.", False),
    ),
    "Treatments of the simulated world.",
)
EFFECTS = Table(
    "truth",
    "effects",
    ("unit_id", "treatment_type", "date_day"),
    columns(
        *_UNIT,
        _TYPE,
        ("date_day", "DATE", "Day since the start.", False),
        ("started_on", "DATE", "First treated day.", False),
        ("is_on", "BOOLEAN", "Whether the treatment is in force; after its end an effect may remain.", False),
        ("effect_on_orders", "DOUBLE", "Expected orders with minus without the treatment.", False),
        ("effect_on_order_revenue", "DOUBLE", "Same for order revenue.", False),
        ("effect_on_reported", "DOUBLE", "Same for final reported conversions; NULL where there is no row."),
        ("effect_on_revenue_reported", "DOUBLE", "Same for reported revenue."),
        ("mean_orders", "DOUBLE", "Expected orders with the treatment.", False),
        ("mean_reported", "DOUBLE", "Expected reported conversions with the treatment."),
    ),
    "True effects of the simulated world per unit and day since the start of a treatment.",
)
CONFOUNDERS = Table(
    "truth",
    "confounders",
    ("platform", "treatment_type", "variable"),
    columns(
        ("platform", "VARCHAR", "Platform.", False),
        _TYPE,
        ("variable", "VARCHAR", "Variable of the simulator.", False),
        (
            "varies_by",
            "VARCHAR",
            "unit, account, day or unit_day; what varies by day alone the calendar absorbs.",
            False,
        ),
        ("seen_as", "VARCHAR", "Column of the panel that shows it, with noise; NULL if none does."),
        (
            "gamma",
            "DOUBLE",
            "Log hazard of adoption per standard deviation, or per unit of a day's variable.",
            False,
        ),
        ("beta", "DOUBLE", "Log points of expected orders without advertising, per the same.", False),
        ("is_confounder", "BOOLEAN", "Whether it drives both.", False),
    ),
    "What drives adoption, orders, or both, in the simulated world.",
)
CHANGE_DATES = Table(
    "truth",
    "change_dates",
    ("unit_id", "date_day"),
    columns(
        *_UNIT,
        ("date_day", "DATE", "First day at the new level.", False),
        ("log_size", "DOUBLE", "Step of log spend.", False),
        ("is_organic", "BOOLEAN", "Whether some of the step came by itself.", False),
        ("is_logged", "BOOLEAN", "Whether the platform's change log shows a budget change on that day.", False),
    ),
    "Every lasting step of a campaign's spend in the simulated world.",
)
REGIMES = Table(
    "truth",
    "regimes",
    ("unit_id", "date_day"),
    columns(
        *_UNIT,
        ("date_day", "DATE", "Day.", False),
        ("is_cheap", "BOOLEAN", "Whether clicks are cheap.", False),
        (
            "log_saving",
            "DOUBLE",
            "Log points by which they are cheaper in the cheap regime; 0 without regimes.",
            False,
        ),
    ),
    "Regimes of the cost per click in the simulated world.",
)
LIST_HAZARDS = Table(
    "truth",
    "list_hazards",
    ("unit_id", "date_day"),
    columns(
        *_UNIT,
        ("date_day", "DATE", "Day.", False),
        ("log_hazard", "DOUBLE", "Log weekly hazard of unsubscribing at age zero.", False),
        ("drift_per_month", "DOUBLE", "Rise of the log hazard in 30 days.", False),
    ),
    "Hazards of lists in the simulated world.",
)
FATIGUE = Table(
    "truth",
    "fatigue",
    ("unit_id",),
    columns(
        *_UNIT,
        (
            "decay",
            "DOUBLE",
            "Fall of the log click rate per unit of frequency; 0 for a unit that does not tire.",
            False,
        ),
        ("refreshes", "INTEGER", "Creative refreshes by then.", False),
    ),
    "Audience fatigue in the simulated world.",
)
SHOCKS = Table(
    "truth",
    "shocks",
    ("kind", "started_on"),
    columns(
        (
            "kind",
            "VARCHAR",
            "market: planted by the world; rival: a competitor's push, which fades by .85 a day.",
            False,
        ),
        ("started_on", "DATE", "First day.", False),
        ("ended_on", "DATE", "Last day; NULL for a push, which fades."),
        ("log_demand", "DOUBLE", "Shift of log demand on the first day.", False),
        ("log_price", "DOUBLE", "Shift of log prices on the first day, all else equal.", False),
    ),
    "Shocks that hit every unit of the simulated world.",
)
SPILLOVERS = Table(
    "truth",
    "spillovers",
    ("unit_id", "date_day"),
    columns(
        *_UNIT,
        ("date_day", "DATE", "Day.", False),
        (
            "share_treated",
            "DOUBLE",
            "Share of the account's other campaigns with their budget change in force.",
            False,
        ),
        ("effect_on_orders", "DOUBLE", "Expected orders with minus without the others' changes.", False),
        ("psi", "DOUBLE", "Log orders lost at a share of one.", False),
    ),
    "What the siblings' budget changes do to a campaign in the simulated world; days with any.",
)
FAULTS = Table(
    "truth",
    "faults",
    ("platform", "account_id", "kind", "started_on"),
    columns(
        ("platform", "VARCHAR", "Platform.", False),
        ("account_id", "VARCHAR", "Account.", False),
        (
            "kind",
            "VARCHAR",
            "outage: no rows; tracking_break, attribution_change: times the factor.",
            False,
        ),
        ("started_on", "DATE", "First day.", False),
        ("ended_on", "DATE", "Last day by then.", False),
        ("factor", "DOUBLE", "Share of conversions, or of the exposure behind claims, that is left.", False),
    ),
    "Faults of accounts' reports in the simulated world.",
)
GEO_EFFECTS = Table(
    "truth",
    "geo_effects",
    ("geo_id", "date_day"),
    columns(
        ("geo_id", "VARCHAR", "Region.", False),
        ("date_day", "DATE", "Day.", False),
        ("is_treated", "BOOLEAN", "Whether advertising is raised there on that day.", False),
        ("effect_on_orders", "DOUBLE", "Expected orders with minus without.", False),
        ("mean_orders", "DOUBLE", "Expected orders.", False),
    ),
    "True effects of the simulated geo experiment.",
)

TRUTH_TABLES: tuple[Table, ...] = (
    TREATMENTS,
    EFFECTS,
    CONFOUNDERS,
    CHANGE_DATES,
    REGIMES,
    LIST_HAZARDS,
    FATIGUE,
    SHOCKS,
    SPILLOVERS,
    FAULTS,
    GEO_EFFECTS,
)
