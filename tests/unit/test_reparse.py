"""Stored pages read again: the same tables without a platform, and the mended ones where a parser was wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from liftos_pipeline.cli import app
from liftos_pipeline.errors import MalformedPage
from liftos_pipeline.ingest import Home, pull_stream
from liftos_pipeline.platforms import SIMULATED_ORIGIN
from liftos_pipeline.reparse import Reparsed, reparse
from liftos_pipeline.sources import meta, meta_insights
from liftos_pipeline.sources.columns import part
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.archive import drop_bodies
from tests.faults.campaign import FIRST, STREAMS, WORLD_SEEDS, differences, home_of
from tests.pipeline.homes import environment

DAY = timedelta(days=1)
DAYS = [FIRST + day * DAY for day in range(2)]
META = ("account", "insights_daily")


class Unreachable(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked {request.url}")


def without_platforms(home: Home) -> Home:
    return replace(home, transport=Unreachable())


def copy_of(home: Home, folder: Path) -> Home:
    shutil.copytree(home.settings.home, folder)
    return home_of(folder, WORLD_SEEDS[0])


def standing(warehouse: Warehouse) -> list[tuple]:
    with warehouse.read() as connection:
        names = [row[0] for row in connection.execute("SHOW TABLES FROM raw").fetchall()]
        return [
            row for name in sorted(names) for row in connection.execute(f"FROM raw.{name} ORDER BY ALL").fetchall()
        ]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two days of every stream, by two runs."""
    home = home_of(tmp_path_factory.mktemp("pulled"), WORLD_SEEDS[0])
    for run, days in (("first", DAYS[:1]), ("second", DAYS[1:])):
        for source, stream in STREAMS:
            pull_stream(home, source, stream, days, run)
    return home


def test_pages_read_again_leave_every_table_as_it_was(pulled: Home, tmp_path: Path) -> None:
    home = copy_of(pulled, tmp_path / "again")
    before = standing(home.warehouse)
    done = reparse(without_platforms(home))
    assert done.left == ()
    assert done.rows > len(DAYS) * len(STREAMS)
    assert standing(home.warehouse) == before
    assert differences(home.settings.home, pulled.settings.home) == {}


def test_rows_that_a_parser_put_wrongly_are_mended(
    pulled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = home_of(tmp_path / "wrong", WORLD_SEEDS[0])
    with monkeypatch.context() as patch:
        patch.setattr(meta_insights, "_purchase", lambda pull, entries, *_: entries[0])
        for stream in META:
            pull_stream(wrong, "meta", stream, DAYS, "wrong")
    mine = {"raw.meta_insights_daily"}
    assert mine <= set(differences(wrong.settings.home, pulled.settings.home))
    assert reparse(without_platforms(wrong), "meta").left == ()
    assert not mine & set(differences(wrong.settings.home, pulled.settings.home))


def test_a_window_that_a_parser_refused_is_loaded(
    pulled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of(tmp_path / "refused", WORLD_SEEDS[0])
    pull_stream(home, "meta", "account", DAYS[:1], "first")
    with monkeypatch.context() as patch:
        patch.setattr(meta, "_put_budgets", lambda query, *_: part(query.pull.rows, "id", query.pull))
        with pytest.raises(MalformedPage):
            pull_stream(home, "meta", "campaigns", DAYS[:1], "refused")
    assert reparse(without_platforms(home), "meta") == Reparsed(windows=2, rows=3, left=())
    query = "SELECT * EXCLUDE (run_id, observed_to) FROM raw.meta_campaigns WHERE observed_from = ? ORDER BY ALL"
    said = []
    for one in (home, pulled):
        with one.warehouse.read() as connection:
            said.append(connection.execute(query, [datetime.combine(DAYS[1], time())]).fetchall())
    assert said[0] == said[1]
    assert len(said[0]) == 2


def test_a_window_without_all_its_pages_is_named_and_the_others_are_read(
    pulled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copy_of(pulled, tmp_path / "incomplete")
    account = home.settings.meta_ad_account_ids
    with home.warehouse.read() as connection:
        gone = connection.execute(
            "SELECT sha256 FROM raw.api_page WHERE stream = 'campaigns' AND source = 'meta'"
        ).fetchall()
    drop_bodies(home.warehouse.archive_file, [sha256 for (sha256,) in gone])
    for name, value in environment(home.settings.home).items():
        monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(app, ["reparse", "meta", "--date", DAYS[1].isoformat(), "--json"])
    assert answer.exit_code == 3
    done = json.loads(answer.stdout)
    assert done["windows"] == sum(source == "meta" for source, _ in STREAMS) - 1
    [[place, reason]] = done["left"]
    assert place == f"meta.campaigns of {account}, {DAYS[1]} to {DAYS[1]}, pulled {DAYS[1] + DAY} 00:00 UTC"
    assert reason == f"no stored answer to GET {SIMULATED_ORIGIN}/v26.0/act_{account}/campaigns"
    assert standing(home.warehouse) == standing(pulled.warehouse)
    assert CliRunner().invoke(app, ["reparse", "tiktok"]).exit_code == 2
