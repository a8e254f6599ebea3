"""Erases people from the tables, and keeps account of it in ``ops.erasure``. How a person is recognised in a text is
handed in; bodies of pages are the archive's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import orjson
import pyarrow as pa

from liftos_pipeline.schema import PROFILE_ID
from liftos_pipeline.schema.ops import API_PAGE, ERASURE, REJECTED_ROW
from liftos_pipeline.schema.raw import KLAVIYO_PROFILES
from liftos_pipeline.warehouse.store import Warehouse

_BASE_COLUMNS = (
    "SELECT c.schema_name || '.' || c.table_name, c.column_name FROM duckdb_columns() c SEMI JOIN duckdb_tables() t "
    "USING (database_name, schema_name, table_name) WHERE c.database_name = current_database() AND {} ORDER BY ALL"
)


@dataclass(frozen=True)
class NewBody:
    """What an archived body became: its hash and its length in bytes."""

    sha256: str
    body_bytes: int


@dataclass(frozen=True)
class ErasureRequest:
    """People to erase. ``hashes`` are those of their addresses; ``taken_out_of`` clears a text of them."""

    profile_hashes: Mapping[str, str]
    hashes: frozenset[str]
    taken_out_of: Callable[[str], str]
    requester: str | None

    @property
    def ids(self) -> list[str]:
        return sorted(self.profile_hashes)


def erased_profiles(warehouse: Warehouse) -> frozenset[str]:
    """Keyed hashes of all profiles that were erased in this home."""
    with warehouse.read() as connection:
        rows = connection.execute(f"SELECT DISTINCT profile_hash FROM {ERASURE.full_name}").fetchall()
    return frozenset(row[0] for row in rows)


def people_of(
    warehouse: Warehouse, ids: Collection[str], hashes: Collection[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Ids and hashed addresses that profiles with one of these ids or addresses had in any version."""
    with warehouse.read() as connection:
        rows = connection.execute(
            f"SELECT DISTINCT {PROFILE_ID}, email_hash FROM {KLAVIYO_PROFILES.full_name} "
            f"WHERE list_contains($ids, {PROFILE_ID}) OR list_contains($hashes, email_hash)",
            {"ids": list(ids), "hashes": list(hashes)},
        ).fetchall()
    return frozenset(row[0] for row in rows), frozenset(row[1] for row in rows if row[1])


def is_in_tables(warehouse: Warehouse, ids: Collection[str]) -> bool:
    """Whether any table has a row of one of these profiles."""
    with warehouse.read() as connection:
        return any(
            connection.execute(
                f"SELECT count(*) FROM {table} WHERE list_contains($ids, {PROFILE_ID})", {"ids": list(ids)}
            ).fetchall()
            != [(0,)]
            for table in _tables_of_people(connection)
        )


def unfinished(warehouse: Warehouse) -> bool:
    """Whether an erasure was broken off after the tables and before the files."""
    with warehouse.read() as connection:
        query = f"SELECT count(*) > 0 FROM {ERASURE.full_name} WHERE finished_at IS NULL"
        return bool(connection.execute(query).fetchall()[0][0])


def erase_rows(
    warehouse: Warehouse, request: ErasureRequest, bodies: Mapping[str, NewBody]
) -> tuple[datetime, dict[str, int]]:
    """Erase from all tables and point pages at their new bodies, in one transaction with its audit rows.

    Returns
    -------
    tuple of datetime and dict
        The erasure's moment (UTC) and the rows deleted or cleared per table. What an erasure that was broken off had
        done is counted in.
    """
    with warehouse.write() as connection:
        connection.execute("BEGIN")
        rows = {table: _delete(connection, table, request.ids) for table in _tables_of_people(connection)}
        rows[REJECTED_ROW.full_name] = _delete_rejected(connection, request)
        for table, column in connection.execute(_BASE_COLUMNS.format("c.data_type = 'VARCHAR'")).fetchall():
            if column != PROFILE_ID:
                cleared = _clear(connection, table, column, request)
                rows[table] = rows.get(table, 0) + cleared
        rows[API_PAGE.full_name] = rows.get(API_PAGE.full_name, 0) + _point_pages(connection, bodies)
        erased_at, rows = _record(connection, request, {t: n for t, n in rows.items() if n}, len(bodies))
        connection.execute("COMMIT")
    return erased_at, rows


