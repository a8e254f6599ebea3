"""A person is erased: out of tables, texts, archived pages and files; for good; and again after a kill."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import duckdb
import orjson
import pytest
from typer.testing import CliRunner

from liftos_pipeline import forget as steps
from liftos_pipeline.cli import app
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.forget import forget_person
from liftos_pipeline.ingest import Home
from liftos_pipeline.sources.erase import Mentions, profile_hash, without_profiles
from liftos_pipeline.warehouse.archive import bodies_where
from tests.people import (
    DETAIL,
    PAGES,
    TABLES,
    check_pages,
    fill,
    opened,
    places,
    pull,
    rows,
    someone,
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


@pytest.fixture
def home(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    shutil.copytree(filled, tmp_path / "home")
    return opened(tmp_path / "home", monkeypatch)


def audit(home: Home) -> list[tuple]:
    return rows(
        home, "SELECT profile_hash, rows_erased, pages_erased, requester, finished_at IS NULL FROM ops.erasure"
    )


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
