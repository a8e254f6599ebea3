"""The factory of result assets: read as of each day, call one function of ``stages``, replace the partition."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd

from liftos_pipeline import __version__
from liftos_pipeline.defs.partitions import daily, one_run
from liftos_pipeline.defs.presentation import OWNERS, column_schema, shown_of
from liftos_pipeline.defs.resources import HomeResource, as_of_days
from liftos_pipeline.ingest import Home
from liftos_pipeline.schema import Table
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.lanes import Call, answers
from liftos_pipeline.warehouse import ledger
from liftos_pipeline.warehouse.knowledge import Knowledge
from liftos_pipeline.warehouse.results import replace_partitions

DAYS_AT_ONCE = 5
"""As-of days that are read together. At most twice as many wait in memory to be computed."""

Read = Callable[[Knowledge], Sequence[Any]]

REPLAY_TAG = "liftos/replay"
"""Tag of a run that computes a past day from what was stored by then."""


def stage_asset(
    table: Table,
    group: str,
    deps: Sequence[Sequence[str]],
    read: Read,
    calls: Callable[[Sequence[Any], Settings, date], Sequence[Call]],
    shown: tuple[str, ...],
    numbers: Callable[[pd.DataFrame], dict[str, float]] | None = None,
    follow: Callable[[pd.DataFrame, pd.DataFrame, Settings, date], pd.DataFrame] | None = None,
    picture: Callable[[pd.DataFrame], bytes | None] | None = None,
    summary: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> dg.AssetsDefinition:
    """Asset of one result table.

    Parameters
    ----------
    read : callable
        Knowledge of one as-of day -> frames, or groups of them, inside a read lock.
    calls : callable
        (frames, settings, as-of day) -> calls whose answers are the day's rows, one below the other; made outside every
        lock, in other processes if there are many.
    shown : tuple of str
        Columns of the summary.
    numbers : callable, optional
        rows -> numeric metadata, plotted over partitions.
    follow : callable, optional
        (rows as of the newest earlier day, computed rows, settings, as-of day) -> rows: for a table that remembers.
    picture : callable, optional
        rows of the newest day -> PNG, or None where there is nothing to draw.
    summary : callable, optional
        rows of the newest day -> those that its summary shows first; all of them if not given.
    """

    @dg.asset(
        key=[table.schema, table.name],
        deps=[dg.AssetKey(list(key)) for key in deps],
        partitions_def=daily,
        backfill_policy=one_run,
        group_name=group,
        owners=OWNERS,
        kinds={"duckdb", "python"},
        description=table.meaning,
        metadata=column_schema(table),
        code_version=__version__,
    )
    def stage(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        opened = home.open()
        written: dict[date, pd.DataFrame] = {}
        vantages = vantages_of(context, opened)
        remembers = None if follow is None else Remembering(opened, vantages[0])
        asked = (
            (vantage, calls(frames, vantage.settings, vantage.as_of))
            for vantage, frames in read_by_day(opened, vantages, read)
        )
        for vantage, rows in answers(asked, len(vantages)):
            if follow is not None and remembers is not None:
                rows = follow(remembers.rows, rows, vantage.settings, vantage.as_of)
                remembers.go_on(vantage, rows, context.run.run_id)
            written[vantage.as_of] = with_provenance(rows, opened, vantage.settings, context.run.run_id)
        if remembers is not None:
            remembers.record(context.run.run_id)
        counts = replace_partitions(opened.warehouse, table, written, context.run.run_id)
        for as_of, count in counts.items():
            facts = numbers(written[as_of]) if numbers is not None and count else {}
            context.add_asset_metadata({"dagster/row_count": count, **facts}, partition_key=as_of.isoformat())
        newest = written[max(written)]
        drawn = None if picture is None or newest.empty else picture(newest)
        chosen = newest if summary is None or newest.empty else summary(newest)
        return dg.MaterializeResult(metadata=shown_of(chosen, shown, drawn))

    return stage


def vantages_of(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, home: Home
) -> list[ledger.Vantage]:
    """From where this run looks at each of its as-of days, oldest first; a replay looks from where it was done before."""
    days = as_of_days(context)
    if REPLAY_TAG in context.run.tags:
        return [ledger.replayed(home.warehouse, home.settings, day) for day in days]
    return [ledger.Vantage(day, home.settings) for day in days]


class Remembering:
    """What a table that remembers goes on from, day by day, and the record of it."""

    def __init__(self, home: Home, first: ledger.Vantage) -> None:
        self._home = home
        with home.warehouse.read() as connection:
            self._memory = first.memory if first.is_replay else ledger.newest_memory(connection, first.as_of)
            self.rows = ledger.remembered_treatments(connection, self._memory)
        self._records: list[tuple[ledger.Vantage, ledger.Memory | None]] = []

    def go_on(self, vantage: ledger.Vantage, rows: pd.DataFrame, run_id: str) -> None:
        """The rows of a day are what the next one remembers."""
        self._records.append((vantage, self._memory))
        self._memory, self.rows = ledger.Memory(vantage.as_of, run_id), rows

    def record(self, run_id: str) -> None:
        with self._home.warehouse.write() as connection:
            for vantage, memory in self._records:
                ledger.record_run(connection, run_id, vantage, memory, self._home.warehouse.source_mode)


def read_by_day(
    home: Home, vantages: Sequence[ledger.Vantage], read: Read
) -> Iterator[tuple[ledger.Vantage, Sequence[Any]]]:
    """What a stage reads, day by day. A few days are read under one lock, while those before are computed on."""

    def read_chunk(chosen: Sequence[ledger.Vantage]) -> list[Sequence[Any]]:
        with home.warehouse.read() as connection:
            return [
                read(Knowledge(connection, v.as_of, v.settings.liftos_look_back_days, v.known_until))
                for v in chosen
            ]

    chunks = [vantages[start : start + DAYS_AT_ONCE] for start in range(0, len(vantages), DAYS_AT_ONCE)]
    with ThreadPoolExecutor(1, "read") as reader:
        ahead = reader.submit(read_chunk, chunks[0])
        for chosen, following in itertools.zip_longest(chunks, chunks[1:]):
            frames = ahead.result()
            if following is not None:
                ahead = reader.submit(read_chunk, following)
            yield from zip(chosen, frames, strict=True)


def with_provenance(rows: pd.DataFrame, home: Home, settings: Settings, run_id: str) -> pd.DataFrame:
    """Rows with run, code version, seed and source mode."""
    dropped = rows.drop(columns=["as_of", "run_id", "code_version", "seed", "source_mode"], errors="ignore")
    return dropped.assign(
        run_id=run_id,
        code_version=__version__,
        seed=settings.liftos_seed,
        source_mode=home.warehouse.source_mode,
    )
