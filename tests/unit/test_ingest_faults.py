"""What a run makes of a fault: a quota puts a stream off, a refusal keeps its pages, efforts are counted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from liftos_pipeline import ingest
from liftos_pipeline.errors import MalformedPage, PlatformError, WarehouseError
from liftos_pipeline.ingest import Home, PullSummary, pull_stream
from liftos_pipeline.platforms import INJECTIONS, FaultPlan
from liftos_pipeline.schema import Window
from liftos_pipeline.sources.fred_series import SERIES
from liftos_pipeline.warehouse import Warehouse, archive
from liftos_pipeline.warehouse.archive import read_body
from liftos_pipeline.warehouse.load import LoadSummary
from tests.faults.campaign import FIRST, WORLD_SEEDS, home_of

DAYS = [FIRST + timedelta(days=day) for day in range(3)]


def faulty(folder: Path, *names: str) -> Home:
    """A home whose platforms give these faults wherever they can."""
    plan = FaultPlan(1, 1.0, injections=[INJECTIONS[name] for name in names])
    return home_of(folder, WORLD_SEEDS[0], plan)


def rows(home: Home, query: str) -> list[tuple]:
    with home.warehouse.read() as connection:
        return connection.execute(query).fetchall()


def until_green(home: Home, source: str, stream: str) -> PullSummary:
    for _ in range(30):
        try:
            done = pull_stream(home, source, stream, DAYS, "later")
        except (PlatformError, WarehouseError):
            continue
        if done.deferred_until is None:
            return done
    raise AssertionError("does not heal")


@pytest.mark.parametrize(("source", "stream"), [("klaviyo", "lists"), ("google_ads", "customer")])
def test_a_quota_of_the_day_puts_the_stream_off(tmp_path: Path, source: str, stream: str) -> None:
    home = faulty(tmp_path, "daily_quota")
    done = pull_stream(home, source, stream, DAYS, "first")
    now = datetime.now(UTC).replace(tzinfo=None)
    assert timedelta(hours=9.9) < done.deferred_until - now < timedelta(hours=10.1)
    assert rows(home, "SELECT * FROM ops.load_receipt") == []
    until_green(home, source, stream)
    assert len(rows(home, "SELECT * FROM ops.load_receipt")) == len(DAYS)


def test_days_before_the_quota_ended_are_kept(tmp_path: Path) -> None:
    home = faulty(tmp_path, "daily_quota")
    seen = []
    while not seen or seen[-1].deferred_until is not None:
        seen.append(pull_stream(home, "klaviyo", "lists", DAYS, f"run-{len(seen)}"))
    receipts = rows(home, "SELECT run_id, count(*) FROM ops.load_receipt GROUP BY 1")
    assert sum(count for _, count in receipts) == len(DAYS)
    assert all(one.deferred_until is not None for one in seen[:-1])
    assert len(seen) >= 1 + len(DAYS)


def test_pages_of_a_refused_window_can_be_read(tmp_path: Path) -> None:
    home = faulty(tmp_path, "renamed_field")
    with pytest.raises(MalformedPage, match="found nothing on page"):
        pull_stream(home, "meta", "campaigns", DAYS, "first")
    pages = rows(
        home, "SELECT sha256, http_status, error, account_id, window_end FROM raw.api_page WHERE run_id = 'first'"
    )
    assert [page[1:3] for page in pages] == [(200, None)]
    assert b"id_v2" in read_body(home.warehouse.archive_file, pages[0][0])
    assert rows(home, "SELECT * FROM ops.load_receipt") == []


def test_answers_that_cannot_be_read_leave_their_hash_and_reason(tmp_path: Path) -> None:
    home = faulty(tmp_path, "html_for_long")
    with pytest.raises(PlatformError):
        pull_stream(home, "fred", "observations", DAYS, "first")
    pages = rows(home, "SELECT body_bytes, error, length(sha256) FROM raw.api_page WHERE run_id = 'first'")
    assert len(pages) == 6 * len(SERIES)
    assert all("JSONDecodeError" in error and size == 63 and digits == 64 for size, error, digits in pages)


def test_a_conflict_is_refused_and_healed(tmp_path: Path) -> None:
    home = faulty(tmp_path, "two_contents")
    with pytest.raises(WarehouseError, match="share a key and differ"):
        pull_stream(home, "google_ads", "campaign_budgets", DAYS, "first")
    assert len(rows(home, "SELECT * FROM ops.rejected_row")) == 2
    until_green(home, "google_ads", "campaign_budgets")
    plain = home_of(tmp_path / "plain", WORLD_SEEDS[0])
    pull_stream(plain, "google_ads", "campaign_budgets", DAYS, "first")
    query = "SELECT * EXCLUDE (run_id) FROM raw.google_ads_campaign_budgets ORDER BY ALL"
    assert rows(home, query) == rows(plain, query)


def test_two_runs_at_once_end_with_the_tables_of_one(tmp_path: Path) -> None:
    both, one = tmp_path / "both", tmp_path / "one"
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(pull_stream, home_of(both, WORLD_SEEDS[0]), "meta", "insights_daily", DAYS, f"run-{n}")
            for n in range(2)
        ]
        assert [job.result().windows for job in jobs] == [len(DAYS)] * 2
    pull_stream(home_of(one, WORLD_SEEDS[0]), "meta", "insights_daily", DAYS, "run")
    for query in (
        "SELECT * EXCLUDE (run_id) FROM raw.meta_insights_daily ORDER BY ALL",
        "SELECT * EXCLUDE (run_id, finished_at) FROM ops.load_receipt ORDER BY ALL",
    ):
        assert rows(home_of(both, WORLD_SEEDS[0]), query) == rows(home_of(one, WORLD_SEEDS[0]), query)


def test_repeated_requests_and_waits_are_counted(tmp_path: Path) -> None:
    quiet = pull_stream(home_of(tmp_path / "plain", WORLD_SEEDS[0]), "meta", "account", DAYS, "first")
    loud = pull_stream(faulty(tmp_path / "loud", "limit_as_400"), "meta", "account", DAYS, "first")
    assert (quiet.retries, quiet.throttled_s) == (0, 0.0)
    assert loud.retries >= len(DAYS)
    assert loud.throttled_s >= 1.0 * loud.retries


def test_nothing_is_loaded_whose_pages_could_not_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of(tmp_path, WORLD_SEEDS[0])

    def full(*_: object) -> None:
        raise WarehouseError("room on the disk", "none", "Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(archive, "keep_bodies", full)
        with pytest.raises(WarehouseError, match="room on the disk"):
            pull_stream(home, "meta", "account", DAYS[:1], "run")
    assert rows(home, "SELECT * FROM ops.load_receipt") == []
    assert pull_stream(home, "meta", "account", DAYS[:1], "run").rows == 1


def test_pages_are_in_the_archive_before_their_window_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of(tmp_path, WORLD_SEEDS[0])
    keep_bodies, load_windows = archive.keep_bodies, ingest.load_windows
    stored = []

    def slowly(*call: object) -> None:
        time.sleep(0.3)
        keep_bodies(*call)

    def watched(warehouse: Warehouse, windows: Sequence[Window], *rest: object) -> LoadSummary:
        stored.extend(read_body(warehouse.archive_file, page.sha256) for w in windows for page in w.pages)
        return load_windows(warehouse, windows, *rest)

    monkeypatch.setattr(archive, "keep_bodies", slowly)
    monkeypatch.setattr(ingest, "load_windows", watched)
    pull_stream(home, "meta", "account", DAYS[:1], "run")
    assert [body[:1] for body in stored] == [b"{"]
