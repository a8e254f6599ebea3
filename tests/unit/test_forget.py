"""A person is erased: out of tables, texts, archived pages and files; for good; and again after a kill."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import orjson
import pytest
from typer.testing import CliRunner

from liftos_pipeline import forget as steps
from liftos_pipeline.cli import app
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.forget import forget_person
from liftos_pipeline.ingest import Home, open_home, pull_stream
from liftos_pipeline.settings import load_settings
from liftos_pipeline.sources.erase import Mentions, profile_hash, without_profiles
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


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a day of people, a table as dbt builds it, a rejected row and a page whose cursor names them."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        home = opened(folder, patch)
        pull(home, 0)
        person = someone(home)
        cursor = base64.b64encode(f"next::id::{person}".encode()).decode().rstrip("=")
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
    return folder


@pytest.fixture
def home(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    shutil.copytree(filled, tmp_path / "home")
    return opened(tmp_path / "home", monkeypatch)


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


def audit(home: Home) -> list[tuple]:
    return rows(
        home, "SELECT profile_hash, rows_erased, pages_erased, requester, finished_at IS NULL FROM ops.erasure"
    )


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


def test_nothing_in_the_home_names_the_person(home: Home) -> None:
    person = someone(home)
    counts = {
        table: rows(home, f"SELECT count(*) FROM {table} WHERE profile_id = '{person}'")[0][0] for table in TABLES
    }
    others = {
        table: rows(home, f"SELECT count(*) FROM {table} WHERE profile_id <> '{person}'") for table in TABLES
    }
    assert min(counts.values()) > 0
    assert {"pages.sqlite", "liftos.duckdb: causal.note.text"} <= set(places(home, person))
    pages = rows(home, PAGES)
    done = forget_person(home, person, "ticket 4711")
    check_pages(home, pages)
    assert list(places(home, person)) == []
    assert done.elsewhere == ()
    assert done.pages > 0
    assert {table: done.rows[table] for table in TABLES} == counts
    assert done.rows["ops.rejected_row"] == done.rows["causal.note"] == 1
    assert {table: rows(home, f"SELECT count(*) FROM {table}") for table in TABLES} == others
    assert rows(home, "SELECT detail FROM ops.rejected_row") == [(DETAIL.format(person + "0"),)]
    assert rows(home, "SELECT text FROM causal.note") == [("as erased said",)]
    told = audit(home)
    assert [(hashed, pages, who, is_open) for hashed, _, pages, who, is_open in told] == [
        (profile_hash(home.hash_key, person), done.pages, "ticket 4711", False)
    ]
    assert orjson.loads(told[0][1]) == done.rows
    with duckdb.connect(str(home.warehouse.public_file), read_only=True) as public:
        assert public.execute("SELECT count(*) FROM ops.erasure").fetchall() == [(1,)]


def test_later_pulls_leave_the_person_out(home: Home) -> None:
    person = someone(home)
    forget_person(home, person)
    before = rows(home, "SELECT count(*) FROM raw.klaviyo_events")[0][0]
    pull(home, 1)
    assert list(places(home, person)) == []
    assert rows(home, "SELECT count(*) FROM raw.klaviyo_events")[0][0] > before
    assert rows(home, "SELECT count(DISTINCT observed_at) FROM ops.load_receipt WHERE stream = 'profiles'") == [
        (2,)
    ]


class Killed(Exception):
    """Stands for the end of the process at one step."""


@pytest.mark.parametrize(("step", "by_address"), [("drop_bodies", False), ("drop_bodies", True), ("finish", True)])
def test_the_same_call_completes_what_a_kill_broke_off(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str, by_address: bool
) -> None:
    person = someone(home)
    called = f" {person.title()}@Example.com" if by_address else person

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(steps, step, killed)
        with pytest.raises(Killed):
            forget_person(home, called, "first")
    assert [told[4] for told in audit(home)] == [True]
    forget_person(home, called)
    assert list(places(home, person)) == []
    assert [told[3:] for told in audit(home)] == [("first", False)]
    assert orjson.loads(audit(home)[0][1])["raw.klaviyo_profiles"] >= 1


def test_nobody_like_that(home: Home) -> None:
    before = [sha256 for sha256, _ in bodies_where(home.warehouse.archive_file, bool)]
    for nobody in ("P99", "nobody@example.com", "", "profile"):
        with pytest.raises(LiftosError, match=r"a Klaviyo profile of this home.*found nobody"):
            forget_person(home, nobody)
    assert audit(home) == []
    assert [sha256 for sha256, _ in bodies_where(home.warehouse.archive_file, bool)] == before


def test_the_command(home: Home) -> None:
    person, call = someone(home), CliRunner().invoke
    assert call(app, ["forget", "P99"]).exit_code == 2
    assert call(app, ["forget", person, "--requester", f"{person} asked"]).exit_code == 2
    log = home.settings.home / "logs" / "run.log"
    log.parent.mkdir()
    log.write_text(f"{person} was seen")
    refused = call(app, ["forget", person])
    assert (refused.exit_code, "logs/run.log" in refused.stderr) == (1, True)
    log.unlink()
    again = call(app, ["forget", person, "--json"])
    assert again.exit_code == 0, again.stderr
    assert orjson.loads(again.stdout) == {
        "erased_at": None,
        "profile_hashes": [profile_hash(home.hash_key, person)],
        "rows": {},
        "pages": 0,
        "elsewhere": [],
    }
    assert len(audit(home)) == 1


def event(number: str, person: str) -> dict[str, object]:
    link = {"profile": {"data": {"type": "profile", "id": person}}}
    return {"type": "event", "id": number, "attributes": {"n": 1}, "relationships": link}


def test_elements_leave_a_body_and_the_others_stay() -> None:
    mine, other = event("E1", "P1"), event("E2", "P12")
    people = {"data": [{"type": "profile", "id": "P1"}, {"type": "profile", "id": "P12"}]}
    lists = {"type": "list", "id": "P1", "relationships": {"profiles": people}}
    body = orjson.dumps({"data": [mine, other, lists], "included": [{"type": "profile", "id": "P1"}]})
    kept = {"type": "list", "id": "P1", "relationships": {"profiles": {"data": people["data"][1:]}}}
    assert orjson.loads(without_profiles(body, {"P1"}.__contains__)) == {"data": [other, kept], "included": []}
    assert orjson.loads(without_profiles(orjson.dumps({"data": mine}), {"P1"}.__contains__)) == {"data": None}
    for same in (b'{"data" : []}', b"<html>P1", b"[1]", orjson.dumps({"data": [other]})):
        assert without_profiles(same, {"P1"}.__contains__) is same


def test_other_mentions_are_cleared_by_whole_words_and_in_cursors() -> None:
    mentions = Mentions({"P1"}, {"0f" * 16})
    cursor = base64.urlsafe_b64encode(b"next::id::P1").decode()
    body = (
        b'{"links":{"self":"https://a/profiles/P1/","next":"https://a/?page%5Bcursor%5D='
        + cursor.encode()
        + b'"}}'
    )
    assert mentions.are_in(body)
    assert mentions.taken_out_of(body) == (
        b'{"links":{"self":"https://a/profiles/erased/","next":"https://a/?page%5Bcursor%5D=erased"}}'
    )
    assert mentions.are_in(b'"next":"https://a/?page[cursor]=' + cursor.rstrip("=").encode() + b'"')
    other = base64.urlsafe_b64encode(b"next::id::P12").decode()
    same = f'{{"next":"?page[cursor]={other}","a":"P12","b":"XP1"}}'.encode()
    assert not mentions.are_in(same)
    assert mentions.taken_out_of(same) == same
    assert mentions.are_in(b'"' + b"0f" * 16 + b'"')
