"""What of the facts needs action, and what only warns."""

from __future__ import annotations

from liftos_pipeline.doctor.entries import Facts, entries, words
from liftos_pipeline.sources.versions import SETTING_OF


def judged(facts: Facts) -> tuple[list[str], list[str]]:
    """What needs action, and what only warns; a line each."""
    wrong, warned = [], []
    for api in entries(facts, "apis"):
        told = f"{api['platform']} {api['version']}"
        setting = SETTING_OF[str(api["platform"])]
        if facts["source_mode"] == "simulated":
            continue
        if api["state"] == "ended":
            wrong.append(f"{told} ended on {api['last_day']}: set {setting} to a newer version")
        elif api["state"] == "ending":
            warned.append(f"{told} ends on {api['last_day']}, in {api['days_left']} days: set {setting} before")
    missing = entries(facts, "missing")
    if missing:
        streams = sorted({f"{entry['source']}.{entry['stream']}" for entry in missing})
        wrong.append(f"missing days of {', '.join(streams)}: {missing[0]['command']}")
    for entry in entries(facts, "rejected"):
        wrong.append(
            f"{entry['n_rows']} rejected rows of {entry['source']}.{entry['stream']}: "
            "look at ops.rejected_row, have the platform correct them; days within the window are pulled again"
        )
    for series in words(facts, "late_releases"):
        warned.append(f"FRED release of {series} is late: liftos run, once it is out")
    warned += [f"accounts differ, {line}" for line in words(facts, "mismatches")]
    for change in entries(facts, "account_changes"):
        warned.append(
            f"{change['platform']} {change['account_id']}: {change['what']} changed from {change['before']} to "
            f"{change['after']}, seen {change['seen_at']}"
        )
    if facts["newest_as_of"] is None:
        warned.append("nothing was pulled yet: liftos run")
    return wrong, warned
