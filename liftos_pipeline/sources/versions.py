"""Until when platforms answer the versions of their interfaces: one table, to be kept up by hand.

A version that is not listed, or listed with None, ends on a day that is not known; that is said as unknown.
"""

from __future__ import annotations

from datetime import date

from liftos_pipeline.settings import Settings

LAST_DAYS: dict[str, dict[str, date | None]] = {
    "meta": {"v23.0": date(2026, 6, 9), "v26.0": None},
    "google_ads": {"v20": date(2026, 6, 10), "v21": date(2026, 8, 5), "v22": date(2026, 10, 7), "v26": None},
    "klaviyo": {"2026-10-15": None},
}
"""Platform -> version -> last day on which it is answered. FRED's interface has no versions."""

SETTING_OF = {
    "meta": "META_API_VERSION",
    "google_ads": "GOOGLE_ADS_API_VERSION",
    "klaviyo": "KLAVIYO_REVISION",
}
WARN_DAYS = 60


def version_in_use(settings: Settings, platform: str) -> str | None:
    """Version that requests name; None where a platform has none."""
    name = SETTING_OF.get(platform)
    return None if name is None else str(getattr(settings, name.lower()))


def last_day_of(platform: str, version: str) -> date | None:
    """Last day of a version; None if it is not known."""
    return LAST_DAYS.get(platform, {}).get(version)
