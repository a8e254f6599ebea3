"""FRED: vintages with a key, today's view without, and no number that is not the series."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from liftos_pipeline.errors import AuthExpired, MalformedPage
from liftos_pipeline.schema import Window
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.fred_series import published_on
from tests.replies import LAST, NOW, Platform, Reply, connect, in_turn

CSV = {"Content-Type": "application/csv"}
BACKENDS = {"csv": {"fred_api_key": None}, "pandas_datareader": {"liftos_fred_backend": "pandas_datareader"}}


def fetch(platform: Platform, series: str = "UNRATE", clock: datetime | None = None, **changes: object) -> Window:
    connection = connect("fred", platform, clock=clock, **changes)
    return SOURCES["fred"].stream("observations").fetch(connection, series, LAST, LAST, NOW)


def observation(day: str, value: object, since: str = "2026-01-09", until: str = "9999-12-31") -> dict:
    return {"date": day, "value": value, "realtime_start": since, "realtime_end": until}


def vintages(*rows: dict) -> Platform:
    return in_turn(Reply({"count": len(rows), "offset": 0, "limit": 100_000, "observations": list(rows)}))


@pytest.mark.parametrize(("clock", "kind"), [(None, "alfred"), (NOW, "simulated")])
def test_vintages_are_kept_and_a_point_is_nothing(clock: datetime | None, kind: str) -> None:
    platform = vintages(
        observation("2025-11-01", "4.1", until="2026-02-05"),
        observation("2025-11-01", "4.2", since="2026-02-06"),
        observation("2025-12-01", "."),
    )
    rows = fetch(platform, clock=clock).rows
    assert rows["value"].to_pylist() == [4.1, 4.2, None]
    assert rows["realtime_end"].to_pylist() == [date(2026, 2, 5), date(9999, 12, 31), date(9999, 12, 31)]
    assert set(rows["vintage_kind"].to_pylist()) == {kind}
    query = platform.asked[0].query
    assert (query["api_key"], query["realtime_start"], query["observation_start"]) == (
        "fredkey0001",
        "1776-07-04",
        "2024-07-02",
    )


@pytest.mark.parametrize(
    ("series", "row", "field"),
    [
        ("UNRATE", observation("2025-11-01", "NaN"), "value"),
        ("UNRATE", observation("2025-11-01", "41"), "value"),
        ("UNRATE", observation("2025-11-01", None), "value"),
        ("UNRATE", observation("2025-11-02", "4.1"), "date"),
        ("GDP", observation("2025-11-01", "30000.5"), "date"),
        ("UNRATE", observation("2025-10-01", "4.1"), "date"),
    ],
)
def test_what_cannot_be_the_series_is_refused(series: str, row: dict, field: str) -> None:
    first = observation("2025-10-01", "4.0") if series == "UNRATE" else observation("2025-07-01", "29999")
    later = observation("2026-01-01", "4.0") if row["date"] == "2025-10-01" else first
    with pytest.raises(MalformedPage, match=rf"in {field} of fred\.observations"):
        fetch(vintages(later, row), series)


def test_a_wrong_key_is_named_and_not_retried() -> None:
    platform = in_turn(Reply({"error_code": 400, "error_message": "The value for variable api_key is bad."}, 400))
    with pytest.raises(AuthExpired, match="FRED_API_KEY"):
        fetch(platform)
    assert len(platform.asked) == 1


def download(*lines: str, header: str = "observation_date,UNRATE", end: str = "\n") -> Reply:
    return Reply(("\n".join([header, *lines]) + end).encode(), headers=CSV)


GOOD = ("2025-11-01,4.1", "2025-12-01,.", "2026-01-01,4", "2026-02-01,4.3")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_download_says_since_when_each_value_is_known(backend: str) -> None:
    window = fetch(in_turn(download(*GOOD, "2026-03-01,4.4")), **BACKENDS[backend])
    rows = window.rows
    assert rows["value"].to_pylist() == [4.1, None, 4.0, 4.3, 4.4]
    assert rows["realtime_start"].to_pylist() == [
        date(2025, 12, 5),
        date(2026, 1, 2),
        date(2026, 2, 6),
        date(2026, 3, 6),
        NOW.date(),
    ]
    assert rows["vintage_kind"].to_pylist() == ["lag_rule"] * 4 + ["captured"]
    assert set(rows["backend"].to_pylist()) == {backend}
    assert window.pages[0].body == download(*GOOD, "2026-03-01,4.4").sent


BROKEN = {
    "another series": download(*GOOD, header="observation_date,GDP"),
    "renamed header": download(*GOOD, header="DATE,UNRATE"),
    "cut off": download(*GOOD, "2026-03-01,4", end=""),
    "html": Reply(b"<html>observation_date,UNRATE\n</html>\n", headers={"Content-Type": "text/html"}),
    "garbage cell": download(*GOOD, "2026-03-01,four"),
    "unordered": download(*reversed(GOOD)),
    "twice": download(GOOD[0], GOOD[0]),
    "daily": download("2025-11-01,4.1", "2025-11-02,4.1"),
    "out of range": download("2025-11-01,4100"),
    "infinite": download("2025-11-01,inf"),
    "no rows": download(),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_download_is_refused_by_both_readers(name: str, backend: str) -> None:
    with pytest.raises(MalformedPage):
        fetch(in_turn(BROKEN[name]), **BACKENDS[backend])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cut_off_download_is_asked_for_again(backend: str) -> None:
    rows = fetch(in_turn(BROKEN["cut off"], download(*GOOD)), **BACKENDS[backend]).rows
    assert rows.num_rows == len(GOOD)


@pytest.mark.parametrize(
    ("series", "observed", "published"),
    [
        ("UNRATE", date(2025, 12, 1), date(2026, 1, 2)),
        ("UNRATE", date(2026, 4, 1), date(2026, 5, 1)),
        ("CPIAUCSL", date(2025, 12, 1), date(2026, 1, 15)),
        ("UMCSENT", date(2026, 1, 1), date(2026, 2, 28)),
        ("GDP", date(2025, 10, 1), date(2026, 1, 30)),
        ("VIXCLS", date(2026, 2, 27), date(2026, 2, 28)),
    ],
)
def test_release_rule(series: str, observed: date, published: date) -> None:
    assert published_on(series, observed) == published
