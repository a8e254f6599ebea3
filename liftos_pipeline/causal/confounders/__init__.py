"""Confounder detectors, one per file. A new one is a file and a line here."""

from __future__ import annotations

from liftos_pipeline.causal.confounders.audience_fatigue import audience_fatigue
from liftos_pipeline.causal.confounders.budget_change import budget_change
from liftos_pipeline.causal.confounders.quality_score_regime import quality_score_regime
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
)
DETECTORS: dict[str, DetectorSpec] = {spec.name: spec for spec in _SPECS}
