"""Asks platforms whether they answer. Stores nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from liftos_pipeline.doctor.entries import Entry
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.ingest import Home, connect, open_home
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.plan import end_of

_WAIT_S = 10.0


def ask_platforms(settings: Settings, now: datetime) -> list[Entry]:
    """One cheap request per account: platform, account_id, is_ok, error (its name), message.

    FRED is asked for one series. Nothing is stored.
    """
    home = open_home(settings)
    home = replace(home, settings=home.settings.model_copy(update={"liftos_http_wait_budget_s": _WAIT_S}))
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
