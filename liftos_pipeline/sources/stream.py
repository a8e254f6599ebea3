"""What a source is: its streams, its connection, and how one window of a stream becomes a ``Window``.
What a stream asks and how it reads the answer stands in the platform's file.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import Page, SourceMode, Table, Window, source_columns
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources.client import Client, TooMuchData
from liftos_pipeline.sources.localtime import first_whole_day, naive_utc
from liftos_pipeline.sources.pull import KeepBodies, Pull


@dataclass(frozen=True)
class Account:
    """What has to be known of an account before its days can be read."""

    account_id: str
    name: str | None
    currency_code: str
    timezone: str
    status: str | None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


@dataclass
class Connection:
    """One platform under one set of credentials, for one run.

    ``clock`` is the moment of a simulated home, None in a live one. ``account`` asks the platform once each. ``keep``
    stores bodies of pages as they come; without it they are held until the window is loaded.
    """

    source: str
    client: Client
    settings: Settings
    api_version: str
    clock: datetime | None
    ask_account: Callable[[Connection, str], Account]
    accounts_seen: dict[str, Account] = field(default_factory=dict)
    names_seen: dict[str, dict[str, str]] = field(default_factory=dict)
    keep: KeepBodies | None = None

    @property
    def source_mode(self) -> SourceMode:
        return "live" if self.clock is None else "simulated"

    def account(self, account_id: str) -> Account:
        if account_id not in self.accounts_seen:
            self.accounts_seen[account_id] = self.ask_account(self, account_id)
        return self.accounts_seen[account_id]

    def close(self) -> None:
        self.client.close()


@dataclass(frozen=True)
class Query:
    """One window to be read: days are the account's own, both included; ``observed_at`` is UTC without a zone."""

    connection: Connection
    pull: Pull
    account_id: str
    start: date
    end: date
    observed_at: datetime

    @property
    def account(self) -> Account:
        return self.connection.account(self.account_id)


Read = Callable[[Query], pa.Table | Iterator[pa.Table]]
"""Rows of one window; as tables one after the other where they may be many."""


@dataclass(frozen=True)
class Stream:
    """One stream of a platform.

    ``restatement_days``: how many of the newest days a daily run pulls again. ``weekly_days``: how many it pulls once a
    week instead (None: never more). ``max_days``: longest span of one
    request (None: any). ``reaches_back_days``: how far back the platform answers (None: without end).
    """

    name: str
    table: Table
    mode: Literal["window", "snapshot", "upsert"]
    restatement_days: int
    read: Read
    max_days: int | None = None
    reaches_back_days: int | None = None
    weekly_days: int | None = None

    def fetch(
        self,
        connection: Connection,
        account_id: str,
        start: date,
        end: date,
        observed_at: datetime,
        pages: list[Page] | None = None,
    ) -> Window:
        """All that the platform says now of the account's days ``start``..``end``.

        A platform that keeps only its newest days is not asked for older ones: the window then begins with the
        first day that was asked for. If none was, it begins on the day after ``end`` and asserts nothing.

        Parameters
        ----------
        observed_at : datetime
            Clock of the pull; UTC if it carries no zone.
        pages : list of Page, optional
            Pages are appended as they come: the caller has them even if the pull fails.

        Raises
        ------
        LiftosError
            ``start`` lies after ``end``.
        PlatformError
            The platform refused, or did not answer as its interface promises.
        """
        if start > end:
            raise LiftosError(
                "a first day that is not after the last", f"{start} to {end}", "Exchange the two days."
            )
        moment = naive_utc(observed_at)
        pull = Pull(connection.client, f"{connection.source}.{self.name}", pages, connection.keep)
        first = min(self._first_day(connection, account_id, start, moment), end + timedelta(days=1))
        tables = []
        with _collector_paused():
            for chunk_start, chunk_end in _chunks(first, end, self.max_days):
                tables += self._read(Query(connection, pull, account_id, chunk_start, chunk_end, moment))
        pull.put_away()
        return self.window(connection, account_id, (first, end), moment, pull.pages, pull, tables)

    def window(
        self,
        connection: Connection,
        account_id: str,
        span: tuple[date, date],
        observed_at: datetime,
        pages: Sequence[Page],
        pull: Pull | None = None,
        tables: Sequence[pa.Table] = (),
    ) -> Window:
        """Window of what came; without ``pull``, of pages only."""
        schema = self.table.arrow(source_columns(self.table))
        drift = () if pull is None else sorted(pull.drift, key=lambda found: (found.kind, found.name))
        return Window(
            table=self.table,
            source=connection.source,
            stream=self.name,
            account_id=account_id,
            start=span[0],
            end=span[1],
            observed_at=observed_at,
            rows=pa.concat_tables(tables) if tables else schema.empty_table(),
            pages=tuple(pages),
            mode=self.mode,
            source_mode=connection.source_mode,
            api_version=connection.api_version,
            rejected=() if pull is None else tuple(pull.rejected),
            drift=tuple(drift),
        )

    def _first_day(self, connection: Connection, account_id: str, start: date, moment: datetime) -> date:
        if self.reaches_back_days is None:
            return start
        oldest = moment.replace(tzinfo=UTC) - timedelta(days=self.reaches_back_days)
        return max(start, first_whole_day(oldest, connection.account(account_id).zone))

    def _read(self, query: Query) -> list[pa.Table]:
        """Read a window; in halves, if it is too much for the platform."""
        query.pull.restart()
        n_rejected = len(query.pull.rejected)
        try:
            found = self.read(query)
            return [found] if isinstance(found, pa.Table) else list(found)
        except TooMuchData:
            if query.start == query.end:
                raise
            del query.pull.rejected[n_rejected:]
            middle = query.start + (query.end - query.start) // 2
            halves = ((query.start, middle), (middle + timedelta(days=1), query.end))
            return [
                table
                for start, end in halves
                for table in self._read(
                    Query(query.connection, query.pull, query.account_id, start, end, query.observed_at)
                )
            ]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Parsed JSON has no cycles, and looking for them again and again takes longer than the parsing."""
    was_running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_running:
            gc.enable()


def _chunks(start: date, end: date, max_days: int | None) -> list[tuple[date, date]]:
    """Spans of at most ``max_days`` days that cover ``start``..``end``; none if ``start`` lies after ``end``."""
    step = timedelta(days=max_days) if max_days is not None else max(end - start, timedelta()) + timedelta(days=1)
    one = timedelta(days=1)
    found = []
    while start <= end:
        found.append((start, min(start + step - one, end)))
        start += step
    return found


class Connect(Protocol):
    """Opens a connection; asks nothing yet."""

    def __call__(
        self,
        settings: Settings,
        *,
        clock: datetime | None,
        transport: httpx.BaseTransport | None,
        hash_key: bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Connection: ...


@dataclass(frozen=True)
class Source:
    """One platform. ``accounts`` names the accounts that the settings or the platform itself give."""

    name: str
    streams: tuple[Stream, ...]
    connect: Connect
    accounts: Callable[[Settings, Connection], tuple[str, ...]]

    def stream(self, name: str) -> Stream:
        """Stream of this source.

        Raises
        ------
        LiftosError
            No such stream.
        """
        for stream in self.streams:
            if stream.name == name:
                return stream
        known = ", ".join(stream.name for stream in self.streams)
        raise LiftosError(f"a stream of {self.name} ({known})", repr(name), "Correct the name.")
