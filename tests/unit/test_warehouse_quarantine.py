"""What is kept beside the facts: rejected values, drift, windows that came back empty, pages of pulls that failed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.schema import Drift, Rejected, Window, raw, source_columns
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.load import load_windows
from liftos_pipeline.warehouse.receipts import record_gaps
from tests.worlds import FIRST_DAY, clock, restated_window

D1, D2, D3 = (FIRST_DAY + timedelta(days=offset) for offset in range(3))
STANDING = "SELECT count(*) FROM raw.meta_insights_daily WHERE observed_to = '9999-12-31'"
DRIFT = "SELECT source, stream, kind, name, first_seen, last_seen FROM ops.schema_drift ORDER BY name"
CLOCKS = "SELECT DISTINCT observed_at FROM ops.load_receipt ORDER BY 1"
REJECTED = "SELECT date_day, reason, run_id FROM ops.rejected_row ORDER BY row_no"
RECEIPTS = "SELECT date_day, rows_rejected FROM ops.load_receipt WHERE observed_at = '{}' ORDER BY 1"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path, "simulated")


def fetch(warehouse: Warehouse, query: str) -> list[tuple]:
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def with_(window: Window, **changes: object) -> Window:
    return Window(**{**vars(window), **changes})


def bad(day: date) -> Rejected:
    return Rejected(day, "spend outside 0 to 1e+12", '{"spend":"-1"}')


def test_rejected_values_are_listed_and_counted_by_day(warehouse: Warehouse) -> None:
    load_windows(warehouse, [with_(restated_window(D2), rejected=(bad(D1), bad(D1), bad(D2)))], "r")
    reason = bad(D1).reason
    assert fetch(warehouse, REJECTED) == [(D1, reason, "r"), (D1, reason, "r"), (D2, reason, "r")]
    assert fetch(warehouse, RECEIPTS.format(clock(D2))) == [(D1, 2), (D2, 1)]


def test_a_clean_pull_with_the_same_clock_takes_rejected_rows_back(warehouse: Warehouse) -> None:
    load_windows(warehouse, [with_(restated_window(D2), rejected=(bad(D2),))], "bad")
    load_windows(warehouse, [restated_window(D3)], "another clock")
    assert len(fetch(warehouse, REJECTED)) == 1
    load_windows(warehouse, [restated_window(D2)], "clean")
    assert fetch(warehouse, REJECTED) == []
    assert fetch(warehouse, RECEIPTS.format(clock(D2))) == [(D1, 0), (D2, 0)]


def test_drift_knows_when_it_was_seen_first_and_last(warehouse: Warehouse) -> None:
    added, odd = Drift("field", "reach_estimate"), Drift("value", "status=PURGED")
    for day, drift in ((D2, (added, odd)), (D3, (added,)), (D1, (odd,))):
        load_windows(warehouse, [with_(restated_window(day), drift=drift)], "r")
    assert fetch(warehouse, DRIFT) == [
        ("meta", "insights_daily", "field", "reach_estimate", clock(D2), clock(D3)),
        ("meta", "insights_daily", "value", "status=PURGED", clock(D1), clock(D2)),
    ]


@pytest.mark.parametrize(("kept", "is_held"), [(0, True), (19, True), (20, False)])
def test_a_window_that_lost_most_of_its_rows_is_held(warehouse: Warehouse, kept: int, is_held: bool) -> None:
    load_windows(warehouse, [restated_window(D1, units=40)], "before")
    later = with_(restated_window(D1, units=40), observed_at=clock(D2))
    empty = with_(later, rows=later.rows.slice(0, kept))
    if not is_held:
        load_windows(warehouse, [empty], "few left")
        assert fetch(warehouse, STANDING) == [(kept,)]
        return
    with pytest.raises(WarehouseError, match="LIFTOS_ACCEPT_VANISHED"):
        load_windows(warehouse, [restated_window(D2, units=40), with_(empty, observed_at=clock(D3))], "held")
    assert fetch(warehouse, STANDING) == [(80,)]
    assert fetch(warehouse, CLOCKS) == [(clock(D1),), (clock(D2),)]
    load_windows(warehouse, [with_(empty, observed_at=clock(D3))], "meant", accept_vanished=True)
    assert fetch(warehouse, STANDING) == [(40 + kept,)]


def test_few_rows_may_all_vanish(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D1, units=19)], "before")
    later = with_(restated_window(D1, units=19), observed_at=clock(D2))
    load_windows(warehouse, [with_(later, rows=later.rows.slice(0, 0))], "gone")
    assert fetch(warehouse, STANDING) == [(0,)]


def series(series_id: str, day: date, months: range, vintage: date = FIRST_DAY) -> Window:
    """A monthly series as it stands on a day."""
    schema = raw.FRED_OBSERVATIONS.arrow(source_columns(raw.FRED_OBSERVATIONS))
    rows = [
        {
            **dict.fromkeys(schema.names),
            "account_id": series_id,
            "observation_date": date(2024 + month // 12, 1 + month % 12, 1),
            "realtime_start": vintage,
            "realtime_end": date(9999, 12, 31),
            "value": float(month),
            "vintage_kind": "simulated",
            "backend": "csv",
        }
        for month in months
    ]
    content = pa.Table.from_pylist(rows, schema=schema)
    return Window(
        *(raw.FRED_OBSERVATIONS, "fred", "observations", series_id, day, day, clock(day), content, ()),
        *("snapshot", "simulated", "v1"),
    )


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("kept", "is_held"), [(6, True), (7, False)])
def test_a_series_that_lost_half_of_its_periods_is_held(
    warehouse: Warehouse, kept: int, is_held: bool, at_once: bool
) -> None:
    stands = "SELECT account_id, count(*) FROM raw.fred_observations WHERE observed_to = '9999-12-31' GROUP BY 1"
    before = [series(name, D1, range(12)) for name in ("GDP", "UNRATE")]
    later = [series("GDP", D2, range(kept)), series("UNRATE", D2, range(13))]
    if not at_once:
        load_windows(warehouse, before, "before")
        before = []
    if not is_held:
        load_windows(warehouse, [*before, *later], "withdrawn")
        assert fetch(warehouse, stands + " ORDER BY 1") == [("GDP", kept), ("UNRATE", 13)]
        return
    with pytest.raises(WarehouseError, match=r"observations of GDP, .*LIFTOS_ACCEPT_VANISHED"):
        load_windows(warehouse, [*before, *later], "held")
    assert fetch(warehouse, stands + " ORDER BY 1") == [("GDP", 12), ("UNRATE", 13)]
    load_windows(warehouse, later, "meant", accept_vanished=True)
    assert fetch(warehouse, stands + " ORDER BY 1") == [("GDP", 6), ("UNRATE", 13)]


def test_a_series_may_begin_later_or_come_with_other_vintages(warehouse: Warehouse) -> None:
    load_windows(warehouse, [series("GDP", D1, range(12))], "before")
    load_windows(warehouse, [series("GDP", D2, range(12), vintage=D2)], "other backend")
    load_windows(warehouse, [series("GDP", D3, range(9, 12), vintage=D2)], "later start")
    assert fetch(warehouse, "SELECT count(*) FROM raw.fred_observations WHERE observed_to = '9999-12-31'") == [
        (3,)
    ]


def test_lost_days_are_recorded_once(warehouse: Warehouse) -> None:
    stream = ("google_ads", "change_events")
    record_gaps(warehouse, stream, {"1": [(D1, D2)], "2": []}, clock(D2), "first")
    record_gaps(warehouse, stream, {"1": [(D1, D3)]}, clock(D3), "second")
    record_gaps(warehouse, stream, {"1": [(D1, D3)]}, clock(D3), "third")
    gaps = fetch(
        warehouse, "SELECT account_id, first_day, last_day, run_id FROM ops.history_gap ORDER BY first_day"
    )
    assert gaps == [("1", D1, D2, "first"), ("1", D3, D3, "second")]


def test_a_home_of_an_older_version_is_brought_up_to_date(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D1)], "before")
    with warehouse.write() as connection:
        connection.execute("DROP TABLE ops.schema_drift")
        connection.execute("ALTER TABLE ops.load_receipt DROP COLUMN rows_rejected")
        connection.execute("ALTER TABLE ops.load_receipt DROP COLUMN rows_duplicate")
        connection.execute("ALTER TABLE raw.meta_insights_daily ALTER COLUMN spend SET NOT NULL")
        connection.execute("UPDATE ops.home SET schema_version = 1")
    updated = Warehouse(warehouse.home, "simulated")
    later = restated_window(D2)
    spend = later.rows.schema.get_field_index("spend")
    nothing = pa.nulls(len(later.rows), later.rows.schema.field(spend).type)
    voided = later.rows.set_column(spend, later.rows.schema.field(spend), nothing)
    load_windows(updated, [with_(later, rows=voided, drift=(Drift("field", "x"),))], "after")
    assert fetch(updated, RECEIPTS.format(clock(D1))) == [(D1, None)]
    assert fetch(updated, RECEIPTS.format(clock(D2))) == [(D1, 0), (D2, 0)]
