"""The factory of result assets: read as of each day, call one function of ``stages``, replace the partition."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import dagster as dg
import duckdb
import pandas as pd

from liftos_pipeline import __version__
from liftos_pipeline.defs.partitions import daily, one_run
from liftos_pipeline.defs.presentation import OWNERS, column_schema, image, preview
from liftos_pipeline.defs.resources import HomeResource, as_of_days
from liftos_pipeline.ingest import Home
from liftos_pipeline.schema import Table
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.lanes import Call, answers
from liftos_pipeline.warehouse.results import replace_partitions


@dataclass(frozen=True)
class Inputs:
    """What a stage may read: the panel and earlier results, as of one day."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    as_of: date

    def panel(self, columns: Sequence[str]) -> pd.DataFrame:
        """Columns of ``marketing_panel`` over the look-back window."""
        panel = f"mart.marketing_panel_as_of(DATE '{self.as_of}', {self.settings.liftos_look_back_days})"
        return self.frame(f"SELECT {', '.join(columns)} FROM {panel}")

    def result(self, table: Table) -> pd.DataFrame:
        """Earlier result of the same as-of day, in key order."""
        order = ", ".join(table.key)
        return self.frame(f"SELECT * FROM {table.full_name} WHERE as_of = DATE '{self.as_of}' ORDER BY {order}")

    def frame(self, query: str) -> pd.DataFrame:
        return self.connection.execute(query).df()


DAYS_AT_ONCE = 5
"""As-of days that are read together. At most twice as many wait in memory to be computed."""

Read = Callable[[Inputs], Sequence[pd.DataFrame]]


def stage_asset(
    table: Table,
    group: str,
    deps: Sequence[Sequence[str]],
    read: Read,
    calls: Callable[[Sequence[pd.DataFrame], Settings, date], Sequence[Call]],
    shown: tuple[str, ...],
    numbers: Callable[[pd.DataFrame], dict[str, float]] | None = None,
    follow: Callable[[pd.DataFrame, pd.DataFrame, Settings, date], pd.DataFrame] | None = None,
    picture: Callable[[pd.DataFrame], bytes | None] | None = None,
) -> dg.AssetsDefinition:
    """Asset of one result table.

    Parameters
    ----------
    read : callable
        Inputs -> frames, inside a read lock.
    calls : callable
        (frames, settings, as-of day) -> calls whose answers are the day's rows, one below the other; made outside every
        lock, in other processes if there are many.
    shown : tuple of str
        Columns of the preview.
    numbers : callable, optional
        rows -> numeric metadata, plotted over partitions.
    follow : callable, optional
        (rows as of the newest earlier day, computed rows, settings, as-of day) -> rows: for a table that remembers.
    picture : callable, optional
        rows of the newest day -> PNG, or None where there is nothing to draw.
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
        days = as_of_days(context)
        before = pd.DataFrame() if follow is None else newest_before(opened, table, days[0])
        asked = (
            (as_of, calls(frames, opened.settings, as_of)) for as_of, frames in read_by_day(opened, days, read)
        )
        for as_of, rows in answers(asked, len(days)):
            if follow is not None:
                before = rows = follow(before, rows, opened.settings, as_of)
            written[as_of] = with_provenance(rows, opened, context.run.run_id)
        counts = replace_partitions(opened.warehouse, table, written, context.run.run_id)
        for as_of, count in counts.items():
            facts = numbers(written[as_of]) if numbers is not None and count else {}
            context.add_asset_metadata({"dagster/row_count": count, **facts}, partition_key=as_of.isoformat())
        newest = written[max(written)]
        drawn = None if picture is None or len(newest) == 0 else picture(newest)
        pictures = {} if drawn is None else {"picture": image(drawn)}
        return dg.MaterializeResult(metadata={"preview": preview(newest, shown), **pictures})

    return stage


def read_by_day(home: Home, days: Sequence[date], read: Read) -> Iterator[tuple[date, Sequence[pd.DataFrame]]]:
    """What a stage reads, day by day. A few days are read under one lock, while those before are computed on."""

    def read_chunk(chosen: Sequence[date]) -> list[Sequence[pd.DataFrame]]:
        with home.warehouse.read() as connection:
            return [read(Inputs(connection, home.settings, as_of)) for as_of in chosen]

    chunks = [days[start : start + DAYS_AT_ONCE] for start in range(0, len(days), DAYS_AT_ONCE)]
    with ThreadPoolExecutor(1, "read") as reader:
        ahead = reader.submit(read_chunk, chunks[0])
        for chosen, following in itertools.zip_longest(chunks, chunks[1:]):
            frames = ahead.result()
            if following is not None:
                ahead = reader.submit(read_chunk, following)
            yield from zip(chosen, frames, strict=True)


def newest_before(home: Home, table: Table, day: date) -> pd.DataFrame:
    """The newest partition before a day; empty if there is none."""
    query = (
        f"SELECT * FROM {table.full_name} "
        f"WHERE as_of = (SELECT max(as_of) FROM {table.full_name} WHERE as_of < DATE '{day}') ORDER BY ALL"
    )
    with home.warehouse.read() as connection:
        return connection.execute(query).df()


def with_provenance(rows: pd.DataFrame, home: Home, run_id: str) -> pd.DataFrame:
    """Rows with run, code version, seed and source mode."""
    dropped = rows.drop(columns=["as_of", "run_id", "code_version", "seed", "source_mode"], errors="ignore")
    return dropped.assign(
        run_id=run_id,
        code_version=__version__,
        seed=home.settings.liftos_seed,
        source_mode=home.warehouse.source_mode,
    )
