"""The ledger of runs: what each knew of each as-of day, by which settings it computed, which effects it gave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pandas as pd

from liftos_pipeline import __version__
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema.ops import AS_OF_RUN
from liftos_pipeline.schema.results import EFFECT_HISTORY, TREATMENTS, TREATMENTS_REPLACED
from liftos_pipeline.settings import Settings
from liftos_pipeline.warehouse.store import Warehouse

_GAVE = f"FROM (SELECT run_id, as_of, max(finished_at) AS gave_at FROM {EFFECT_HISTORY.full_name} GROUP BY ALL)"


@dataclass(frozen=True)
class Memory:
    """Whose treatments a run remembered."""

    as_of: date
    run_id: str


@dataclass(frozen=True)
class Vantage:
    """From where one as-of day is looked at.

    ``known_until``: see ``Knowledge``. ``memory`` is None where nothing was remembered, and ``is_replay`` says whether
    both are given or still to be found.
    """

    as_of: date
    settings: Settings
    known_until: datetime | None = None
    memory: Memory | None = None
    is_replay: bool = False


@dataclass(frozen=True)
class RunOfDay:
    """One run of one as-of day as the ledger has it."""

    run_id: str
    as_of: date
    code_version: str
    vantage: Vantage


def knowledge_end(as_of: date) -> datetime:
    """What was pulled before this instant (UTC) counts as known at the end of an as-of day."""
    return datetime.combine(as_of + timedelta(days=2), datetime.min.time())


def first_captured(connection: duckdb.DuckDBPyConnection) -> date | None:
    """First as-of day by whose end anything had been pulled; None in an empty home."""
    found = connection.execute("SELECT min(observed_at)::DATE - 1 FROM ops.load_receipt").fetchall()[0][0]
    return None if found is None else date.fromisoformat(str(found))


def vintage_of(connection: duckdb.DuckDBPyConnection, as_of: date) -> str:
    """captured; as_restated for days before the first that was captured in time."""
    first = first_captured(connection)
    return "captured" if first is not None and as_of >= first else "as_restated"


def record_run(
    connection: duckdb.DuckDBPyConnection, run_id: str, vantage: Vantage, memory: Memory | None, source_mode: str
) -> None:
    """Keep from where a run looked at a day. In a live home it has seen what was pulled up to now."""
    known_until = vantage.known_until
    if not vantage.is_replay:
        known_until = knowledge_end(vantage.as_of)
        if source_mode == "live":
            seen = connection.execute(
                "SELECT max(observed_at) + INTERVAL 1 MICROSECOND FROM ops.load_receipt"
            ).fetchall()
            known_until = seen[0][0]
    connection.execute(
        f"DELETE FROM {AS_OF_RUN.full_name} WHERE run_id = ? AND as_of = ?", [run_id, vantage.as_of]
    )
    connection.execute(
        f"INSERT INTO {AS_OF_RUN.full_name} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            run_id,
            vantage.as_of,
            known_until,
            None if memory is None else memory.as_of,
            None if memory is None else memory.run_id,
            json.dumps(vantage.settings.behind_results()),
            __version__,
            source_mode,
            datetime.now(UTC).replace(tzinfo=None),
        ],
    )


def remembered_treatments(connection: duckdb.DuckDBPyConnection, memory: Memory | None) -> pd.DataFrame:
    """Treatments as a run had left them, also where another run has replaced them since."""
    names = ", ".join(column.name for column in TREATMENTS.columns)
    where = "WHERE as_of = $as_of AND run_id = $run"
    return connection.execute(
        f"SELECT {names} FROM {TREATMENTS.full_name} {where} UNION ALL "
        f"SELECT {names} FROM {TREATMENTS_REPLACED.full_name} {where} ORDER BY ALL",
        {"as_of": None if memory is None else memory.as_of, "run": None if memory is None else memory.run_id},
    ).df()


def newest_memory(connection: duckdb.DuckDBPyConnection, as_of: date) -> Memory | None:
    """The newest treatments before a day; None if there are none."""
    found = connection.execute(
        f"SELECT as_of, run_id FROM {TREATMENTS.full_name} WHERE as_of < ? ORDER BY as_of DESC LIMIT 1", [as_of]
    ).fetchone()
    return None if found is None else Memory(*found)


def replayed(warehouse: Warehouse, settings: Settings, as_of: date) -> Vantage:
    """From where the newest complete run of a day looked at it.

    A day that was never run is looked at with what had been pulled by its end, or, before the first capture, with the
    earliest that was ever pulled.
    """
    with warehouse.read() as connection:
        known = connection.execute(
            f"SELECT run_id {_GAVE} SEMI JOIN {AS_OF_RUN.full_name} USING (run_id, as_of) "
            "WHERE as_of = ? ORDER BY gave_at DESC LIMIT 1",
            [as_of],
        ).fetchone()
        if known is not None:
            return _run(connection, settings, known[0], as_of).vantage
        is_captured = vintage_of(connection, as_of) == "captured"
        until = knowledge_end(as_of) if is_captured else None
        return Vantage(as_of, settings, until, newest_memory(connection, as_of), is_replay=True)


def find_run(warehouse: Warehouse, settings: Settings, name: str) -> RunOfDay:
    """The run that a user names.

    Parameters
    ----------
    name : str
        Id of a run or the beginning of it, with ``@`` and the as-of day where it computed several; or an as-of day,
        meaning the newest run of it.

    Raises
    ------
    LiftosError
        No run, or more than one, is meant.
    """
    beginning, _, day = name.partition("@")
    with warehouse.read() as connection:
        found = connection.execute(
            f"SELECT run_id, as_of {_GAVE} SEMI JOIN {AS_OF_RUN.full_name} USING (run_id, as_of) "
            "WHERE as_of::VARCHAR = $name OR (starts_with(run_id, $beginning) AND $day IN ('', as_of::VARCHAR)) "
            "ORDER BY gave_at",
            {"name": name, "beginning": beginning, "day": day},
        ).fetchall()
        of_day = [row for row in found if str(row[1]) == name]
        if of_day:
            return _run(connection, settings, *of_day[-1])
        if len(found) == 1:
            return _run(connection, settings, *found[0])
        newest = connection.execute(f"SELECT run_id, as_of {_GAVE} ORDER BY gave_at DESC LIMIT 3").fetchall()
    told = ", ".join(f"{run[:8]}@{as_of}" for run, as_of in (found or newest)[-3:]) or "none"
    raise LiftosError(
        "one run: its id or the beginning of it, with @ and the as-of day if it computed several, or an as-of day",
        f"{name!r}, which is {len(found)}; for example {told}" if found else f"{name!r}; the newest runs: {told}",
        "`SELECT DISTINCT run_id, as_of FROM causal.effect_history` lists all.",
    )


def _run(connection: duckdb.DuckDBPyConnection, settings: Settings, run_id: str, as_of: date) -> RunOfDay:
    until, memory_as_of, memory_run, kept, code = connection.execute(
        "SELECT known_until, memory_as_of, memory_run_id, settings, code_version "
        f"FROM {AS_OF_RUN.full_name} WHERE run_id = ? AND as_of = ?",
        [run_id, as_of],
    ).fetchall()[0]
    memory = None if memory_as_of is None else Memory(memory_as_of, memory_run)
    then = settings.with_results_of(json.loads(kept))
    return RunOfDay(run_id, as_of, code, Vantage(as_of, then, until, memory, is_replay=True))


def effects_of(connection: duckdb.DuckDBPyConnection, run: RunOfDay) -> pd.DataFrame:
    """Effects that a run gave of a day."""
    return connection.execute(
        f"SELECT * FROM {EFFECT_HISTORY.full_name} WHERE run_id = ? AND as_of = ? ORDER BY ALL",
        [run.run_id, run.as_of],
    ).df()
