"""FRED's wire format: vintages, missing values as a dot, pages, the graph download."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise

import httpx
import pyarrow.compute as pc
import pytest

from liftos_pipeline.platforms import CLOCK_HEADER, SIMULATED_ORIGIN
from liftos_pipeline.platforms.app import simulated_app, world_at
from liftos_pipeline.simulator import SCENARIOS

SCENARIO = replace(SCENARIOS["staggered_rollout"], campaigns_per_platform=4, lists=1, subscribers_per_list=5)
SEED = 1
CLOCK = "2026-04-20T00:00:00+00:00"
TODAY = date(2026, 4, 19)
APP = simulated_app(SCENARIO, SEED)
WORLD = world_at(SCENARIO, SEED, datetime.fromisoformat(CLOCK))
EVER = {"realtime_start": "1776-07-04", "realtime_end": "9999-12-31"}


def get(path: str, clock: str = CLOCK, **params: object) -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app=APP), base_url=SIMULATED_ORIGIN) as client:
        return client.get(path, params=params, headers={CLOCK_HEADER: clock})


def observations(series: str, clock: str = CLOCK, **params: object) -> dict:
    asked = {"series_id": series, "api_key": "simulated", "file_type": "json", **params}
    answer = get("/fred/series/observations", clock, **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("series", ["UMCSENT", "UNRATE", "CPIAUCSL", "GDP", "VIXCLS"])
def test_all_vintages_that_were_published_are_sent(series: str) -> None:
    table = WORLD.macro.filter(pc.equal(WORLD.macro["series_id"], series))
    released = table.filter(pc.less_equal(table["realtime_start"], TODAY)).to_pylist()
    assert len(released) < len(table)
    page = observations(series, **EVER)
    assert page["count"] == len(page["observations"]) == len(released)
    for row, expected in zip(page["observations"], released, strict=True):
        assert (row["date"], row["realtime_start"]) == (str(expected["date"]), str(expected["realtime_start"]))
        end = expected["realtime_end"]
        assert row["realtime_end"] == (str(end) if end < TODAY else "9999-12-31")
        assert row["value"] == "." or float(row["value"]) == expected["value"]
    missing = sum(row["value"] == "." for row in page["observations"])
    assert missing == (0 if series != "VIXCLS" else pytest.approx(len(released) / 61, abs=3))


def test_a_revision_shows_from_its_day_on() -> None:
    rows = WORLD.macro.filter(pc.equal(WORLD.macro["series_id"], "GDP")).to_pylist()
    first, second = next((a, b) for a, b in pairwise(rows) if a["date"] == b["date"] == date(2025, 10, 1))
    for clock, expected in (
        (f"{second['realtime_start']}T00:00:00Z", first),
        (f"{second['realtime_start']}T00:00:01Z", second),
    ):
        newest = observations("GDP", clock)["observations"][-1]
        assert (newest["date"], float(newest["value"])) == ("2025-10-01", expected["value"])
    assert first["value"] != second["value"]


def test_without_a_realtime_range_only_today_s_values_are_sent() -> None:
    page = observations("UNRATE")
    assert (page["realtime_start"], page["realtime_end"]) == (str(TODAY), str(TODAY))
    dates = [row["date"] for row in page["observations"]]
    assert dates == sorted(set(dates))
    assert len(dates) < observations("UNRATE", **EVER)["count"]
    assert {(row["realtime_start"], row["realtime_end"]) for row in page["observations"]} == {
        (str(TODAY), str(TODAY))
    }


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_pages_hold_every_row_once(more: int) -> None:
    whole = observations("UMCSENT", **EVER)
    limit = whole["count"] - more
    found = [
        observations("UMCSENT", offset=offset, limit=limit, **EVER) for offset in range(0, whole["count"], limit)
    ]
    assert [row for page in found for row in page["observations"]] == whole["observations"]
    assert {page["count"] for page in found} == {whole["count"]}
    assert len(found) == (1 if more <= 0 else 2)


def test_a_span_without_observations_is_empty() -> None:
    page = observations("GDP", observation_start="2026-04-20", **EVER)
    assert (page["count"], page["observations"]) == (0, [])
    bounded = observations("UNRATE", observation_start="2025-03-01", observation_end="2025-05-01")
    assert [row["date"] for row in bounded["observations"]] == ["2025-03-01", "2025-04-01", "2025-05-01"]


@pytest.mark.parametrize("series", ["UNRATE", "VIXCLS"])
def test_the_download_is_today_s_view(series: str) -> None:
    answer = get("/graph/fredgraph.csv", id=series, cosd="2025-01-01", coed="2026-12-31")
    assert answer.headers["content-type"] == "application/csv"
    assert answer.text.endswith("\n")
    header, *lines = answer.text.splitlines()
    assert header == f"observation_date,{series}"
    newest = observations(series, observation_start="2025-01-01")["observations"]
    assert lines == [f"{row['date']},{row['value']}" for row in newest]
    assert len(lines) >= 14


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"api_key": "other"}, "variable api_key is not registered"),
        ({"series_id": "FLOWERS"}, "The series does not exist"),
        ({"file_type": "xml"}, "file_type json only"),
        ({"observation_start": "2026-02-30"}, "observation_start is not a valid date"),
        ({"limit": "0"}, "limit is not between 1"),
        ({"offset": "-1"}, "offset is not between 0"),
    ],
)
def test_wrong_calls_get_an_error_body(changed: dict[str, str], text: str) -> None:
    asked = {"series_id": "GDP", "api_key": "simulated", "file_type": "json", **changed}
    answer = get("/fred/series/observations", **asked)
    assert (answer.status_code, answer.json()["error_code"]) == (400, 400)
    assert text in answer.json()["error_message"]


def test_unknown_paths_and_series_are_not_found() -> None:
    assert get("/fred/series", api_key="simulated").json()["error_code"] == 404
    answer = get("/graph/fredgraph.csv", id="FLOWERS")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html")


def test_history_reaches_back_before_the_world() -> None:
    first = observations("CPIAUCSL", "2026-01-01T00:00:00Z")["observations"][0]["date"]
    assert first <= "2024-09-01"
