"""Names and numbers as people read them. What is not known is said, never 0."""

from __future__ import annotations

import math
from datetime import date

CHANNELS = {"meta": "Meta", "google_ads": "Google Ads", "klaviyo": "Klaviyo"}
OUTCOMES = {
    "conversions_reported": "conversions",
    "revenue_reported": "revenue",
    "orders": "orders",
    "order_revenue": "order revenue",
}
COUNTS = ("conversions_reported", "orders")
"""Outcomes that count sales; the others are money."""
CHANGES = {
    "budget_change": "budget changes",
    "targeting_change": "targeting changes",
    "creative_change": "creative changes",
}
DESIGNS = {
    "experiment": "in a declared experiment",
    "geo_experiment": "in drawn regions",
    "staggered": "on their account's date",
    "cutoff": "by a rule with a cutoff",
    "instrument": "of those who were asked to",
    "landmarked": "as they came",
    "single_unit": "of a single campaign",
}
TIERS = {
    "T1": "randomised: a declared experiment drew who was changed",
    "T2": "quasi-experiment: a date or rule, not performance, decided who was changed, and the gates passed",
    "T3": "observational: compared with similar ones that were not changed yet",
    "T4": "platform-reported: no comparison at all",
}
VERDICTS = {
    "report": "may be reported",
    "widen": "may be reported, widened",
    "direction_only": "only the direction may be told",
    "refuse": "no answer",
}
TOLD = ("report", "widen")
"""Verdicts under which a number may be told."""
DECISIONS = {"go": "go", "no_go": "no-go", "keep": "keep as it is"}
METHODS = {
    "doubly_robust": "doubly robust comparison",
    "ipw": "weighting alone",
    "difference_in_means": "bare difference",
    "staggered_did": "staggered difference-in-differences",
    "synthetic_control": "synthetic control",
}
LABELS = {
    "effect_on_orders": "as the shop counts them",
    "effect_on_reported": "as the platform counts them, not calibrated",
    "calibrated_by_lift_study": "as the platform counts them, calibrated by a lift study",
    "secondary": "no sale",
}
FACTORS = {
    "umcsent": "consumer confidence",
    "unrate": "unemployment",
    "inflation": "inflation",
    "nominal_gdp_growth": "nominal GDP growth",
    "log_vix": "VIX, logarithm",
}
UNKNOWN = "not known"
_MINUS, _PERCENT = "\u2212", "\u00a0%"
_WHOLE_FROM = 10.0


def channel(platform: object) -> str:
    return CHANNELS.get(str(platform), str(platform).replace("_", " "))


def change(treatment_type: object, design: object = "landmarked") -> str:
    """The kind of change; how it came about only where that is not as usual."""
    name = CHANGES.get(str(treatment_type), str(treatment_type).replace("_", " "))
    return name if design in ("landmarked", "all") else f"{name} {DESIGNS.get(str(design), str(design))}"


def outcome(column: object) -> str:
    return OUTCOMES.get(str(column), str(column).replace("_", " "))


def method(name: object) -> str:
    return METHODS.get(str(name), str(name).replace("_", " "))


def known(value: object) -> bool:
    """Whether there is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def amount(value: object, signed: bool = False) -> str:
    """A count or sum: whole from ten on, else two digits."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    text = f"{abs(value):,.0f}" if abs(value) >= _WHOLE_FROM else f"{abs(value):.2g}"
    if text == "0":
        return text
    return f"{_MINUS if value < 0 else '+' if signed else ''}{text}"


def span(low: object, high: object, as_text: object = amount) -> str:
    """An interval; an open end is said."""
    below, above = known(low), known(high)
    write = as_text if callable(as_text) else amount
    if below and above:
        return f"{write(low)} to {write(high)}"
    if not below and not above:
        return "no limits"
    return f"from {write(low)}, no upper limit" if below else f"up to {write(high)}, no lower limit"


def rate(value: object) -> str:
    """A ratio such as a return, two decimals."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    return f"{value:.2f}".replace("-", _MINUS)


def share(value: object) -> str:
    """A proportion in percent."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    percent = 100.0 * value
    return f"{percent:.0f}{_PERCENT}" if percent >= _WHOLE_FROM or percent == 0.0 else f"{percent:.1f}{_PERCENT}"


def signed_share(value: object) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    text = f"{100 * value:+.1f}"
    return f"{'0' if float(text) == 0.0 else text}{_PERCENT}".replace("-", _MINUS)


def number(value: object) -> str:
    """An estimate per unit-day: three digits."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", _MINUS)


def p_value(value: object) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def listed(names: list[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def move(value: object) -> str:
    """A change in standard errors."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", _MINUS)


def subject(name: str) -> str:
    """What a gate is about: a platform, an analysis or a table."""
    first, *rest = name.split(".")
    return ", ".join([channel(first), *(CHANGES.get(part) or outcome(part) for part in rest)])


def month(text: str) -> str:
    """``2026-01`` as Jan 26."""
    return f"{date.fromisoformat(f'{text}-01'):%b %y}"
