"""What the doctor tells of a home: versions that end, days that are missing and the command that fills them, rejected rows,
accounts that differ, platforms that refuse."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from liftos_pipeline.cli import app
from liftos_pipeline.doctor import api_versions, examine
from liftos_pipeline.ingest import pull_stream
from liftos_pipeline.platforms import simulated_app
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.platforms.loopback import serve
from liftos_pipeline.settings import SIMULATED, Settings
from liftos_pipeline.simulator.scenario import scenario_named
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.warehouse import Warehouse
from tests.faults.campaign import FIRST, WORLD_SEEDS, home_of

NEWEST = date(2026, 6, 20)
MORNING = datetime(2026, 6, 22, 7, 59, tzinfo=UTC)
"""The run of this morning may still be on its way: the 20th is the newest day that is due."""
LATER = MORNING + timedelta(minutes=1)
LOOK_BACK = 60
META = {"META_ACCESS_TOKEN": SIMULATED, "META_AD_ACCOUNT_IDS": "1"}
GOOGLE = {
    "GOOGLE_ADS_DEVELOPER_TOKEN": SIMULATED,
    "GOOGLE_ADS_CLIENT_ID": SIMULATED,
    "GOOGLE_ADS_CLIENT_SECRET": SIMULATED,
    "GOOGLE_ADS_REFRESH_TOKEN": SIMULATED,
    "GOOGLE_ADS_CUSTOMER_IDS": "2",
}


def live(home: Path, **more: object) -> Settings:
    given = {name.lower(): value for name, value in {**META, **GOOGLE}.items()}
    return Settings(liftos_home=home, liftos_look_back_days=LOOK_BACK, **{**given, **more})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live home of Meta, Google Ads and FRED with a receipt for every day of the window."""
    home = tmp_path_factory.mktemp("whole")
    with Warehouse(home, "live").write() as connection:
        for source in ("meta", "google_ads", "fred"):
            for stream in SOURCES[source].streams:
                days = LOOK_BACK if stream.mode == "window" else 1
                receipts(connection, source, stream.name, NEWEST - timedelta(days=days - 1), NEWEST)
        for table, account in (("meta_account", "1"), ("google_ads_customer", "2")):
            version(connection, table, account, "Etc/UTC", "2026-06-01", "9999-12-31")
    return home


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "home")


def receipts(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    stream: str,
    first: date,
    last: date,
    rejected: int = 0,
    hour: int = 6,
) -> None:
    account = {"meta": "1", "google_ads": "2"}.get(source, "GDP")
    clock = datetime(2026, 6, 21, hour)
    connection.execute(
        "INSERT INTO ops.load_receipt SELECT ?, ?, ?, day::DATE, ?, 5, 0, 0, ?, 0, 'r', 'live', ? "
        "FROM generate_series(?::DATE, ?::DATE, INTERVAL 1 DAY) AS days(day)",
        [source, stream, account, clock, rejected, clock, first, last],
    )


def change(home: Path, *statements: str) -> None:
    with Warehouse(home, "live").write() as connection:
        for statement in statements:
            connection.execute(statement)


def lose(home: Path, stream: str, *days: str) -> None:
    chosen = ", ".join(f"DATE '{day}'" for day in days)
    change(home, f"DELETE FROM ops.load_receipt WHERE stream = '{stream}' AND date_day IN ({chosen})")


def version(
    connection: duckdb.DuckDBPyConnection, table: str, account: str, zone: str, since: str, until: str
) -> None:
    connection.execute(
        f"INSERT INTO raw.{table} BY NAME SELECT ? AS account_id, 'Shop' AS account_name, 'USD' AS currency_code, "
        "? AS account_timezone, ?::TIMESTAMP AS observed_from, ?::TIMESTAMP AS observed_to, 'h' AS row_hash, "
        "'r' AS run_id, 'live' AS source_mode, 'v' AS api_version",
        [account, zone, since, until],
    )


@pytest.mark.parametrize(("left", "state"), [(61, "ok"), (60, "ending"), (0, "ending"), (-1, "ended")])
def test_a_version_warns_sixty_days_before_it_ends(tmp_path: Path, left: int, state: str) -> None:
    settings = live(tmp_path, google_ads_api_version="v22")
    meta, google = api_versions(settings, date(2026, 10, 7) - timedelta(days=left))
    assert google == {
        "platform": "google_ads",
        "version": "v22",
        "last_day": "2026-10-07",
        "days_left": left,
        "state": state,
    }
    assert (meta["version"], meta["last_day"], meta["state"]) == ("v26.0", None, "unknown")


