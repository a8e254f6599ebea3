"""Facts as JSON can say them."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd

Facts = dict[str, object]
Entry = dict[str, object]


def records(frame: pd.DataFrame) -> list[Entry]:
    """Rows of a frame."""
    return [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def plain(value: object) -> object:
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


def entries(facts: Facts, name: str) -> list[Entry]:
    """Entries of one section."""
    found = facts[name]
    return found if isinstance(found, list) else []


def words(facts: Facts, name: str) -> list[str]:
    """The same for a section of words."""
    return [str(word) for word in entries(facts, name)]
