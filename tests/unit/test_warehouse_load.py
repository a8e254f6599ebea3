"""What a window does to the tables: the three modes, refusals, receipts, pages."""

from __future__ import annotations

import hashlib
import itertools
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.schema import FOREVER, Page, Table, Window, raw, source_columns
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.archive import read_body
from liftos_pipeline.warehouse.load import load_windows
from liftos_pipeline.warehouse.receipts import receipts
from tests.worlds import ACCOUNT, FIRST_DAY, clock, restated_window

DAY = timedelta(days=1)
STANDING = "SELECT date_day, entity_id, conversions FROM raw.meta_insights_daily WHERE observed_to = '9999-12-31'"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path, "simulated")


def fetch(warehouse: Warehouse, query: str) -> list[tuple]:
    with warehouse.read() as connection:
        return sorted(connection.execute(query).fetchall(), key=repr)


def entity_window(
    table: Table, mode: Literal["snapshot", "upsert"], day: date, rows: list[dict[str, str]]
) -> Window:
    schema = table.arrow(source_columns(table))
    full = [{"account_id": ACCOUNT, **row} for row in rows]
    source, stream = table.name.split("_", 1)
    content = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in full], schema=schema)
    return Window(table, source, stream, ACCOUNT, day, day, clock(day), content, (), mode, "simulated", "v1")


def campaigns(day: date, **names: str) -> Window:
    rows = [{"campaign_id": key, "campaign_name": name} for key, name in names.items()]
    return entity_window(raw.META_CAMPAIGNS, "snapshot", day, rows)


def profiles(day: date, **countries: str) -> Window:
    rows = [{"profile_id": key, "country": country} for key, country in countries.items()]
    return entity_window(raw.KLAVIYO_PROFILES, "upsert", day, rows)


D1, D2, D3 = (FIRST_DAY + offset * DAY for offset in range(3))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_snapshots_in_any_order(warehouse: Warehouse, order: tuple[int, ...]) -> None:
    said = [campaigns(D1, a="old", b="b"), campaigns(D2, a="new"), campaigns(D3, a="new", b="b")]
    for position in order:
        load_windows(warehouse, [said[position]], "run")
    versions = fetch(
        warehouse, "SELECT campaign_id, campaign_name, observed_from, observed_to FROM raw.meta_campaigns"
    )
    assert versions == sorted(
        [
            ("a", "old", clock(D1), clock(D2)),
            ("a", "new", clock(D2), FOREVER),
            ("b", "b", clock(D1), clock(D2)),
            ("b", "b", clock(D3), FOREVER),
        ],
        key=repr,
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_upserts_in_any_order_touch_only_their_keys(warehouse: Warehouse, order: tuple[int, ...]) -> None:
    said = [profiles(D1, p="US", q="FR"), profiles(D2, p="CA"), profiles(D3, q="FR", r="DE")]
    for position in order:
        load_windows(warehouse, [said[position]], "run")
    versions = fetch(warehouse, "SELECT profile_id, country, observed_from, observed_to FROM raw.klaviyo_profiles")
    assert versions == sorted(
        [
            ("p", "US", clock(D1), clock(D2)),
            ("p", "CA", clock(D2), FOREVER),
            ("q", "FR", clock(D1), FOREVER),
            ("r", "DE", clock(D3), FOREVER),
        ],
        key=repr,
    )


def replace_rows(window: Window, rows: list[dict], **changes: object) -> Window:
    table = pa.Table.from_pylist(rows, schema=window.rows.schema)
    return Window(**{**vars(window), "rows": table, **changes})


def test_identical_duplicates_are_one_row(warehouse: Warehouse) -> None:
    window = restated_window(D1)
    rows = window.rows.to_pylist()
    load = load_windows(warehouse, [replace_rows(window, [*rows, *rows, rows[0]])], "run")
    assert (load.rows_in, load.rows_duplicate) == (len(rows), len(rows) + 1)
    assert len(fetch(warehouse, STANDING)) == len(rows)
    counts = fetch(warehouse, "SELECT rows_in, rows_duplicate FROM ops.load_receipt")
    assert counts == [(len(rows), len(rows) + 1)]


def test_one_key_with_two_contents_refuses_the_window(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D1)], "before")
    before = fetch(warehouse, "SELECT * FROM raw.meta_insights_daily")
    window = restated_window(D2)
    rows = window.rows.to_pylist()
    doubled = [*rows, {**rows[0], "impressions": 7}]
    with pytest.raises(WarehouseError, match=r"one content per key .*found 2 rows .*ops\.rejected_row"):
        load_windows(warehouse, [replace_rows(window, doubled)], "refused")
    assert fetch(warehouse, "SELECT * FROM raw.meta_insights_daily") == before
    assert fetch(warehouse, "SELECT DISTINCT observed_at FROM ops.load_receipt") == [(clock(D1),)]
    kept = fetch(warehouse, "SELECT json_extract(detail, '$.impressions')::BIGINT, run_id FROM ops.rejected_row")
    assert kept == sorted([(rows[0]["impressions"], "refused"), (7, "refused")], key=repr)


