"""What is configured, what a home holds and lacks, and which command fills it. Reads the home; asks platforms only in
``ask_platforms``. Prints nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from liftos_pipeline import __version__
from liftos_pipeline.checks.accounts import accounts_agree
from liftos_pipeline.checks.freshness import missing_days
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.ingest import Home, connect, open_home
from liftos_pipeline.settings import CREDENTIALS, Settings, last_ended_day
from liftos_pipeline.sources import SOURCES, Stream
from liftos_pipeline.sources.plan import end_of
from liftos_pipeline.sources.versions import SETTING_OF, WARN_DAYS, last_day_of, version_in_use
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.inventory import Inventory, take_inventory

Facts = dict[str, object]
Entry = dict[str, object]

_DUE_AFTER = timedelta(hours=8)
"""A day is due two hours after the schedule's run of 6:00 UTC."""
_LIVE_WAIT_S = 10.0


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
    held = _held(settings)
    facts |= {"newest_as_of": None} if held is None else _of_inventory(settings, held, now)
    facts["needs_action"], facts["warnings"] = _judged(facts)
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


def _held(settings: Settings) -> Inventory | None:
    warehouse = Warehouse(settings.home, settings.source_mode)
    if not warehouse.working_file.exists():
        return None
    tables = {name: source.streams[0].table for name, source in SOURCES.items() if name != "fred"}
    with warehouse.read() as connection:
        held = take_inventory(connection, tables)
    return None if held.pulls.empty else held


def _of_inventory(settings: Settings, held: Inventory, now: datetime) -> Facts:
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
        "accounts": _records(held.accounts),
        "account_changes": _records(held.changes),
        "mismatches": [f"{o.gate.replace('_', ' ')}: {o.seen}" for o in (*zones, *money) if not o.passed],
        "streams": _streams(settings, held, missing, now),
        "missing": missing,
        "gaps": gaps,
        "drift": _records(held.drift),
        "rejected": _rejected(held),
    }


def _missing(settings: Settings, held: Inventory, due: date, command: str) -> tuple[list[Entry], list[Entry]]:
    """Missing days that a run can fill, and those that a platform no longer serves, by account."""
    windows = {(s.name, t.name): t for s in SOURCES.values() for t in s.streams if t.mode == "window"}
    names = zip(held.days["source"], held.days["stream"], strict=True)
    daily = held.days[[name in windows and name[0] in settings.platforms() for name in names]]
    found = missing_days(daily, held.gaps, due, settings.liftos_look_back_days)
    missing: list[Entry] = []
    gaps: list[Entry] = [{**gap, "is_recorded": True} for gap in _records(held.gaps)]
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
        "newest_day": _plain(pull["newest_day"]),
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
    return _records(counted)


def _judged(facts: Facts) -> tuple[list[str], list[str]]:
    """What needs action, and what only warns; a line each."""
    wrong, warned = [], []
    for api in _entries(facts, "apis"):
        told = f"{api['platform']} {api['version']}"
        setting = SETTING_OF[str(api["platform"])]
        if facts["source_mode"] == "simulated":
            continue
        if api["state"] == "ended":
            wrong.append(f"{told} ended on {api['last_day']}: set {setting} to a newer version")
        elif api["state"] == "ending":
            warned.append(f"{told} ends on {api['last_day']}, in {api['days_left']} days: set {setting} before")
    missing = _entries(facts, "missing")
    if missing:
        streams = sorted({f"{entry['source']}.{entry['stream']}" for entry in missing})
        wrong.append(f"missing days of {', '.join(streams)}: {missing[0]['command']}")
    for entry in _entries(facts, "rejected"):
        wrong.append(
            f"{entry['n_rows']} rejected rows of {entry['source']}.{entry['stream']}: "
            "look at ops.rejected_row, have the platform correct them; days within the window are pulled again"
        )
    for series in _words(facts, "late_releases"):
        warned.append(f"FRED release of {series} is late: liftos run, once it is out")
    warned += [f"accounts differ, {line}" for line in _words(facts, "mismatches")]
    for change in _entries(facts, "account_changes"):
        warned.append(
            f"{change['platform']} {change['account_id']}: {change['what']} changed from {change['before']} to "
            f"{change['after']}, seen {change['seen_at']}"
        )
    if facts["newest_as_of"] is None:
        warned.append("nothing was pulled yet: liftos run")
    return wrong, warned


def ask_platforms(settings: Settings, now: datetime) -> list[Entry]:
    """One cheap request per account: platform, account_id, is_ok, error (its name), message.

    FRED is asked for one series. Nothing is stored.
    """
    home = open_home(settings)
    home = replace(home, settings=home.settings.model_copy(update={"liftos_http_wait_budget_s": _LIVE_WAIT_S}))
    observed_at = now.astimezone(UTC).replace(tzinfo=None)
    if home.is_simulated:
        observed_at = end_of(settings.liftos_start_date)
    return [entry for platform in settings.platforms() for entry in _ask(home, platform, observed_at)]


def _ask(home: Home, platform: str, observed_at: datetime) -> list[Entry]:
    source = SOURCES[platform]
    connection = connect(home, source, observed_at)
    connection.keep = None
    day = observed_at.date() - timedelta(days=1)
    answers: list[Entry] = []
    try:
        accounts = source.accounts(home.settings, connection)
        for account in accounts[:1] if platform == "fred" else accounts:
            try:
                source.streams[0].fetch(connection, account, day, day, observed_at)
            except LiftosError as error:
                answers.append(_answer(platform, account, error))
            else:
                answers.append(_answer(platform, account, None))
    except LiftosError as error:
        answers.append(_answer(platform, None, error))
    finally:
        connection.close()
    return answers


def _answer(platform: str, account: str | None, error: LiftosError | None) -> Entry:
    name, message = (None, None) if error is None else (type(error).__name__, str(error))
    return {
        "platform": platform,
        "account_id": account,
        "is_ok": error is None,
        "error": name,
        "message": message,
    }


def _records(frame: pd.DataFrame) -> list[Entry]:
    return [{name: _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: object) -> object:
    """As JSON can say it; midnights are days."""
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, (pd.Timestamp, datetime)):
        moment = pd.Timestamp(value)
        return moment.date().isoformat() if moment == moment.normalize() else moment.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return value


def _entries(facts: Facts, name: str) -> list[Entry]:
    found = facts.get(name, [])
    return found if isinstance(found, list) else []


def _words(facts: Facts, name: str) -> list[str]:
    return [str(word) for word in _entries(facts, name)]
