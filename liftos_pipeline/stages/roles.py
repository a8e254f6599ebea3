"""Which columns of the panel play which part on each platform, and how an analysis is windowed. No computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BEFORE_DAYS = 28
AFTER_DAYS = 28
WINDOW_DAYS = 7

GEO_EXPERIMENT = "geo_experiment"
"""The design whose units are regions."""
PRIMARY_OUTCOMES = ("count", "value")
"""Roles of the outcomes that a decision is about: how many sales, and what they are worth."""
SECONDARY_OUTCOMES = ("volume", "clicks", "opens", "leaves")
"""Roles of what a treatment moves beside: spend or sends, clicks, opens, and who leaves a list."""


@dataclass(frozen=True)
class Roles:
    """Columns of ``marketing_panel`` behind the analyses of one platform.

    ``label`` says whose count the outcome is. ``maturity_days`` is how old a day must be before its outcome is
    used: platforms go on adding conversions to past days. ``restated_days`` is for how many days a day is pulled again
    until it is final, as in the panel's ``is_final``. ``assigned_by`` is the kind of unit that a treatment is given
    to; a list is an audience, as an ad set is.
    """

    unit_type: str
    count: str
    value: str
    volume: str
    clicks: str
    exposure: str
    quality: str | None
    frequency: str | None
    opens: str | None
    leaves: str | None
    label: str
    maturity_days: int
    restated_days: int
    assigned_by: Literal["campaign", "adset"]

    @property
    def outcomes(self) -> dict[str, str]:
        """Column of every outcome that the platform has: ``PRIMARY_OUTCOMES``, then secondary ones."""
        columns = {name: getattr(self, name) for name in (*PRIMARY_OUTCOMES, *SECONDARY_OUTCOMES)}
        return {name: column for name, column in columns.items() if column is not None}

    def label_of(self, outcome: str) -> str:
        """Whose count an outcome is; ``secondary`` for what is no sale."""
        return self.label if outcome in PRIMARY_OUTCOMES else "secondary"


ROLES: dict[str, Roles] = {
    "meta": Roles(
        "campaign",
        "conversions_reported",
        "revenue_reported",
        "spend",
        "clicks",
        "impressions",
        "quality_ranking_level",
        "frequency",
        None,
        None,
        "effect_on_reported",
        14,
        28,
        "campaign",
    ),
    "google_ads": Roles(
        "campaign",
        "conversions_reported",
        "revenue_reported",
        "spend",
        "clicks",
        "impressions",
        "quality_score",
        None,
        None,
        None,
        "effect_on_reported",
        14,
        30,
        "campaign",
    ),
    "klaviyo": Roles(
        "list",
        "orders",
        "order_revenue",
        "email_sends",
        "email_clicks",
        "email_sends",
        None,
        None,
        "email_opens",
        "unsubscribes",
        "effect_on_orders",
        3,
        3,
        "adset",
    ),
}

GEO = Roles(
    "geo",
    "orders",
    "order_revenue",
    "spend",
    "clicks",
    "impressions",
    None,
    None,
    None,
    None,
    "effect_on_orders",
    3,
    28,
    "campaign",
)
"""Regions of an experiment: the shop's own orders there, beside what an ad platform spent there."""


def roles_of(platform: str, design: str) -> Roles:
    """Roles behind an analysis."""
    return GEO if design == GEO_EXPERIMENT else ROLES[platform]


def role_of_column(platform: str, column: str) -> str:
    """The outcome that a column of ``causal.effect_estimates`` is; columns of regions and campaigns never differ in it."""
    return {column: role for roles in (GEO, ROLES[platform]) for role, column in roles.outcomes.items()}[column]


MACRO = {
    "umcsent": "umcsent_asof",
    "unrate": "unrate_asof",
    "inflation": "cpi_yoy_asof",
    "nominal_gdp_growth": "gdp_growth_asof",
    "log_vix": "log_vix_asof",
}
"""Macro columns of the causal-ready data, and where the panel has them."""
