"""The requests of one window and what came of them: pages in order, rows, and from which page each row is.
How links look is the platforms' business.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import httpx
import orjson

from liftos_pipeline.errors import MalformedPage, PlatformError
from liftos_pipeline.schema import Drift, Page, Rejected
from liftos_pipeline.sources.client import Client, Request, parse_json

Row = dict[str, object]
KeepBodies = Callable[[Sequence[Page]], None]

_BATCH_ROWS = 1_000
_HELD_BYTES = 4_000_000
_Payload = TypeVar("_Payload")


class Pull:
    """Pages of one window; ``rows`` are those of the span that is being read. ``rejected`` and ``drift`` are what its
    rows had that cannot be true, or that nobody documented.

    Parameters
    ----------
    client : Client
    stream : str
        For messages.
    pages : list of Page, optional
        Where pages are appended; the caller has them even if the pull fails.
    keep : callable, optional
        Stores the bodies of pages. They are handed over a few megabytes at a time and then no longer held.
    """

    def __init__(
        self, client: Client, stream: str, pages: list[Page] | None = None, keep: KeepBodies | None = None
    ) -> None:
        self.stream = stream
        self.pages: list[Page] = [] if pages is None else pages
        self.rows: list[Row] = []
        self.rejected: list[Rejected] = []
        self.drift: set[Drift] = set()
        self._client = client
        self._keep = keep
        self._n_kept = len(self.pages)
        self._first_rows: list[int] = []
        self._row_pages: list[int] = []

    def restart(self) -> None:
        """Forget the rows, keep the pages: another span of the same window begins."""
        self.rows = []
        self._first_rows, self._row_pages = [], []

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Row:
        """JSON object at a path.

        Raises
        ------
        MalformedPage
            The answer is JSON of another kind.
        """
        return self._object(self._send(Request("GET", self._client.url(path, params))))

    def start(self, path: str, params: Mapping[str, str | int]) -> Row:
        """JSON object that answers a POST without a body."""
        return self._object(self._send(Request("POST", self._client.url(path, params))))

    def pause(self, seconds: float) -> None:
        """Wait for the platform to work."""
        self._client.pause(seconds)

    def post(self, path: str, body: Mapping[str, str]) -> object:
        """JSON value that answers a JSON body."""
        request = Request("POST", self._client.url(path), orjson.dumps(body), "application/json")
        return self._send(request)

    def text(
        self, path: str, params: Mapping[str, str | int], parse: Callable[[httpx.Response, bytes], str]
    ) -> str:
        """Text at a path, as ``parse`` reads it."""
        return self._send(Request("GET", self._client.url(path, params)), parse)

    def walk(
        self, path: str, params: Mapping[str, str | int], next_link: Callable[[Row], object]
    ) -> Iterator[Row]:
        """Pages from a path on, until one has no link to a next one. A page without rows is not the end.

        The members of ``data`` are appended to ``rows``.

        Raises
        ------
        PlatformError
            A link leads to a page that was already read, or to another server.
        MalformedPage
            A page has no ``data`` list.
        """
        url = self._client.url(path, params)
        seen = set()
        while True:
            seen.add(url)
            page = self._object(self._send(Request("GET", url)))
            self.add(page.get("data"), "data")
            yield page
            link = next_link(page)
            if not link:
                return
            place = f"page {len(self.pages) - 1} of {self.stream}"
            url = self._client.own_link(str(link), place)
            if url in seen:
                raise PlatformError(
                    f"pages of {self.stream} that come to an end",
                    f"{place} leads back to one that was read",
                    "Re-run; nothing was loaded. Report to the platform if it stays.",
                )

    def batches(self, pages: Iterator[Row], look: Callable[[Row], None] | None = None) -> Iterator[list[Row]]:
        """Rows of some pages at a time; ``rows`` begins anew after each. ``look`` is shown every page, for what stands
        beside its rows."""
        self.restart()
        for page in pages:
            if look is not None:
                look(page)
            if len(self.rows) >= _BATCH_ROWS:
                yield self.rows
                self.restart()
        if self.rows:
            yield self.rows
            self.restart()

    def put_away(self, least_bytes: int = 0) -> None:
        """Hand the bodies of new pages to the archive if they are as many bytes together."""
        waiting = self.pages[self._n_kept :]
        if self._keep is None or sum(page.body_bytes for page in waiting) < least_bytes:
            return
        self._keep(waiting)
        self.pages[self._n_kept :] = [replace(page, body=None) for page in waiting]
        self._n_kept = len(self.pages)

    def add(self, rows: object, field: str) -> None:
        """Append the rows of the page that was read last."""
        if not isinstance(rows, list):
            raise self.malformed(field, rows, "a list")
        if not all(type(row) is dict for row in rows):
            raise self.malformed(field, next(row for row in rows if type(row) is not dict), "a list of objects")
        self._first_rows.append(len(self.rows))
        self._row_pages.append(len(self.pages) - 1)
        self.rows.extend(rows)

    def page_of(self, row: int) -> int:
        """Number of the page from which a row came."""
        return self._row_pages[bisect_right(self._first_rows, row) - 1] if self._row_pages else len(self.pages) - 1

    def malformed(self, field: str, sample: object, expected: str, row: int | None = None) -> MalformedPage:
        """The error that names stream, field, sample and page."""
        page = len(self.pages) - 1 if row is None else self.page_of(row)
        found = "nothing" if sample is None else repr(sample)[:120]
        return MalformedPage(
            f"{expected} in {field} of {self.stream}",
            f"{found} on page {page}",
            "Nothing of this window was loaded. Re-run; if it stays, the platform's format has changed.",
        )

    def _send(
        self,
        request: Request,
        parse: Callable[[httpx.Response, bytes], _Payload] = parse_json,  # type: ignore[assignment]
    ) -> _Payload:
        payload = self._client.send(request, self.pages, parse)
        self.put_away(_HELD_BYTES)
        return payload

    def _object(self, payload: object) -> Row:
        if not isinstance(payload, dict):
            raise self.malformed("the body", payload, "a JSON object")
        return payload
