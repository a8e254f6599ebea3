"""Reads stored pages once more, as after a mended parser: the connectors' own code, answered by the archive. No platform is
asked; a row is known since the clock of its page, not since today."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, replace
from datetime import date

import httpx

from liftos_pipeline.errors import LiftosError, PlatformError
from liftos_pipeline.ingest import Home, Loads, connect
from liftos_pipeline.schema import Window
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.client import Request
from liftos_pipeline.warehouse.archive import read_body
from liftos_pipeline.warehouse.pages import StoredPage, StoredPull, page_elsewhere, pages_of, stored_pulls


@dataclass(frozen=True)
class Reparsed:
    """What was read again, in windows and rows. ``left``: windows that could not be, each with the reason."""

    windows: int
    rows: int
    left: tuple[tuple[str, str], ...]


def reparse(
    home: Home, source: str | None = None, first: date | None = None, last: date | None = None
) -> Reparsed:
    """Read the stored pages of some as-of days again and load what they say, at their own clocks.

    Parameters
    ----------
    source : str, optional
        Platform; all of them if not given.
    first, last : date, optional
        As-of days; from the first and to the last stored page if not given.

    Raises
    ------
    LiftosError
        No such platform.
    WindowRefused
        What the pages say cannot be loaded; see ``load_windows``.
    """
    if source is not None and source not in SOURCES:
        raise LiftosError(f"a platform ({', '.join(SOURCES)})", repr(source), "Correct the name.")
    pulls = stored_pulls(home.warehouse, source, first, last)
    left: list[tuple[str, str]] = []
    windows = rows = 0
    for run_id, of_run in itertools.groupby(pulls, key=lambda pull: pull.run_id):
        with Loads(home, run_id) as loads:
            for pull in of_run:
                try:
                    window = _read_again(home, pull)
                except PlatformError as error:
                    place = f"{pull.source}.{pull.stream} of {pull.account_id}, {pull.start} to {pull.end}"
                    left.append((f"{place}, pulled {pull.observed_at:%Y-%m-%d %H:%M} UTC", error.found))
                    continue
                windows += 1
                loads.add(window)
        rows += sum(load.rows_in for load in loads.done)
    return Reparsed(windows, rows, tuple(left))


def _read_again(home: Home, pull: StoredPull) -> Window:
    """The window that the connector makes of its pages; they are stored already, so it carries none."""
    connection = connect(replace(home, sleep=lambda _: None), SOURCES[pull.source], pull.observed_at)
    connection.keep = None
    connection.client.stored = _Archive(home, pull)
    try:
        stream = SOURCES[pull.source].stream(pull.stream)
        window = stream.fetch(connection, pull.account_id, pull.start, pull.end, pull.observed_at)
    finally:
        connection.close()
    return replace(window, pages=())


class _Archive:
    """Answers as the platform did: the same question the same answers in the same order."""

    def __init__(self, home: Home, pull: StoredPull) -> None:
        self._warehouse = home.warehouse
        self._pull = pull
        self._pages = {asked: deque(pages) for asked, pages in pages_of(home.warehouse, pull).items()}

    def __call__(self, request: Request) -> httpx.Response:
        page = self._next(request)
        body = None if page is None else read_body(self._warehouse.archive_file, page.sha256)
        if page is None or body is None:
            raise PlatformError(
                f"every page of {self._pull.source}.{self._pull.stream} in the archive",
                f"no stored answer to {request.method} {request.url.split('?')[0]}",
                "Pull these days again.",
            )
        kind = "application/json" if body[:1] in (b"{", b"[") else "text/csv"
        return httpx.Response(page.http_status, headers={"Content-Type": kind}, content=body)

    def _next(self, request: Request) -> StoredPage | None:
        pages = self._pages.get(request.hash)
        if pages is None:
            return page_elsewhere(self._warehouse, self._pull, request.hash)
        return pages.popleft() if len(pages) > 1 else pages[0]