def finish(warehouse: Warehouse) -> None:
    """Say that every erasure has reached the files."""
    with warehouse.write() as connection:
        connection.execute(f"UPDATE {ERASURE.full_name} SET finished_at = ? WHERE finished_at IS NULL", [_now()])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _tables_of_people(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table with the column, those that dbt builds too."""
    rows = connection.execute(_BASE_COLUMNS.format("c.column_name = $name"), {"name": PROFILE_ID}).fetchall()
    return [row[0] for row in rows]


def _delete(connection: duckdb.DuckDBPyConnection, table: str, ids: Collection[str]) -> int:
    query = f"DELETE FROM {table} WHERE list_contains($ids, {PROFILE_ID})"
    return int(connection.execute(query, {"ids": list(ids)}).fetchall()[0][0])


def _texts_with(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, request: ErasureRequest
) -> dict[str, str]:
    """Texts of a column that name someone, and what they become. A value that is nothing but an id is an id of another
    kind: people's ids have their own column."""
    needles = [*request.ids, *request.hashes]
    wanted = " OR ".join([f"contains({column}, 'cursor')", *(f"contains({column}, ?)" for _ in needles)])
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {wanted}"
    found = {text: request.taken_out_of(text) for (text,) in connection.execute(query, needles).fetchall()}
    return {text: told for text, told in found.items() if told != text and text not in request.profile_hashes}


def _delete_rejected(connection: duckdb.DuckDBPyConnection, request: ErasureRequest) -> int:
    table = REJECTED_ROW.full_name
    texts = list(_texts_with(connection, table, "detail", request))
    query = f"DELETE FROM {table} WHERE list_contains($texts, detail)"
    return int(connection.execute(query, {"texts": texts}).fetchall()[0][0]) if texts else 0


def _clear(connection: duckdb.DuckDBPyConnection, table: str, column: str, request: ErasureRequest) -> int:
    texts = _texts_with(connection, table, column, request)
    if not texts:
        return 0
    connection.register("cleared", pa.table({"old": list(texts), "new": list(texts.values())}))
    query = f"UPDATE {table} SET {column} = cleared.new FROM cleared WHERE {column} = cleared.old"
    return int(connection.execute(query).fetchall()[0][0])


def _point_pages(connection: duckdb.DuckDBPyConnection, bodies: Mapping[str, NewBody]) -> int:
    if not bodies:
        return 0
    connection.register(
        "moved",
        pa.table(
            {
                "old": list(bodies),
                "new": [body.sha256 for body in bodies.values()],
                "new_bytes": [body.body_bytes for body in bodies.values()],
            }
        ),
    )
    query = (
        f"UPDATE {API_PAGE.full_name} SET sha256 = moved.new, body_bytes = moved.new_bytes FROM moved "
        "WHERE sha256 = moved.old"
    )
    return int(connection.execute(query).fetchall()[0][0])


def _record(
    connection: duckdb.DuckDBPyConnection, request: ErasureRequest, rows: dict[str, int], n_bodies: int
) -> tuple[datetime, dict[str, int]]:
    """Write the audit rows; an erasure of these people that was broken off is continued."""
    table, hashes = ERASURE.full_name, sorted(request.profile_hashes.values())
    mine = "finished_at IS NULL AND list_contains($hashes, profile_hash)"
    query = f"SELECT erased_at, rows_erased, pages_erased, requester FROM {table} WHERE {mine} ORDER BY erased_at LIMIT 1"
    before = connection.execute(query, {"hashes": hashes}).fetchall()
    erased_at, requester = _now(), request.requester
    if before:
        erased_at, told, n_before, requester = before[0]
        for name, count in orjson.loads(told).items():
            rows[name] = rows.get(name, 0) + count
        n_bodies, requester = max(n_bodies, n_before), request.requester or requester
        connection.execute(f"DELETE FROM {table} WHERE {mine}", {"hashes": hashes})
    told = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS).decode()
    for profile_hash in hashes:
        entry = [erased_at, profile_hash, len(hashes), told, n_bodies, requester]
        connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, NULL)", entry)
    return erased_at, rows
