"""No page is lost, none is read twice, none is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftos_pipeline.errors import MalformedPage, PlatformError
from liftos_pipeline.schema import Window
from liftos_pipeline.sources import SOURCES, google_changes
from tests.replies import FIRST, HOST, LAST, META_ACCOUNT, NOW, Asked, Platform, Reply, connect

SIZE = 3
GOOGLE_TOKEN = Reply({"access_token": "ya29.fresh-token", "expires_in": 3599})
GOOGLE_CUSTOMER = Reply([{"results": [{"customer": {"currencyCode": "USD", "timeZone": "Etc/UTC"}}]}])


def campaign(number: int) -> dict:
    return {"id": f"12021{number:04d}", "name": f"c{number}", "effective_status": "ACTIVE"}


def meta_pages(pages: list[list[dict]], link: Callable[[int], object]) -> Platform:
    """Meta campaigns over these pages; ``link(n)`` is ``paging.next`` of page n, None leaves it out."""

    def answer(asked: Asked) -> Reply:
        if not asked.path.endswith("campaigns"):
            return META_ACCOUNT
        number = int(asked.query.get("after", 0))
        paging = {} if link(number) is None else {"paging": {"next": link(number)}}
        return Reply({"data": pages[number], **paging})

    return Platform(answer)


def pull_campaigns(platform: Platform) -> Window:
    return SOURCES["meta"].stream("campaigns").fetch(connect("meta", platform), "1001", LAST, LAST, NOW)


def to_page(number: int) -> str:
    return f"{HOST}/v26.0/act_1001/campaigns?after={number}&access_token=x"


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE])
def test_every_row_of_meta_comes_once(count: int) -> None:
    rows = [campaign(number) for number in range(count)]
    pages = [rows[first : first + SIZE] for first in range(0, count, SIZE)] or [[]]
    platform = meta_pages(pages, lambda n: to_page(n + 1) if n + 1 < len(pages) else None)
    window = pull_campaigns(platform)
    assert window.rows["campaign_id"].to_pylist() == [row["id"] for row in rows]
    assert [page.page_no for page in window.pages] == list(range(len(pages)))


def test_an_empty_page_in_the_middle_is_not_the_end() -> None:
    pages = [[campaign(0)], [], [], [campaign(1)]]
    window = pull_campaigns(meta_pages(pages, lambda n: to_page(n + 1) if n < 3 else None))
    assert window.rows["campaign_id"].to_pylist() == ["120210000", "120210001"]


def test_a_full_page_without_next_is_the_end() -> None:
    platform = meta_pages([[campaign(n) for n in range(500)]], lambda _: None)
    assert pull_campaigns(platform).rows.num_rows == 500


@pytest.mark.parametrize("back_to", [0, 1])
def test_a_loop_is_refused(back_to: int) -> None:
    pages = [[campaign(0)], [campaign(1)], [campaign(2)]]
    platform = meta_pages(pages, lambda n: to_page([1, 2, back_to][n]).replace("after=0", "after=00"))
    with pytest.raises(PlatformError, match="leads back"):
        pull_campaigns(platform)
    assert len(platform.asked) < 8


@pytest.mark.parametrize(
    "link",
    [
        "http://elsewhere.test/v26.0/act_1001/campaigns?after=1",
        "https://platform.test/v26.0/act_1001/campaigns?after=1",
        "http://platform.test:8080/v26.0/act_1001/campaigns?after=1",
        "http://platform.test@elsewhere.test/x",
        "/v26.0/act_1001/campaigns?after=1",
    ],
)
def test_links_to_other_servers_are_not_followed(link: str) -> None:
    platform = meta_pages([[campaign(0)], [campaign(1)]], lambda n: link if n == 0 else None)
    with pytest.raises(PlatformError, match=r"links of meta to http://platform\.test"):
        pull_campaigns(platform)
    assert not any("after" in asked.query for asked in platform.asked)


@pytest.mark.parametrize("body", [{"rows": []}, {"data": {}}, {"data": [1]}, []])
def test_a_page_without_a_list_of_rows_is_malformed(body: object) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(body) if asked.path.endswith("campaigns") else META_ACCOUNT

    with pytest.raises(MalformedPage, match=r"meta\.campaigns"):
        pull_campaigns(Platform(answer))


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE, SIZE + 1])
def test_every_metric_of_klaviyo_comes_once(count: int) -> None:
    rows = [{"type": "metric", "id": f"K{n}", "attributes": {"name": f"m{n}"}} for n in range(count)]

    def answer(asked: Asked) -> Reply:
        first = int(asked.query.get("page[cursor]", 0))
        more = first + SIZE < count
        link = f"{HOST}/api/metrics?page%5Bcursor%5D={first + SIZE}" if more else None
        return Reply({"data": rows[first : first + SIZE], "links": {"next": link}})

    connection = connect("klaviyo", Platform(answer))
    window = SOURCES["klaviyo"].stream("metrics").fetch(connection, "K", LAST, LAST, NOW)
    assert window.rows["metric_id"].to_pylist() == [row["id"] for row in rows]


@pytest.mark.parametrize("batches", [[], [0], [1], [2, 0, 1]])
def test_google_rows_are_joined_over_batches(batches: list[int]) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return GOOGLE_TOKEN
        number = iter(range(10))
        return Reply(
            [
                {"results": [{"campaign": {"id": str(next(number))}} for _ in range(n)], "requestId": "r"}
                if n
                else {"fieldMask": "campaign.id", "requestId": "r"}
                for n in batches
            ]
        )

    connection = connect("google_ads", Platform(answer))
    window = SOURCES["google_ads"].stream("campaigns").fetch(connection, "1", LAST, LAST, NOW)
    assert window.rows["campaign_id"].to_pylist() == [str(n) for n in range(sum(batches))]


def change(number: int) -> dict:
    return {
        "changeEvent": {
            "resourceName": f"customers/1/changeEvents/{number}",
            "changeDateTime": f"2026-03-05 00:00:{number // 2:02d}",
            "changeResourceType": "CAMPAIGN_BUDGET",
            "changedFields": "amountMicros",
        }
    }


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE, SIZE + 1, 10])
def test_a_full_change_log_is_continued_without_losing_ties(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_changes, "PAGE_ROWS", SIZE)
    log = [change(number) for number in range(count)]

    def answer(asked: Asked) -> Reply:
        query = asked.body.decode()
        if asked.path == "/token":
            return GOOGLE_TOKEN
        if "change_event" not in query:
            return GOOGLE_CUSTOMER
        since = query.split(">= '")[1].split("'")[0]
        return Reply([{"results": [e for e in log if e["changeEvent"]["changeDateTime"] >= since][:SIZE]}])

    connection = connect("google_ads", Platform(answer))
    window = SOURCES["google_ads"].stream("change_events").fetch(connection, "1", FIRST, LAST, NOW)
    assert window.rows["resource_name"].to_pylist() == [e["changeEvent"]["resourceName"] for e in log]


def test_more_changes_at_one_moment_than_a_page_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_changes, "PAGE_ROWS", SIZE)
    same = [{"changeEvent": {**change(0)["changeEvent"], "resourceName": f"r{n}"}} for n in range(SIZE)]

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return GOOGLE_TOKEN
        return Reply([{"results": same}]) if b"change_event" in asked.body else GOOGLE_CUSTOMER

    connection = connect("google_ads", Platform(answer))
    with pytest.raises(PlatformError, match="at one moment"):
        SOURCES["google_ads"].stream("change_events").fetch(connection, "1", FIRST, LAST, NOW)


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_fred_pages_by_offset(limit: int) -> None:
    rows = [
        {"realtime_start": "2026-01-01", "realtime_end": "9999-12-31", "date": f"2025-{m:02d}-01", "value": "4.1"}
        for m in range(1, 6)
    ]

    def answer(asked: Asked) -> Reply:
        first = int(asked.query["offset"])
        return Reply({"count": len(rows), "observations": rows[first : first + limit]})

    connection = connect("fred", Platform(answer))
    window = SOURCES["fred"].stream("observations").fetch(connection, "UNRATE", LAST, LAST, NOW)
    assert [day.month for day in window.rows["observation_date"].to_pylist()] == [1, 2, 3, 4, 5]


def changes_of(*pages: list[dict]) -> Window:
    """Google's change log over these pages, one answer each."""
    left = [*pages]

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return GOOGLE_TOKEN
        return Reply([{"results": left.pop(0)}]) if b"change_event" in asked.body else GOOGLE_CUSTOMER

    return (
        SOURCES["google_ads"]
        .stream("change_events")
        .fetch(connect("google_ads", Platform(answer)), "1", FIRST, LAST, NOW)
    )


