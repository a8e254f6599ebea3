"""FRED's graph download: one CSV file per series, without a key and without vintages. Two readers of the same
bytes: ours, and pandas-datareader on top of our client.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import httpx

from liftos_pipeline.sources.pull import Pull

PATH = "graph/fredgraph.csv"
Observations = tuple[list[date], list[float | None]]


def parse_csv(series_id: str) -> Callable[[httpx.Response, bytes], str]:
    """Reader that takes only a whole file of this series; ``ValueError`` otherwise: it is asked for again."""

    def parse(response: httpx.Response, body: bytes) -> str:
        kind = response.headers.get("Content-Type", "")
        if response.status_code < 300 and "csv" not in kind:
            raise ValueError(f"content type {kind or 'missing'}, not csv")
        text = body.decode("utf-8")
        header = text.split("\n", 1)[0].strip()
        if header != f"observation_date,{series_id}":
            raise ValueError(f"header {header[:60]!r}, not 'observation_date,{series_id}'")
        if not text.endswith("\n"):
            raise ValueError("the last line is cut off")
        return text

    return parse


def download(pull: Pull, series_id: str, since: date, until: date) -> Observations:
    """Days and values of one series, by our own reader."""
    params = {"id": series_id, "cosd": since.isoformat(), "coed": until.isoformat()}
    text = pull.text(PATH, params, parse_csv(series_id))
    days: list[date] = []
    values: list[float | None] = []
    for row, line in enumerate(text.splitlines()[1:]):
        day, _, value = line.partition(",")
        try:
            days.append(date.fromisoformat(day))
            values.append(None if value in (".", "") else float(value))
        except ValueError as error:
            raise pull.malformed("line", line, "a date and a number", row) from error
    return days, values


class _Answer:
    """What pandas-datareader reads of a response."""

    status_code = 200
    encoding = "utf-8"

    def __init__(self, text: str) -> None:
        self.content = text.encode()


class _Session:
    """Sends pandas-datareader's request through our client: the same retries, checks, redaction and pages."""

    def __init__(self, pull: Pull, series_id: str) -> None:
        self._pull = pull
        self._series_id = series_id

    def get(self, url: str, params: object, headers: object, timeout: float) -> _Answer:
        text = self._pull.text(PATH, {"id": self._series_id}, parse_csv(self._series_id))
        return _Answer(text)

    def close(self) -> None:
        """The client outlives one series."""


def download_with_pandas_datareader(pull: Pull, series_id: str, since: date, until: date) -> Observations:
    """Days and values of one series, by pandas-datareader: it always loads the whole series and cuts it."""
    import pandas as pd
    from pandas_datareader.fred import FredReader

    start, end = (datetime.combine(day, datetime.min.time()) for day in (since, until))
    try:
        frame = FredReader(series_id, start, end, retry_count=0, session=_Session(pull, series_id)).read()
    except (ValueError, TypeError) as error:
        raise pull.malformed("the file", str(error), "a table that pandas-datareader can read") from error
    column = frame[series_id]
    if not pd.api.types.is_numeric_dtype(column) or not isinstance(frame.index, pd.DatetimeIndex):
        raise pull.malformed("the file", column.iloc[0] if len(column) else None, "dates and numbers")
    values = [None if pd.isna(value) else float(value) for value in column.tolist()]
    return [moment.date() for moment in frame.index], values
