"""A home with people in it, and where in it one of them is named."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import orjson
import pytest

from liftos_pipeline.ingest import Home, open_home, pull_stream
from liftos_pipeline.settings import load_settings
from liftos_pipeline.sources.redact import Redactor
from liftos_pipeline.warehouse.archive import bodies_where

STREAMS = ("profiles", "list_memberships", "events")
TABLES = ("raw.klaviyo_profiles", "raw.klaviyo_list_memberships", "raw.klaviyo_events", "mart.subscriber_survival")
DETAIL = """{{"id":"E1","relationships":{{"profile":{{"data":{{"id":"{}","type":"profile"}}}}}}}}"""
PAGES = "SELECT count(*), count(DISTINCT sha256) FROM raw.api_page WHERE error IS NULL"
FIRST = date(2026, 1, 3)


def rows(home: Home, query: str) -> list[tuple]:
    with home.warehouse.read() as connection:
        return connection.execute(query).fetchall()


def pull(home: Home, *days: int) -> None:
    for stream in STREAMS:
        pull_stream(home, "klaviyo", stream, [FIRST + timedelta(days=day) for day in days], "run")


def fill(folder: Path) -> None:
    """A day of people, a table as dbt builds it, a rejected row and a page whose cursor names them."""
    with pytest.MonkeyPatch.context() as patch:
        home = opened(folder, patch)
        pull(home, 0)
        person = someone(home)
        cursor = b64encode(f"next::id::{person}".encode()).decode().rstrip("=")
        with home.warehouse.write() as connection:
            connection.execute(
                "CREATE TABLE mart.subscriber_survival AS SELECT account_id, profile_id FROM raw.klaviyo_profiles"
            )
            connection.execute(
                "INSERT INTO ops.rejected_row SELECT 'klaviyo', 'events', 'a', now()::TIMESTAMP, unnest([0, 1]), 'why', "
                "unnest([?, ?]), 'run', NULL, NULL",
                [DETAIL.format(person), DETAIL.format(person + "0")],
            )
            connection.execute("UPDATE raw.api_page SET url = url || '?page%5Bcursor%5D=' || ?", [cursor])
            connection.execute("CREATE TABLE causal.note AS SELECT 'as ' || ? || ' said' AS text", [person])


def opened(folder: Path, patch: pytest.MonkeyPatch) -> Home:
    patch.setenv("LIFTOS_HOME", str(folder))
    patch.setenv("LIFTOS_SCENARIO", "small_rollout")
    patch.setenv("LIFTOS_START_DATE", str(FIRST))
    return open_home(load_settings())


def someone(home: Home) -> str:
    """Who has most rows."""
    query = (
        "SELECT profile_id FROM raw.klaviyo_events JOIN raw.klaviyo_list_memberships USING (profile_id) "
        "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    )
    return str(rows(home, query)[0][0])


def address_hash(home: Home, person: str) -> str:
    return Redactor(home.hash_key, "klaviyo").hash(f"{person.lower()}@example.com")


def places(home: Home, person: str) -> Iterator[str]:
    """Everything in the home folder that holds the person: columns of both databases, bytes of all files."""
    needles = (person, address_hash(home, person))
    pattern = rf"(^|\W)({'|'.join(needles)})(\W|$)"
    for path in sorted(home.settings.home.rglob("*")):
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as connection:
                columns = connection.execute(
                    "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() "
                    "WHERE data_type = 'VARCHAR' AND NOT internal AND schema_name <> 'staging'"
                ).fetchall()
                for table, column in columns:
                    query = f"SELECT count(*) FROM {table} WHERE regexp_matches({column}, ?)"
                    if connection.execute(query, [pattern]).fetchall() != [(0,)]:
                        yield f"{path.name}: {table}.{column}"
        # The other rejected row's id begins with the person's.
        if path.is_file() and re.search(rf"{person}(?!0)|{needles[1]}".encode(), path.read_bytes()):
            yield path.name


def check_pages(home: Home, before: list[tuple]) -> None:
    """As many pages as before; their hashes and lengths are those of the archive, and all are JSON."""
    assert rows(home, PAGES) == before
    known = {row[0]: row[1] for row in rows(home, "SELECT sha256, body_bytes FROM raw.api_page")}
    with sqlite3.connect(home.warehouse.archive_file) as archive:
        assert archive.execute("PRAGMA freelist_count").fetchall() == [(0,)]
    stored = dict(bodies_where(home.warehouse.archive_file, bool))
    assert {hashlib.sha256(body).hexdigest(): len(body) for body in stored.values()} == known
    assert set(stored) == set(known)
    for body in stored.values():
        assert orjson.loads(body).keys() >= {"data"}