def test_rows_of_days_that_were_not_asked_for_refuse_the_window(warehouse: Warehouse) -> None:
    window = restated_window(D2)
    late = replace_rows(window, window.rows.to_pylist(), end=D1)
    with pytest.raises(WarehouseError, match=r"only rows of the days asked for .*found 5 rows of other days"):
        load_windows(warehouse, [late], "run")
    assert fetch(warehouse, STANDING) == []


def test_windows_before_a_refused_one_are_kept(warehouse: Warehouse) -> None:
    window = restated_window(D2)
    rows = window.rows.to_pylist()
    bad = replace_rows(window, [*rows, {**rows[0], "impressions": 7}])
    with pytest.raises(WarehouseError):
        load_windows(warehouse, [restated_window(D1), bad, restated_window(D3)], "run")
    assert receipts(warehouse, "meta", "insights_daily") == {ACCOUNT: {D1: [clock(D1)]}}
    assert len(fetch(warehouse, "SELECT * FROM ops.rejected_row")) == 2


def test_pages_of_a_refused_window_are_kept(warehouse: Warehouse) -> None:
    window = restated_window(D2)
    page = Page(0, "https://x/a", "r0", 200, datetime(2026, 1, 2, 6), "unread", None, 9)
    bad = replace_rows(window, [*window.rows.to_pylist(), {**window.rows.to_pylist()[0], "impressions": 7}])
    with pytest.raises(WarehouseError):
        load_windows(warehouse, [restated_window(D1), Window(**{**vars(bad), "pages": (page,)})], "run")
    assert fetch(warehouse, "SELECT observed_at FROM raw.api_page") == [(clock(D2),)]


def test_streams_in_one_batch_do_not_touch_each_other(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D1), campaigns(D1, a="a"), profiles(D1, p="US")], "run")
    assert len(fetch(warehouse, STANDING)) == 5
    assert fetch(warehouse, "SELECT campaign_name FROM raw.meta_campaigns") == [("a",)]
    assert fetch(warehouse, "SELECT country FROM raw.klaviyo_profiles") == [("US",)]


@pytest.mark.parametrize("at_once", [True, False])
def test_of_two_assertions_with_one_clock_the_later_stands(warehouse: Warehouse, at_once: bool) -> None:
    said = [campaigns(D1, a="first", b="b"), campaigns(D1, a="second")]
    for batch in [said] if at_once else [[window] for window in said]:
        load_windows(warehouse, batch, "run")
    versions = fetch(warehouse, "SELECT campaign_name, observed_from, observed_to FROM raw.meta_campaigns")
    assert versions == [("second", clock(D1), FOREVER)]
    assert fetch(warehouse, "SELECT rows_in FROM ops.load_receipt") == [(1,)]


def test_a_batch_that_speaks_without_a_gap_leaves_nothing_of_what_stood(warehouse: Warehouse) -> None:
    load_windows(warehouse, [campaigns(D1, a="old")], "run")
    load_windows(warehouse, [campaigns(D2, a="new"), campaigns(D3, a="newer")], "run")
    assert fetch(warehouse, "SELECT campaign_name, observed_from, observed_to FROM raw.meta_campaigns") == sorted(
        [("old", clock(D1), clock(D2)), ("new", clock(D2), clock(D3)), ("newer", clock(D3), FOREVER)], key=repr
    )


