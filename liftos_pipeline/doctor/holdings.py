"""What a home holds and lacks, stream by stream."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd

from liftos_pipeline.checks.accounts import accounts_agree
from liftos_pipeline.checks.freshness import missing_days
from liftos_pipeline.doctor.entries import Entry, Facts, plain, records
from liftos_pipeline.settings import Settings, last_ended_day
from liftos_pipeline.sources import SOURCES, Stream
from liftos_pipeline.warehouse import warehouse_of
from liftos_pipeline.warehouse.inventory import Inventory, take_inventory

_DUE_AFTER = timedelta(hours=8)
"""A day is due two hours after the schedule's run of 6:00 UTC."""

_SECTIONS = (
    "late_releases",
    "accounts",
    "account_changes",
    "mismatches",
    "streams",
    "missing",
    "gaps",
    "drift",
    "rejected",
)
NOTHING: Facts = {"newest_as_of": None, "due_as_of": None, **{name: [] for name in _SECTIONS}}
"""What an empty home holds."""


def inventory_of(settings: Settings) -> Inventory | None:
    """What the home holds; None if nothing was pulled yet."""
    warehouse = warehouse_of(settings)
    if not warehouse.is_there:
        return None
    tables = {name: source.streams[0].table for name, source in SOURCES.items() if name != "fred"}
    with warehouse.read() as connection:
        held = take_inventory(connection, tables)
    return None if held.pulls.empty else held


def holdings(settings: Settings, held: Inventory, now: datetime) -> Facts:
    """Accounts, streams, missing and lost days, undocumented fields and rejected rows."""
    newest = held.newest_as_of
    due = max(newest, last_ended_day(now - _DUE_AFTER)) if settings.source_mode == "live" else newest
    first = min(newest + timedelta(days=1), due)
    command = f"liftos run --date {due}" if first == due else f"liftos run --from {first} --to {due}"
    missing, gaps = _missing(settings, held, due, command)
    zones = accounts_agree(held.accounts, "account_timezone", "time zone")
    money = accounts_agree(held.accounts, "currency_code", "currency")
    return {
        "newest_as_of": newest.isoformat(),
        "due_as_of": due.isoformat(),
        "late_releases": held.late["series_id"].tolist(),
        "accounts": records(held.accounts),
        "account_changes": records(held.changes),
        "mismatches": [f"{o.gate.replace('_', ' ')}: {o.seen}" for o in (*zones, *money) if not o.passed],
        "streams": _streams(settings, held, missing, now),
        "missing": missing,
        "gaps": gaps,
        "drift": records(held.drift),
        "rejected": _rejected(held),
    }


def _missing(settings: Settings, held: Inventory, due: date, command: str) -> tuple[list[Entry], list[Entry]]:
    """Missing days that a run can fill, and those that a platform no longer serves, by account."""
    windows = {(s.name, t.name): t for s in SOURCES.values() for t in s.streams if t.mode == "window"}
    names = zip(held.days["source"], held.days["stream"], strict=True)
    daily = held.days[[name in windows and name[0] in settings.platforms() for name in names]]
    found = missing_days(daily, held.gaps, due, settings.liftos_look_back_days)
    missing: list[Entry] = []
    gaps: list[Entry] = [{**gap, "is_recorded": True} for gap in records(held.gaps)]
    for (source, stream, account), part in found.groupby(["source", "stream", "account_id"], sort=True):
        reach = windows[source, stream].reaches_back_days
        oldest = date.min if reach is None else due - timedelta(days=reach - 1)
        where = {"source": source, "stream": stream, "account_id": account}
        days = sorted(part["date_day"])
        served, lost = [d for d in days if d >= oldest], [d for d in days if d < oldest]
        for chosen, entries, more in (
            (served, missing, {"n_days": len(served), "command": command}),
            (lost, gaps, {"is_recorded": False}),
        ):
            if chosen:
                span = {"first_day": chosen[0].isoformat(), "last_day": chosen[-1].isoformat()}
                entries.append({**where, **span, **more})
    for platform in settings.platforms():
        for each in SOURCES[platform].streams:
            if not ((held.pulls["source"] == platform) & (held.pulls["stream"] == each.name)).any():
                never = {"account_id": None, "first_day": None, "last_day": None, "n_days": None}
                missing.append({"source": platform, "stream": each.name, **never, "command": command})
    return missing, gaps


def _streams(settings: Settings, held: Inventory, missing: list[Entry], now: datetime) -> list[Entry]:
    known = {(row["source"], row["stream"]): row for row in held.pulls.to_dict("records")}
    return [
        {
            "source": platform,
            "stream": stream.name,
            "windows": window_words(stream),
            "restatement_days": stream.restatement_days,
            "weekly_days": stream.weekly_days,
            "reaches_back_days": stream.reaches_back_days,
            **_last_pull(known.get((platform, stream.name)), now),
            "n_missing": sum(
                int(str(entry["n_days"]))
                for entry in missing
                if (entry["source"], entry["stream"]) == (platform, stream.name) and entry["n_days"] is not None
            ),
        }
        for platform in settings.platforms()
        for stream in SOURCES[platform].streams
    ]


def window_words(stream: Stream) -> str:
    """What is pulled again, in words."""
    if stream.mode == "snapshot":
        return "whole, daily"
    if stream.mode == "upsert":
        return "changes since the last pull"
    weekly = "" if stream.weekly_days is None else f", weekly {stream.weekly_days}"
    reach = "" if stream.reaches_back_days is None else f"; served {stream.reaches_back_days} days back"
    return f"newest {stream.restatement_days} days{weekly}{reach}"


def _last_pull(pull: dict[str, object] | None, now: datetime) -> Entry:
    if pull is None:
        return {"n_accounts": 0, "newest_day": None, "pulled_at": None, "age_hours": None}
    at = pd.Timestamp(str(pull["pulled_at"])).to_pydatetime().replace(tzinfo=UTC)
    return {
        "n_accounts": int(str(pull["n_accounts"])),
        "newest_day": plain(pull["newest_day"]),
        "pulled_at": at.isoformat(timespec="seconds"),
        "age_hours": round((now - at).total_seconds() / 3600, 1),
    }


def _rejected(held: Inventory) -> list[Entry]:
    """Rejected rows that the newest pull of their day still had; of snapshots the newest one counts."""
    modes = {(s.name, t.name): t.mode for s in SOURCES.values() for t in s.streams}
    names = zip(held.rejected["source"], held.rejected["stream"], strict=True)
    is_window = pd.Series([modes.get(name) == "window" for name in names], index=held.rejected.index, dtype=bool)
    open_ = held.rejected[is_window | held.rejected["is_newest_day"].astype(bool)]
    counted = open_.groupby(["source", "stream", "account_id"], as_index=False, sort=True).agg(
        n_rows=("n_rows", "sum"), first_day=("date_day", "min"), last_day=("date_day", "max")
    )
    return records(counted)
