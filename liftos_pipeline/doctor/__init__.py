"""What is configured, what a home holds and lacks, and which command fills it. Reads the home; asks platforms only in
``ask_platforms``. Prints nothing."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime

from liftos_pipeline import __version__
from liftos_pipeline.doctor.asking import ask_platforms
from liftos_pipeline.doctor.entries import Entry, Facts
from liftos_pipeline.doctor.holdings import NOTHING, holdings, inventory_of
from liftos_pipeline.doctor.judgement import judged
from liftos_pipeline.settings import CREDENTIALS, Settings
from liftos_pipeline.sources.versions import WARN_DAYS, last_day_of, version_in_use

__all__ = ["api_versions", "ask_platforms", "examine"]


def examine(settings: Settings, now: datetime) -> Facts:
    """All facts of a home, ready for JSON. ``needs_action`` lists what is wrong, ``warnings`` what soon may be.

    Parameters
    ----------
    now : datetime
        Wall clock, with its zone.
    """
    facts: Facts = {
        "version": __version__,
        "python": sys.version.split()[0],
        "home": str(settings.home),
        "source_mode": settings.source_mode,
        "pulled": list(settings.platforms()),
        "absent": [name for name in CREDENTIALS if name not in settings.platforms()],
        "needs": {name: list(CREDENTIALS[name]) for name in CREDENTIALS if name not in settings.configured()},
        "apis": api_versions(settings, now.astimezone(UTC).date()),
    }
    held = inventory_of(settings)
    facts |= NOTHING if held is None else holdings(settings, held, now)
    facts["needs_action"], facts["warnings"] = judged(facts)
    return facts


def api_versions(settings: Settings, today: date) -> list[Entry]:
    """platform, version, last_day, days_left, state: ok, ending, ended or unknown. A simulated home's never end."""
    found: list[Entry] = []
    for platform in settings.platforms():
        version = version_in_use(settings, platform)
        if version is None:
            continue
        last = last_day_of(platform, version)
        left = None if last is None else (last - today).days
        state = "unknown" if left is None else "ended" if left < 0 else "ending" if left <= WARN_DAYS else "ok"
        found.append(
            {
                "platform": platform,
                "version": version,
                "last_day": None if last is None else last.isoformat(),
                "days_left": left,
                "state": state,
            }
        )
    return found
