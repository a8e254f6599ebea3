"""The requests of one window and what came of them: pages in order, rows, and from which page each row is.
How links look is the platforms' business.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping

import httpx
import orjson

from liftos_pipeline.errors import MalformedPage, PlatformError
from liftos_pipeline.schema import Page
from liftos_pipeline.sources.client import Client, Request, parse_json

Row = dict[str, object]


class Pull:
    """Pages of one window; ``rows`` are those of the span that is being read."""

    def __init__(self, client: Client, stream: str) -> None:
        self.stream = stream
        self.pages: list[Page] = []
        self.rows: list[Row] = []
        self._client = client
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
        return self._object(self._client.send(Request("GET", self._client.url(path, params)), self.pages))

    def start(self, path: str, params: Mapping[str, str | int]) -> Row:
        """JSON object that answers a POST without a body."""
        return self._object(self._client.send(Request("POST", self._client.url(path, params)), self.pages))

    def pause(self, seconds: float) -> None:
        """Wait for the platform to work."""
        self._client.pause(seconds)

    def keep_first(self, count: int) -> None:
        """Forget the rows after the first ones: they will be read in another way."""
        del self.rows[count:]
        kept = bisect_left(self._first_rows, count)
        del self._first_rows[kept:], self._row_pages[kept:]

    def post(self, path: str, body: Mapping[str, str]) -> object:
        """JSON value that answers a JSON body."""
        request = Request("POST", self._client.url(path), orjson.dumps(body), "application/json")
        return self._client.send(request, self.pages)

    def text(
        self, path: str, params: Mapping[str, str | int], parse: Callable[[httpx.Response, bytes], str]
    ) -> str:
        """Text at a path, as ``parse`` reads it."""
        return self._client.send(Request("GET", self._client.url(path, params)), self.pages, parse)

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
            page = self._object(self._client.send(Request("GET", url), self.pages, parse_json))
            self.add(page.get("data"), "data")
            yield page
            link = next_link(page)
            if not link:
                return
            place = f"page {len(self.pages) - 1} of {self.stream}"
            url = self._own_link(str(link), place)
            if url in seen:
                raise self.refused(
                    f"pages of {self.stream} that come to an end",
                    f"{place} leads back to one that was read",
                    "Re-run; nothing was loaded. Report to the platform if it stays.",
                )

    def _own_link(self, link: str, place: str) -> str:
        try:
            return self._client.own_link(link, place)
        except PlatformError as error:
            error.pages = tuple(self.pages)
            raise

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
        error = MalformedPage(
            f"{expected} in {field} of {self.stream}",
            f"{found} on page {page}",
            "Nothing of this window was loaded. Re-run; if it stays, the platform's format has changed.",
        )
        error.pages = tuple(self.pages)
        return error

    def refused(
        self, expected: str, found: str, way_out: str, kind: type[PlatformError] = PlatformError
    ) -> PlatformError:
        """An error that carries the pages, to be kept."""
        error = kind(expected, found, way_out)
        error.pages = tuple(self.pages)
        return error

    def _object(self, payload: object) -> Row:
        if not isinstance(payload, dict):
            raise self.malformed("the body", payload, "a JSON object")
        return payload