def test_a_change_that_two_pages_hold_comes_once_and_with_two_contents_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(google_changes, "PAGE_ROWS", SIZE)
    first, overlap = [change(n) for n in range(SIZE)], change(SIZE - 1)
    other = {"changeEvent": {**overlap["changeEvent"], "changedFields": "status"}}
    assert changes_of(first, [overlap]).rows["resource_name"].to_pylist() == [
        e["changeEvent"]["resourceName"] for e in first
    ]
    names = changes_of(first, [other]).rows["resource_name"].to_pylist()
    assert names.count(overlap["changeEvent"]["resourceName"]) == 2


def test_an_activity_that_two_pages_hold_is_one_change() -> None:
    entry = {"event_time": "2026-03-05T12:00:00+0000", "event_type": "update_ad_creative", "object_id": "7"}

    def answer(asked: Asked) -> Reply:
        if not asked.path.endswith("activities"):
            return META_ACCOUNT
        link = f"{HOST}/v26.0/act_1001/activities?after=1"
        more = {} if "after" in asked.query else {"paging": {"next": link}}
        return Reply({"data": [entry] if more else [entry, entry], **more})

    stream = SOURCES["meta"].stream("activities")
    keys = (
        stream.fetch(connect("meta", Platform(answer)), "1001", FIRST, LAST, NOW).rows["activity_key"].to_pylist()
    )
    assert [key[-2:] for key in keys] == [":0", ":0", ":1"]
    assert len(set(keys)) == 2


def test_a_foreign_link_is_refused_with_its_page() -> None:
    with pytest.raises(PlatformError, match=r"page 1 of meta\.campaigns"):
        pull_campaigns(
            meta_pages(
                [[campaign(0)], []],
                lambda n: ["http://platform.test/v26.0/act_1001/campaigns?after=1", "http://elsewhere.test/"][n],
            )
        )
