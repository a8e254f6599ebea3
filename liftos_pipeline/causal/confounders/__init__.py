"""Confounder detectors, one per file. A new one is a file and a line here."""

from __future__ import annotations

from liftos_pipeline.causal.confounders.audience_fatigue import audience_fatigue
from liftos_pipeline.causal.confounders.budget_change import budget_change
from liftos_pipeline.causal.confounders.confounder_score import confounder_score
from liftos_pipeline.causal.confounders.list_health import list_health
from liftos_pipeline.causal.confounders.market_shock import market_shock
from liftos_pipeline.causal.confounders.quality_score_regime import quality_score_regime
from liftos_pipeline.causal.confounders.seasonality import seasonality
from liftos_pipeline.causal.specification import DetectorSpec

_SPECS = (
    DetectorSpec(
        "budget_change",
        budget_change,
        "Dated level shifts in log spend, against autocorrelated noise and a common calendar.",
        "Andrews (1993); Bai (1997)",
        "undetermined below 42 observed days or with more than a fifth of the days without spend",
    ),
    DetectorSpec(
        "audience_fatigue",
        audience_fatigue,
        "Decay of the log click-through rate in frequency, apart from weekdays and trend.",
        "Harville (1974); Cheang and Reinsel (2000)",
        "calendar, trend and creatives explain 95 % of frequency, or a decay of 0.1 would be found with less than half "
        "power; undetermined below 42 observed days or 5 clicks a day",
    ),
    DetectorSpec(
        "quality_score_regime",
        quality_score_regime,
        "Cost per click that switches between two levels, or follows a logged quality score.",
        "Hamilton (1989); Buhlmann (1997)",
        "the rarer regime ruled fewer than 7 days, or calendar and trend explain 95 % of the score; undetermined below "
        "60 observed days or with more than a fifth of the days without a cost",
    ),
    DetectorSpec(
        "list_health",
        list_health,
        "Drift of the hazard of leaving a list over calendar time, given age.",
        "Donald and Lang (2007); Breslow and Clayton (1993)",
        "age explains more than 95 % of calendar time; undetermined below 12 weeks or 50 events, or without power",
    ),
    DetectorSpec(
        "seasonality",
        seasonality,
        "Strength of the week, the trend and the year by robust STL; whether there is a cycle at all.",
        "Cleveland et al. (1990); Wang, Smith and Hyndman (2006)",
        "undetermined below 8 cycles or with more than a fifth of the periods missing; the year below two years",
    ),
    DetectorSpec(
        "market_shock",
        market_shock,
        "Days on which prices (and impression share, inversely) of all units jump together.",
        "Chang, Tiao and Chen (1988)",
        "undetermined below 8 units with 42 common days",
    ),
    DetectorSpec(
        "confounder_score",
        confounder_score,
        "Which candidates matter both for adoption and for the untreated outcome, given the others and the calendar.",
        "Benjamini and Hochberg (1995); Belloni, Chernozhukov and Hansen (2014)",
        "a candidate is constant, the same for all units or a combination of others; undetermined without the power",
    ),
)
DETECTORS: dict[str, DetectorSpec] = {spec.name: spec for spec in _SPECS}
