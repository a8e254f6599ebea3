"""Small made-up windows for warehouse tests: a daily table whose conversions are restated for 28 days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from liftos_pipeline.schema import Window, source_columns
from liftos_pipeline.schema.raw import META_INSIGHTS_DAILY

FIRST_DAY = date(2026, 1, 1)
ACCOUNT = "1001"


def clock(as_of: date) -> datetime:
    return datetime.combine(as_of + timedelta(days=1), datetime.min.time())


def restated_window(as_of: date, days: int = 28, units: int = 5, account: str = ACCOUNT) -> Window:
    """What the platform says at the end of ``as_of`` of its last ``days`` days: conversions grow with age, unit 0
    vanishes for good from its third day of age on every fifth day."""
    start = max(FIRST_DAY, as_of - timedelta(days=days - 1))
    rows = []
    for offset in range((as_of - start).days + 1):
        day = start + timedelta(days=offset)
        age = (as_of - day).days
        for unit in range(units):
            if unit == 0 and age >= 3 and day.day % 5 == 0:
                continue
            rows.append(_row(day, unit, age, account))
    schema = META_INSIGHTS_DAILY.arrow(source_columns(META_INSIGHTS_DAILY))
    return Window(
        META_INSIGHTS_DAILY,
        "meta",
        "insights_daily",
        account,
        start,
        as_of,
        clock(as_of),
        pa.Table.from_pylist(rows, schema=schema),
        (),
        "window",
        "simulated",
        "v26.0",
    )


def _row(day: date, unit: int, age: int, account: str) -> dict[str, object]:
    return {
        "account_id": account,
        "level": "campaign",
        "entity_id": f"c{unit}",
        "campaign_id": f"c{unit}",
        "date_day": day,
        "currency_code": "USD",
        "spend": Decimal(10 + unit),
        "impressions": 1000 + unit,
        "conversions": Decimal(min(age, 12) // 2 + unit),
    }
