"""FRED's graph download: one CSV file per series, without a key and without vintages, read by ourselves. The other
reader of the same file is in ``fred_pandas``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

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