def test_a_version_names_the_run_that_saw_its_beginning(warehouse: Warehouse) -> None:
    for day, run in ((D3, "third"), (D2, "second"), (D1, "first")):
        load_windows(warehouse, [campaigns(day, a="a")], run)
    load_windows(warehouse, [campaigns(D1, a="a"), campaigns(D3, a="a")], "again")
    versions = fetch(warehouse, "SELECT run_id, observed_from, observed_to FROM raw.meta_campaigns")
    assert versions == [("first", clock(D1), FOREVER)]


def test_empty_day_has_a_receipt_and_takes_away_what_stood(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D2)], "run")
    empty = replace_rows(restated_window(D2), [], observed_at=clock(D3))
    load_windows(warehouse, [empty], "run")
    assert fetch(warehouse, STANDING) == []
    assert fetch(
        warehouse,
        f"SELECT date_day, rows_in, rows_restated, rows_vanished FROM ops.load_receipt "
        f"WHERE observed_at = '{clock(D3)}'",
    ) == [(D1, 0, 0, 5), (D2, 0, 0, 5)]


def test_accounts_do_not_touch_each_other(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D1, account="other"), restated_window(D1)], "run")
    load_windows(warehouse, [replace_rows(restated_window(D1), [], observed_at=clock(D2))], "run")
    left = fetch(
        warehouse, "SELECT DISTINCT account_id FROM raw.meta_insights_daily WHERE observed_to = '9999-12-31'"
    )
    assert left == [("other",)]


def test_receipts_list_all_clocks_of_a_day(warehouse: Warehouse) -> None:
    load_windows(warehouse, [restated_window(D2), restated_window(D1), restated_window(D3, days=2)], "run")
    assert receipts(warehouse, "meta", "insights_daily") == {
        ACCOUNT: {D1: [clock(D1), clock(D2)], D2: [clock(D2), clock(D3)], D3: [clock(D3)]}
    }


def test_unchanged_rows_are_not_rewritten(warehouse: Warehouse) -> None:
    load_windows(warehouse, [campaigns(D1, a="a", b="b")], "first")
    load_windows(warehouse, [campaigns(D2, a="a", b="new")], "second")
    assert fetch(warehouse, "SELECT campaign_name, run_id FROM raw.meta_campaigns") == sorted(
        [("a", "first"), ("b", "first"), ("new", "second")]
    )


def test_pages_are_kept_byte_for_byte_and_once(warehouse: Warehouse) -> None:
    body = b'{"data": [\xff\x00 1.50 ]}'
    fetched = datetime(2026, 1, 2, 6)
    pages = (
        Page(0, "https://x/a", "r0", 200, fetched, hashlib.sha256(body).hexdigest(), body, len(body)),
        Page(1, "https://x/b", "r1", 200, fetched, "unread", None, 9, "not JSON"),
    )
    window = Window(**{**vars(restated_window(D1)), "pages": pages})
    for _ in range(2):
        assert load_windows(warehouse, [window], "run").pages == 2
    assert read_body(warehouse.archive_file, pages[0].sha256) == body
    assert read_body(warehouse.archive_file, "unread") is None
    assert fetch(warehouse, "SELECT page_no, sha256, body_bytes, error FROM raw.api_page") == [
        (0, pages[0].sha256, len(body), None),
        (1, "unread", 9, "not JSON"),
    ]
    load_windows(warehouse, [window], "another run")
    assert len(fetch(warehouse, "SELECT * FROM raw.api_page")) == 4


def test_repeat_leaves_the_same_receipts(warehouse: Warehouse) -> None:
    counts = "SELECT date_day, observed_at, rows_in, rows_restated, rows_vanished FROM ops.load_receipt"
    load_windows(warehouse, [restated_window(FIRST_DAY + offset * DAY) for offset in range(8)], "run")
    before = fetch(warehouse, counts)
    load_windows(warehouse, [restated_window(FIRST_DAY + offset * DAY) for offset in (7, 3)], "run")
    assert fetch(warehouse, counts) == before


def test_text_that_moves_from_one_column_to_the_next_is_a_change(warehouse: Warehouse) -> None:
    for day, name, status in ((D1, "a|b", "c"), (D2, "a", "b|c")):
        row = {"campaign_id": "x", "campaign_name": name, "status": status}
        load_windows(warehouse, [entity_window(raw.META_CAMPAIGNS, "snapshot", day, [row])], "run")
    standing = "SELECT campaign_name, status FROM raw.meta_campaigns WHERE observed_to = '9999-12-31'"
    assert fetch(warehouse, standing) == [("a", "b|c")]
