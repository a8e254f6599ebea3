"""What the relations of the warehouse know as of a day, where homes are live: new accounts, two pulls a day, captured
FRED values. On a copy of a filled home whose raw rows are changed; every test takes its changes back."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from liftos_pipeline.stages.roles import ROLES
from liftos_pipeline.warehouse import knowledge
from liftos_pipeline.warehouse.knowledge import Knowledge
from tests.pipeline.conftest import FIRST

LOOK_BACK = 60


@pytest.fixture(scope="module")
def copied(quiet_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    copy = tmp_path_factory.mktemp("knowledge") / "liftos.duckdb"
    shutil.copy(quiet_home / "liftos.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        yield connection


@pytest.fixture
def home(copied: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    copied.execute("BEGIN")
    yield copied
    copied.execute("ROLLBACK")


def panel(
    home: duckdb.DuckDBPyConnection, columns: str, where: str, known_until: str | None = None
) -> list[tuple]:
    until = "NULL" if known_until is None else f"TIMESTAMP '{known_until}'"
    return home.execute(
        f"SELECT {columns} FROM mart.marketing_panel_as_of(DATE '{FIRST}', {LOOK_BACK}, known_until := {until}) "
        f"WHERE {where} GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def test_an_account_that_came_later_is_reconstructed_but_not_replayed(home: duckdb.DuckDBPyConnection) -> None:
    clock = "TIMESTAMP '2026-06-25 06:00:00'"
    for table, at, also in (
        ("raw.meta_insights_daily", "observed_from", ", TIMESTAMP '9999-12-31' AS observed_to"),
        ("ops.load_receipt", "observed_at", ""),
    ):
        where = "source = 'meta' AND stream = 'insights_daily' AND" if table.startswith("ops") else ""
        home.execute(
            f"INSERT INTO {table} SELECT * REPLACE ('new' AS account_id, {clock} AS {at}{also}) FROM {table} "
            f"WHERE {where} {at} = TIMESTAMP '2026-05-31'"
        )
    is_new = "account_id = 'new'"
    assert panel(home, "DISTINCT vintage", is_new) == [("reconstructed",)]
    assert panel(home, "DISTINCT vintage", is_new, known_until="2026-06-01") == []
    assert panel(home, "DISTINCT vintage", is_new, known_until="2026-06-25 06:00:00.000001") == [
        ("reconstructed",)
    ]


def test_a_run_in_the_morning_has_not_seen_the_pull_of_the_evening(home: duckdb.DuckDBPyConnection) -> None:
    evening = "TIMESTAMP '2026-05-31 18:00:00'"
    before = panel(home, "sum(spend)", "platform = 'meta'")
    home.execute(
        f"INSERT INTO raw.meta_insights_daily SELECT * REPLACE (spend * 2 AS spend, {evening} AS observed_from) "
        "FROM raw.meta_insights_daily WHERE observed_from = TIMESTAMP '2026-05-31' AND observed_to > TIMESTAMP '9999-01-01'"
    )
    home.execute(
        f"UPDATE raw.meta_insights_daily SET observed_to = {evening} "
        "WHERE observed_from = TIMESTAMP '2026-05-31' AND observed_to > TIMESTAMP '9999-01-01'"
    )
    assert panel(home, "sum(spend)", "platform = 'meta'") != before
    assert panel(home, "sum(spend)", "platform = 'meta'", known_until="2026-05-31 06:00:00.000001") == before


def test_a_change_belongs_to_the_campaign_that_its_ad_set_was_in_by_then(home: duckdb.DuckDBPyConnection) -> None:
    relation = f"intermediate.int_changes__as_of(DATE '{FIRST}')"
    before = home.execute(f"SELECT * FROM {relation} ORDER BY ALL").fetchall()
    for table in ("raw.meta_adsets", "raw.meta_ads"):
        home.execute(
            f"INSERT INTO {table} SELECT * REPLACE ('moved' AS campaign_id, TIMESTAMP '2026-07-01' AS observed_from) "
            f"FROM {table} WHERE observed_to > TIMESTAMP '9999-01-01'"
        )
    assert home.execute(f"SELECT * FROM {relation} ORDER BY ALL").fetchall() == before
    later = "SELECT count(*) FROM intermediate.int_changes__as_of(DATE '2026-07-01') WHERE unit_id LIKE '%moved'"
    assert home.execute(later).fetchall()[0][0] > 0


METRICS = "spend, impressions, clicks, conversions_reported, revenue_reported, orders, order_revenue, email_sends"


def test_days_around_a_change_of_the_time_zone_are_unknown(home: duckdb.DuckDBPyConnection) -> None:
    """Los Angeles is first seen at 6:00 UTC of 31 May, on 30 May there; UTC was last seen on 28 May."""
    account = home.execute("SELECT min(account_id) FROM raw.meta_account").fetchall()[0][0]
    clock = "2026-05-31 06:00:00"
    own, days = f"account_id = '{account}'", "date_day, is_boundary, is_observed"
    home.execute(
        "INSERT INTO ops.load_receipt SELECT * REPLACE (TIMESTAMP '2026-05-28 06:00:00' AS observed_at) "
        f"FROM ops.load_receipt WHERE source = 'meta' AND stream = 'account' AND {own} LIMIT 1"
    )
    home.execute(
        f"DELETE FROM ops.load_receipt WHERE source = 'meta' AND stream = 'account' AND {own} "
        "AND observed_at > TIMESTAMP '2026-05-28 06:00:00'"
    )
    home.execute(f"UPDATE raw.meta_account SET observed_from = TIMESTAMP '2026-05-28 06:00:00' WHERE {own}")
    others = f"NOT ({own} AND date_day >= DATE '2026-05-28')"
    before = panel(home, f"date_day, {METRICS}", others)
    assert panel(home, days, "is_boundary OR NOT is_observed") == []
    home.execute(f"UPDATE raw.meta_account SET observed_to = TIMESTAMP '{clock}' WHERE {own}")
    home.execute(
        "INSERT INTO raw.meta_account SELECT * REPLACE ('America/Los_Angeles' AS account_timezone, "
        f"TIMESTAMP '{clock}' AS observed_from, TIMESTAMP '9999-12-31' AS observed_to) "
        f"FROM raw.meta_account WHERE {own}"
    )
    unknown = panel(home, days, "is_boundary OR NOT is_observed")
    assert [(f"{day}", *flags) for day, *flags in unknown] == [
        (f"2026-05-{day}", True, False) for day in (28, 29, 30)
    ]
    assert panel(home, f"DISTINCT account_id, {METRICS}, is_zero_filled", "is_boundary") == [
        (account, *[None] * 8, False)
    ]
    assert panel(home, f"date_day, {METRICS}", others) == before
    assert panel(home, "DISTINCT is_boundary", own, known_until=clock) == [(False,)]
    found = Knowledge(home, date.fromisoformat(FIRST), LOOK_BACK).accounts().set_index("account_id")
    assert found.loc[account, "account_timezone"] == "America/Los_Angeles"
    assert set(found.drop(account)["account_timezone"]) == {"Etc/UTC"}


def test_a_unit_is_known_in_every_currency_of_its_rows(home: duckdb.DuckDBPyConnection) -> None:
    unit, day = home.execute(
        "SELECT campaign_id, max(date_day) FROM raw.meta_insights_daily WHERE level = 'campaign' "
        f"AND date_day < DATE '{FIRST}' GROUP BY 1 ORDER BY 1 LIMIT 1"
    ).fetchall()[0]
    home.execute(
        "UPDATE raw.meta_insights_daily SET currency_code = 'EUR' WHERE level = 'campaign' AND campaign_id = ? "
        "AND date_day = ?",
        [unit, day],
    )
    found = Knowledge(home, date.fromisoformat(FIRST), LOOK_BACK).currencies()
    mixed = found[found["unit_id"].duplicated(keep=False)]
    assert mixed["unit_id"].str.endswith(unit).all()
    assert mixed["currency_code"].tolist() == ["EUR", "USD"]
    assert mixed["n_days"].iloc[0] == 1


def capture(home: duckdb.DuckDBPyConnection, pulls: list[tuple[str, dict[tuple[str, str, str], float]]]) -> None:
    """Replace FRED by pulls without a key: each says all of its values from its clock to the next one."""
    home.execute("DELETE FROM raw.fred_observations")
    home.execute("DELETE FROM ops.load_receipt WHERE source = 'fred'")
    ends = [*(clock for clock, _ in pulls[1:]), "9999-12-31"]
    for (clock, values), end in zip(pulls, ends, strict=True):
        for (series, period, since), value in values.items():
            home.execute(
                "INSERT INTO raw.fred_observations BY NAME SELECT ? AS account_id, ?::DATE AS observation_date, "
                "?::DATE AS realtime_start, DATE '9999-12-31' AS realtime_end, ? AS value, 'lag_rule' AS vintage_kind, "
                "'csv' AS backend, ?::TIMESTAMP AS observed_from, ?::TIMESTAMP AS observed_to, 'h' AS row_hash, "
                "'r' AS run_id, 'live' AS source_mode, 'v1' AS api_version",
                [series, period, since, value, clock, end],
            )
            home.execute(
                "INSERT INTO ops.load_receipt SELECT 'fred', 'observations', ?, ?::TIMESTAMP::DATE - 1, ?::TIMESTAMP, 1, "
                "0, 0, 0, 0, 'r', 'live', ?::TIMESTAMP",
                [series, clock, clock, datetime(2026, 5, 31)],
            )


def test_captured_values_are_those_that_stood_on_the_day_and_growth_has_one_vintage(
    home: duckdb.DuckDBPyConnection,
) -> None:
    """On 20 May the whole index was rebased: a growth rate across both vintages would be absurd."""
    year = {("CPIAUCSL", "2025-04-01", "2025-05-15"): 100.0, ("CPIAUCSL", "2026-04-01", "2026-05-15"): 103.0}
    rate = {("UNRATE", "2026-04-01", "2026-05-01"): 4.0}
    revised = {key: 4.3 for key in rate}
    rebased = {key: 2 * value + (key[1] > "2026") for key, value in year.items()}
    capture(
        home,
        [
            ("2026-05-16 06:00:00", {**year, **rate}),
            ("2026-05-20 06:00:00", {**rebased, **revised}),
        ],
    )
    days = "date_day, round(cpi_yoy_asof, 6), unrate_asof"
    found = {
        str(day): (growth, level) for day, growth, level in panel(home, days, "date_day >= DATE '2026-05-14'")
    }
    assert found["2026-05-15"] == (None, 4.0)
    assert found["2026-05-16"] == found["2026-05-20"] == (3.0, 4.0)
    assert found["2026-05-21"] == found["2026-05-30"] == (3.5, 4.3)
    overlapping = home.execute(
        "SELECT count(*) FROM (SELECT known_to, lead(known_from) OVER (PARTITION BY series_id, observation_date "
        f"ORDER BY known_from, known_to) AS following FROM intermediate.int_macro__vintages(DATE '{FIRST}')) "
        "WHERE known_to >= following"
    ).fetchall()
    assert overlapping == [(0,)]


def test_what_fred_says_of_vintages_goes_before_what_was_captured(home: duckdb.DuckDBPyConnection) -> None:
    before = panel(home, "date_day, unrate_asof", "date_day >= DATE '2026-05-01'")
    home.execute(
        "INSERT INTO raw.fred_observations SELECT * REPLACE (99.0 AS value, 'captured' AS vintage_kind, "
        "TIMESTAMP '2026-04-01' AS observed_from) FROM raw.fred_observations"
    )
    assert panel(home, "date_day, unrate_asof", "date_day >= DATE '2026-05-01'") == before


def test_a_day_is_final_when_it_is_no_longer_pulled_again(home: duckdb.DuckDBPyConnection) -> None:
    youngest = home.execute(
        f"SELECT platform, min(as_of - date_day) FROM mart.marketing_panel_as_of(DATE '{FIRST}', {LOOK_BACK}) "
        "WHERE is_final GROUP BY ALL"
    ).fetchall()
    assert dict(youngest) == {name: roles.restated_days for name, roles in ROLES.items()}


def test_completed_counts_stand_beside_what_was_reported(home: duckdb.DuckDBPyConnection) -> None:
    """At half completeness, limits .4 and .625 (a factor of 1.25 either way), chance 4 per completed conversion."""
    home.execute(
        "UPDATE causal.maturity_curves SET completeness = 0.5, completeness_low = 0.4, completeness_high = 0.625, "
        f"spread = 4 WHERE as_of = DATE '{FIRST}'"
    )
    rows = home.execute(
        "SELECT is_final, conversions_reported, completeness, conversions_completed, conversions_completed_low, "
        f"conversions_completed_high, age_days FROM causal.completed_as_of(DATE '{FIRST}', {LOOK_BACK}) "
        "WHERE conversions_reported IS NOT NULL"
    ).fetchall()
    assert {(age >= 28) for is_final, *_, age in rows if is_final} == {True}
    assert {row[2] for row in rows} == {0.5, 1.0}
    for is_final, reported, _, completed, low, high, _ in rows:
        assert completed == (reported if is_final else 2 * reported)
        if is_final or reported == 0:
            assert (low, high) == (None, None)
        else:
            value = float(completed)
            far = math.sqrt(4 * value + (value * math.log(1.25)) ** 2)
            assert (low, high) == pytest.approx((max(value - far, 0.0), value + far), rel=1e-12)


@pytest.mark.parametrize("vectors", [1, 100])
def test_the_panel_is_what_the_database_gives_with_one_object_for_equal_texts(
    home: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, vectors: int
) -> None:
    monkeypatch.setattr(knowledge, "_VECTORS_AT_ONCE", vectors)
    told = Knowledge(home, FIRST, LOOK_BACK).panel(["*"])
    whole = home.execute(f"SELECT * FROM mart.marketing_panel_as_of(DATE '{FIRST}', {LOOK_BACK})").df()
    assert len(whole) > 2_048
    key = ["platform", "unit_type", "unit_id", "date_day"]
    pd.testing.assert_frame_equal(*(rows.sort_values(key, ignore_index=True) for rows in (told, whole)))
    assert len({id(text) for text in told["unit_id"]}) == whole["unit_id"].nunique()
    none = Knowledge(home, date(2020, 1, 1), LOOK_BACK).panel(["unit_id", "spend"])
    assert len(none) == 0 and list(none.columns) == ["unit_id", "spend"]
