"""The time model: what was known when does not depend on how it was loaded."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.load import load_windows
from tests.worlds import FIRST_DAY, clock, restated_window

DAYS = [FIRST_DAY + timedelta(days=offset) for offset in range(40)]
FACT = "raw.meta_insights_daily"
CONTENT = "* EXCLUDE (run_id)"


def content(warehouse: Warehouse) -> set[tuple]:
    with warehouse.read() as connection:
        rows = connection.execute(f"SELECT {CONTENT} FROM {FACT}").fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


def said_at(as_of: date) -> set[tuple]:
    rows = restated_window(as_of).rows.to_pylist()
    return {(row["date_day"], row["entity_id"], row["conversions"]) for row in rows}


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(tmp_path_factory.mktemp("daily"), "simulated")
    for day in DAYS:
        load_windows(warehouse, [restated_window(day)], f"run-{day}")
    return warehouse


def test_one_batch_equals_single_days(daily: Warehouse, tmp_path: Path) -> None:
    ranged = Warehouse(tmp_path, "simulated")
    load_windows(ranged, [restated_window(day) for day in DAYS], "range")
    assert content(ranged) == content(daily)


@pytest.mark.parametrize("seed", [11, 12])
def test_any_order_and_repeats_equal_single_days(daily: Warehouse, tmp_path: Path, seed: int) -> None:
    shuffled = DAYS + DAYS[::7]
    random.Random(seed).shuffle(shuffled)
    other = Warehouse(tmp_path, "simulated")
    load_windows(other, [restated_window(day) for day in shuffled], "shuffled")
    assert content(other) == content(daily)


@pytest.mark.parametrize("as_of", [DAYS[0], DAYS[9], DAYS[27], DAYS[39]])
def test_view_at_a_clock_is_what_the_platform_said_then(daily: Warehouse, as_of: date) -> None:
    with daily.read() as connection:
        seen = connection.execute(
            f"SELECT date_day, entity_id, conversions FROM {FACT} "
            "WHERE observed_from <= $at AND observed_to > $at AND date_day > $day - 28",
            {"at": clock(as_of), "day": as_of},
        ).fetchall()
    assert set(seen) == said_at(as_of)


def test_receipts_count_restated_and_vanished_rows(daily: Warehouse) -> None:
    as_of, before = DAYS[30], DAYS[29]
    now, then = said_at(as_of), said_at(before)
    with daily.read() as connection:
        receipts = connection.execute(
            "SELECT sum(rows_in), sum(rows_restated), sum(rows_vanished) FROM ops.load_receipt "
            "WHERE observed_at = ?",
            [clock(as_of)],
        ).fetchall()
    keys_now = {(day, unit) for day, unit, _ in now}
    in_window = {row for row in then if row[0] > as_of - timedelta(days=28)}
    vanished = [row for row in in_window if row[:2] not in keys_now]
    restated = [row for row in in_window if row[:2] in keys_now and row not in now]
    assert receipts == [(len(now), len(restated), len(vanished))]
