"""Experiments as the platforms send them, and Meta's regions: nested edges, absent members, local days."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from liftos_pipeline.errors import MalformedPage
from liftos_pipeline.sources import SOURCES
from tests.replies import FIRST, LAST, META_ACCOUNT, NOW, Platform, Reply, connect
from tests.unit.test_sources_google_ads import fetch, google

CELL = {"id": "21", "name": "A", "treatment_percentage": 50, "campaigns": {"data": [{"id": "8"}, {"id": "7"}]}}
STUDY = {
    "id": "2",
    "name": "Test",
    "type": "SPLIT_TEST",
    "start_time": "2026-03-02T04:59:00+0000",
    "end_time": "2026-03-09T04:00:00+0000",
    "cells": {"data": [CELL, {"id": "22", "control_percentage": 50}]},
}
ARM = {
    "resourceName": "customers/1/experimentArms/5~9",
    "experiment": "customers/1/experiments/5",
    "name": "Base",
    "control": True,
    "trafficSplit": "50",
    "campaigns": ["customers/1/campaigns/8", "customers/1/campaigns/7"],
}


def studies(*rows: dict) -> tuple[list[dict], Platform]:
    platform = Platform(lambda asked: Reply({"data": rows}) if asked.path.endswith("ad_studies") else META_ACCOUNT)
    stream = SOURCES["meta"].stream("ad_studies")
    return stream.fetch(connect("meta", platform), "1001", LAST, LAST, NOW).rows.to_pylist(), platform


def test_a_study_is_a_row_per_cell_in_the_account_s_days() -> None:
    rows, platform = studies(STUDY)
    fields = ("study_id", "cell_id", "start_on", "end_on", "treatment_pct", "control_pct", "campaign_ids")
    days = (date(2026, 3, 1), date(2026, 3, 8))
    assert [tuple(row[name] for name in fields) for row in rows] == [
        ("2", "21", *days, 50.0, None, '["7","8"]'),
        ("2", "22", *days, None, 50.0, "[]"),
    ]
    assert platform.asked[0].query["fields"] == (
        "id,name,type,start_time,end_time,cells.limit(100){id,name,treatment_percentage,control_percentage,"
        "geo_locations,campaigns.limit(5000){id}}"
    )


def test_an_open_study_has_no_last_day_and_one_without_cells_no_row() -> None:
    open_one = {name: value for name, value in STUDY.items() if name != "end_time"}
    assert [row["end_on"] for row in studies(open_one)[0]] == [None, None]
    assert studies({**STUDY, "cells": {"data": []}})[0] == []
    assert studies({name: value for name, value in STUDY.items() if name != "cells"})[0] == []


def test_what_nobody_asked_for_is_kept_beside() -> None:
    (first, _), _ = studies({**STUDY, "cooldown": 1})
    assert first["extra"] == '{"cooldown":1}'


@pytest.mark.parametrize(
    ("study", "told"),
    [
        ({**STUDY, "cells": {"data": [CELL], "paging": {"next": "https://x"}}}, "one page in cells"),
        ({**STUDY, "cells": {"data": [{**CELL, "campaigns": []}]}}, "an object with data in cells.campaigns"),
        ({**STUDY, "cells": {"data": "none"}}, "a list of objects in cells"),
        ({**STUDY, "start_time": "soon"}, "an instant .* in start_time"),
        ({**STUDY, "type": None}, "a value in type"),
        ({**STUDY, "cells": {"data": [{**CELL, "treatment_percentage": -1}]}}, "at least 0"),
    ],
)
def test_studies_that_cannot_be_read_whole_are_refused(study: dict, told: str) -> None:
    with pytest.raises(MalformedPage, match=told):
        studies(study)


def test_google_arms_leave_out_what_is_false() -> None:
    other = {**{k: v for k, v in ARM.items() if k not in ("control", "campaigns")}}
    other["resourceName"] = "customers/1/experimentArms/5~10"
    sent = google({"experiment_arm": [{"experimentArm": ARM}, {"experimentArm": other}]})
    rows = fetch("experiment_arms", sent).rows.to_pylist()
    fields = ("experiment_id", "arm_id", "is_control", "traffic_split_pct", "campaign_ids", "extra")
    assert [tuple(row[name] for name in fields) for row in rows] == [
        ("5", "9", True, 50, '["7","8"]', None),
        ("5", "10", False, 50, "[]", None),
    ]


def test_google_experiments_have_days_or_are_open() -> None:
    sent = {
        "experimentId": "5",
        "name": "Test",
        "type": "SEARCH_CUSTOM",
        "status": "ENABLED",
        "startDate": "2026-03-02",
    }
    closed = {**sent, "experimentId": "6", "endDate": "2026-03-09"}
    rows = fetch(
        "experiments", google({"experiment": [{"experiment": sent}, {"experiment": closed}]})
    ).rows.to_pylist()
    assert [(row["experiment_id"], row["start_on"], row["end_on"]) for row in rows] == [
        ("5", date(2026, 3, 2), None),
        ("6", date(2026, 3, 2), date(2026, 3, 9)),
    ]


@pytest.mark.parametrize(
    ("arm", "told"),
    [
        ({**ARM, "campaigns": "all"}, "a list in experimentArm.campaigns"),
        ({**ARM, "trafficSplit": "-1"}, "at least 0"),
        ({**ARM, "experiment": None}, "a value in experimentArm.experiment"),
    ],
)
def test_arms_that_cannot_be_read_are_refused(arm: dict, told: str) -> None:
    with pytest.raises(MalformedPage, match=told):
        fetch("experiment_arms", google({"experiment_arm": [{"experimentArm": arm}]}))


REGION = {
    "account_id": "1001",
    "region": "Ohio",
    "date_start": "2026-03-02",
    "date_stop": "2026-03-02",
    "spend": "14.35",
    "impressions": "1000",
    "inline_link_clicks": "30",
}


def regions(*rows: dict) -> tuple[list[dict], Platform]:
    platform = Platform(lambda asked: Reply({"data": rows}) if asked.path.endswith("insights") else META_ACCOUNT)
    stream = SOURCES["meta"].stream("insights_geo_daily")
    return stream.fetch(connect("meta", platform), "1001", FIRST, LAST, NOW).rows.to_pylist(), platform


def test_regions_are_asked_of_the_account_and_keep_what_adds_up() -> None:
    (row,), platform = regions(REGION)
    assert (row["geo_type"], row["geo_id"], row["date_day"]) == ("region", "Ohio", date(2026, 3, 2))
    assert (row["spend"], row["impressions"], row["link_clicks"]) == (Decimal("14.35"), 1000, 30)
    assert (row["currency_code"], row["extra"]) == ("USD", None)
    asked = next(entry.query for entry in platform.asked if entry.path.endswith("insights"))
    assert (asked["level"], asked["breakdowns"], asked["time_increment"]) == ("account", "region", "1")
    assert asked["time_range"] == '{"since":"2026-03-01","until":"2026-03-10"}'


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"region": None}, "a value in region"),
        ({"date_stop": "2026-03-03"}, "the same day as date_start"),
    ],
)
def test_regions_that_cannot_be_read_are_refused(changed: dict, told: str) -> None:
    with pytest.raises(MalformedPage, match=told):
        regions({**REGION, **changed})