def test_an_ended_version_needs_action_and_an_ending_one_warns(tmp_path: Path) -> None:
    settings = live(tmp_path, google_ads_api_version="v22")
    ended = examine(settings, datetime(2026, 10, 8, tzinfo=UTC))
    assert ended["needs_action"] == [
        "google_ads v22 ended on 2026-10-07: set GOOGLE_ADS_API_VERSION to a newer version"
    ]
    ending = examine(settings, datetime(2026, 10, 6, tzinfo=UTC))
    assert ending["needs_action"] == []
    assert "google_ads v22 ends on 2026-10-07, in 1 days: set GOOGLE_ADS_API_VERSION before" in ending["warnings"]


def test_a_home_without_holes_needs_nothing(home: Path) -> None:
    facts = examine(live(home), MORNING)
    assert (facts["needs_action"], facts["missing"], facts["gaps"], facts["rejected"]) == ([], [], [], [])
    assert (facts["newest_as_of"], facts["due_as_of"]) == ("2026-06-20", "2026-06-20")
    assert facts["absent"] == ["klaviyo"]
    daily = next(s for s in facts["streams"] if (s["source"], s["stream"]) == ("google_ads", "daily"))
    assert daily["windows"] == "newest 30 days, weekly 90; served 1123 days back"
    assert (daily["newest_day"], daily["age_hours"], daily["n_missing"]) == ("2026-06-20", 26.0, 0)


def test_missing_days_come_with_the_command_that_fills_them(home: Path) -> None:
    lose(home, "insights_daily", "2026-06-03", "2026-06-05")
    facts = examine(live(home), MORNING)
    assert facts["missing"] == [
        {
            "source": "meta",
            "stream": "insights_daily",
            "account_id": "1",
            "first_day": "2026-06-03",
            "last_day": "2026-06-05",
            "n_days": 2,
            "command": "liftos run --date 2026-06-20",
        }
    ]
    assert facts["needs_action"] == ["missing days of meta.insights_daily: liftos run --date 2026-06-20"]


def test_the_command_pulls_what_is_missing(tmp_path: Path) -> None:
    filled, as_of = home_of(tmp_path, WORLD_SEEDS[0]), FIRST + timedelta(days=9)
    settings = Settings(liftos_home=tmp_path, liftos_look_back_days=LOOK_BACK)

    def missing() -> list[tuple[object, object]]:
        facts = examine(settings, MORNING)
        return [(e["n_days"], e["command"]) for e in facts["missing"] if e["stream"] == "insights_daily"]

    pull_stream(filled, "meta", "insights_daily", [as_of], "first")
    assert missing() == []
    with filled.warehouse.write() as connection:
        connection.execute("DELETE FROM ops.load_receipt WHERE date_day = ?", [FIRST + timedelta(days=3)])
    assert missing() == [(1, f"liftos run --date {as_of}")]
    pull_stream(filled, "meta", "insights_daily", [as_of], "second")
    assert missing() == []


@pytest.mark.parametrize(
    ("now", "command"),
    [
        (LATER, "liftos run --date 2026-06-21"),
        (LATER + timedelta(days=1), "liftos run --from 2026-06-21 --to 2026-06-22"),
    ],
)
def test_a_live_home_that_stands_still_lacks_every_day_since(home: Path, now: datetime, command: str) -> None:
    facts = examine(live(home), now)
    assert {entry["command"] for entry in facts["missing"]} == {command}
    daily = {(s.name, t.name) for s in SOURCES.values() for t in s.streams if t.mode == "window"}
    found = {(entry["source"], entry["stream"]) for entry in facts["missing"]}
    assert found == {name for name in daily if name[0] in ("meta", "google_ads")}


def test_days_that_a_platform_no_longer_serves_are_no_work(home: Path) -> None:
    """Google Ads serves 30 days of changes, 22 May to 20 June: the 22nd can be filled, the 21st cannot."""
    lose(home, "change_events", "2026-05-21", "2026-05-22")
    facts = examine(live(home), MORNING)
    assert [(entry["first_day"], entry["last_day"]) for entry in facts["missing"]] == [
        ("2026-05-22", "2026-05-22")
    ]
    (gap,) = facts["gaps"]
    assert (gap["first_day"], gap["last_day"], gap["is_recorded"]) == ("2026-05-21", "2026-05-21", False)


def test_a_stream_that_was_never_pulled_is_missing(home: Path) -> None:
    change(home, "DELETE FROM ops.load_receipt WHERE stream = 'activities'")
    facts = examine(live(home), MORNING)
    assert [(entry["stream"], entry["account_id"]) for entry in facts["missing"]] == [("activities", None)]


