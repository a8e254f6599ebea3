"""FRED's graph download as pandas-datareader reads it. Imported only when it is chosen: it brings requests.

Its request goes through our client: retries, checks of the file, redaction and the stored page are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from io import BytesIO

import pandas as pd
import requests
from pandas_datareader.fred import FredReader
from requests.adapters import BaseAdapter

from liftos_pipeline.sources.fred_download import PATH, Observations, parse_csv
from liftos_pipeline.sources.pull import Pull


class _OurClient(BaseAdapter):
    """Answers the one request that pandas-datareader makes for a series."""

    def __init__(self, pull: Pull, series_id: str) -> None:
        super().__init__()
        self._pull = pull
        self._series_id = series_id

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        del stream, timeout, verify, cert, proxies
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, request.url or ""
        text = self._pull.text(PATH, {"id": self._series_id}, parse_csv(self._series_id))
        answer.raw = BytesIO(text.encode())
        return answer

    def close(self) -> None:
        """The client outlives one series."""


def download_with_pandas_datareader(pull: Pull, series_id: str, since: date, until: date) -> Observations:
    """Days and values of one series; pandas-datareader always loads the whole series and cuts it afterwards.

    Raises
    ------
    MalformedPage
        What it made of the file is not a table of dates and numbers.
    """
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _OurClient(pull, series_id))
    start, end = (datetime.combine(day, datetime.min.time()) for day in (since, until))
    try:
        frame = FredReader(series_id, start, end, retry_count=0, session=session).read()
    except (ValueError, TypeError) as error:
        raise pull.malformed("the file", str(error), "a table that pandas-datareader can read") from error
    column = frame[series_id]
    if not pd.api.types.is_numeric_dtype(column) or not isinstance(frame.index, pd.DatetimeIndex):
        raise pull.malformed("the file", column.iloc[-1] if len(column) else None, "dates and numbers")
    values = [None if pd.isna(value) else float(value) for value in column.tolist()]
    return [moment.date() for moment in frame.index], values