def test_rejected_rows_count_until_their_day_was_pulled_without(home: Path) -> None:
    day, warehouse = date(2026, 6, 10), Warehouse(home, "live")
    with warehouse.write() as connection:
        receipts(connection, "meta", "insights_daily", day, day, rejected=3, hour=7)
        yesterday = NEWEST - timedelta(days=1)
        receipts(connection, "meta", "campaigns", yesterday, yesterday, rejected=9, hour=5)
    found = examine(live(home), MORNING)
    assert [(entry["stream"], entry["n_rows"], entry["first_day"]) for entry in found["rejected"]] == [
        ("insights_daily", 3, "2026-06-10")
    ]
    assert "3 rejected rows of meta.insights_daily: look at ops.rejected_row" in found["needs_action"][0]
    with warehouse.write() as connection:
        receipts(connection, "meta", "insights_daily", day, day, hour=8)
    assert examine(live(home), MORNING)["rejected"] == []


def test_accounts_that_differ_and_that_changed_are_a_warning(home: Path) -> None:
    clock = "2026-06-10 06:00:00"
    with Warehouse(home, "live").write() as connection:
        connection.execute(f"UPDATE raw.meta_account SET observed_to = TIMESTAMP '{clock}'")
        version(connection, "meta_account", "1", "Europe/Berlin", clock, "9999-12-31")
    facts = examine(live(home), MORNING)
    assert facts["needs_action"] == []
    assert [(entry["platform"], entry["account_timezone"]) for entry in facts["accounts"]] == [
        ("google_ads", "Etc/UTC"),
        ("meta", "Europe/Berlin"),
    ]
    assert facts["mismatches"] == ["one time zone: Etc/UTC: google_ads; Europe/Berlin: meta"]
    assert "changed from Etc/UTC to Europe/Berlin, seen 2026-06-10T06:00:00" in facts["warnings"][-1]


def call(monkeypatch: pytest.MonkeyPatch, home: Path, *arguments: str, **environment: str) -> Result:
    for name in (*META, *GOOGLE, "KLAVIYO_PRIVATE_API_KEY", "FRED_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"LIFTOS_HOME": str(home), **environment}.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_an_empty_home_is_not_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path) -> None:
    assert examine(live(tmp_path), MORNING).keys() == examine(live(home), MORNING).keys()
    told = call(monkeypatch, tmp_path)
    assert told.exit_code == 0
    assert "nothing was pulled yet: liftos run" in told.stdout
    assert "nothing needs action" in told.stdout


def test_missing_days_end_the_command_with_one(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    told = call(monkeypatch, home, "--json", **META, **GOOGLE)
    assert told.exit_code == 1
    facts = json.loads(told.stdout)
    assert facts["needs_action"][0].startswith("missing days of google_ads.change_events, google_ads.daily")
    shown = call(monkeypatch, home, **META, **GOOGLE)
    assert shown.exit_code == 1
    assert "to do: missing days of" in shown.stdout
    assert "liftos run --from 2026-06-21 --to" in shown.stdout


@pytest.mark.parametrize(("token", "code"), [(SIMULATED, 0), ("expired", 3)])
def test_platforms_that_are_asked_and_refuse_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str, code: int
) -> None:
    scenario = scenario_named("small_rollout")
    start = datetime.combine(scenario.start, datetime.min.time(), UTC)
    accounts = world_at(scenario, 0, start).accounts()["meta"]
    with serve(simulated_app(scenario, 0)) as address:
        told = call(
            monkeypatch,
            tmp_path,
            "--live",
            "--json",
            META_ACCESS_TOKEN=token,
            META_AD_ACCOUNT_IDS=f"act_{accounts[0]},{accounts[1]}",
            LIFTOS_META_BASE_URL=address,
            LIFTOS_FRED_BASE_URL=address,
            LIFTOS_START_DATE="2026-01-01",
        )
    assert told.exit_code == code, told.output
    answers = [entry for entry in json.loads(told.stdout)["live"] if entry["platform"] == "meta"]
    assert [(entry["account_id"], entry["error"]) for entry in answers] == [
        (account, None if code == 0 else "AuthExpired") for account in accounts
    ]
    assert all("META_ACCESS_TOKEN" in (entry["message"] or "META_ACCESS_TOKEN") for entry in answers)
    assert token == SIMULATED or token not in told.stdout
    assert not (tmp_path / "archive" / "pages.sqlite").exists()
