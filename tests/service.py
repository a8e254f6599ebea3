"""A home with a few published results, and requests for tests of the service."""

from __future__ import annotations

import atexit
import json
import tempfile
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import orjson
import pandas as pd
from fastapi import FastAPI
from fastapi.testclient import TestClient

from liftos_pipeline.api.app import create_app
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.decisions import ATTRIBUTION, EFFECT_PATHS, VERDICTS
from liftos_pipeline.schema.ops import AS_OF_RUN
from liftos_pipeline.schema.results import CAUSAL_MARKETING_DATA, EFFECT_ESTIMATES, GATES, TREATMENTS
from liftos_pipeline.settings import Settings
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions

OLD_DAY, DAY = date(2026, 6, 28), date(2026, 6, 29)
FIRST = datetime(2026, 5, 1)
KEY = {"platform": "meta", "treatment_type": "budget_change", "design": "staggered"}
_BLANK = {
    "VARCHAR": "x",
    "DOUBLE": 1.0,
    "BIGINT": 1,
    "INTEGER": 1,
    "DATE": DAY,
    "BOOLEAN": True,
    "TIMESTAMP": FIRST,
}


def row(table: Table, **given: object) -> dict[str, object]:
    """One row: as given, else NULL where it may be, else a value of the type."""
    return {
        column.name: given.get(column.name, None if column.nullable else _BLANK[column.type])
        for column in table.columns
        if column.name != "as_of"
    }


def results() -> dict[Table, list[dict[str, object]]]:
    """Rows of the newest day: an effect that is told, one that is refused."""
    told = {
        **KEY,
        "outcome": "conversions_reported",
        "method": "doubly_robust",
        "estimand": "att",
        "role": "primary",
    }
    told |= {"estimate": 2.0, "std_error": 0.5, "ci_low": 1.0, "ci_high": 3.0, "level": 0.95}
    told |= {"diagnostics": '{"ess_control": 40.0}', "warnings": "one\ntwo", "n_rows": 400}
    refused = {**told, "outcome": "revenue_reported", "refused": "overlap is poor", "certified_size": float("inf")}
    sums = {**KEY, "scope": "treatment", "unit_id": "all", "method": "doubly_robust", "level": 0.95}
    spent = {"reported": 1000.0, "treated_unit_days": 280, "treated_units": 10}
    return {
        EFFECT_ESTIMATES: [row(EFFECT_ESTIMATES, **told), row(EFFECT_ESTIMATES, **refused)],
        EFFECT_PATHS: [row(EFFECT_PATHS, **{**told, "event_time": week}) for week in range(-4, 5)],
        VERDICTS: [row(VERDICTS, **told, verdict="report", gates_failed="[]"),
                   row(VERDICTS, **refused, verdict="refuse", reasons="overlap", gates_failed='["overlap"]')],
        ATTRIBUTION: [row(ATTRIBUTION, **sums, **spent, outcome="conversions_reported"),
                      row(ATTRIBUTION, **sums, outcome="revenue_reported", refused="refuse: overlap")],
        GATES: [row(GATES, gate="fresh", subject="raw.fred", passed=True, offenders="[]"),
                row(GATES, gate="overlap", subject="meta", passed=False, severity="warn", offenders='["a"]')],
        TREATMENTS: [row(TREATMENTS, **KEY, treatment_id=f"t{n}", unit_id=f"meta:1:{n}", standing="current", dose=d,
                         started_on=FIRST.date() + timedelta(days=30)) for n, d in enumerate((0.2, 0.4))],
        CAUSAL_MARKETING_DATA: landmarked(),
    }  # fmt: skip


def landmarked(n_units: int = 60) -> list[dict[str, object]]:
    """Causal-ready rows of one analysis."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(n_units):
        level = float(rng.uniform(5, 15))
        after = level + 2.0 * (number % 2) + float(rng.normal())
        own = {"count_before": level, "count_after": after, "count_trend": level, "is_treated": number % 2}
        own |= {"unit_id": f"meta:1:{number}", "window_start": FIRST.date(), "spend_momentum": float(rng.normal())}
        found.append(row(CAUSAL_MARKETING_DATA, **KEY, **own))
    return found


def daily(n_units: int = 12, n_days: int = 50) -> pd.DataFrame:
    """Rows of the marketing panel; units 0 and 1 are treated from day 30 on, by 5 orders a day."""
    rng = np.random.default_rng(1)
    unit, day = np.repeat(np.arange(n_units), n_days), np.tile(np.arange(n_days), n_units)
    orders = 50.0 + unit + rng.normal(size=len(unit)) + 5.0 * ((unit < 2) & (day >= 30))
    return pd.DataFrame(
        {
            "as_of": DAY,
            "platform": "meta",
            "unit_id": [f"meta:1:{number}" for number in unit],
            "date_day": [FIRST.date() + timedelta(days=int(number)) for number in day],
            "conversions_reported": orders,
            "spend": 10.0,
            "is_observed": True,
        }
    )


def published_home(home: Path) -> Warehouse:
    """A home with a published database."""
    warehouse = Warehouse(home, "simulated")
    for table, rows in results().items():
        older = rows[:1] if table is EFFECT_ESTIMATES else rows
        replace_partitions(warehouse, table, {OLD_DAY: pd.DataFrame(older), DAY: pd.DataFrame(rows)}, "run-1")
    panel = daily()
    with warehouse.write() as connection:
        connection.execute("CREATE OR REPLACE TABLE mart.marketing_panel AS SELECT * FROM panel")
        for number, day in enumerate((OLD_DAY, DAY)):
            values = [
                f"run-{number}",
                day,
                None,
                None,
                None,
                json.dumps({"liftos_seed": 0}),
                "1",
                "simulated",
                FIRST,
            ]
            marks = ", ".join("?" * len(AS_OF_RUN.columns))
            connection.execute(f"INSERT INTO {AS_OF_RUN.full_name} VALUES ({marks})", values)
    del panel
    publish(warehouse)
    return warehouse


def application(home: Path, **settings: object) -> FastAPI:
    """The service of a home, without anybody's environment."""
    return create_app(Settings(liftos_home=home, **settings))


def client(home: Path, **settings: object) -> TestClient:
    return TestClient(application(home, **settings))


def records(frame: pd.DataFrame, metrics: tuple[str, ...] = ("orders",)) -> list[dict[str, object]]:
    """A panel (unit, t, d, y, x0) as ``CausalMarketingData``: y is the first metric, x0 a confounder."""
    starts = frame[frame["d"] == 1].groupby("unit")["t"].min()
    return [
        {
            "experiment_id": f"budget_change:meta:1:{entry.unit}",
            "platform": "meta",
            "timestamp": (FIRST + timedelta(days=entry.t)).isoformat(),
            "metrics": {name: entry.y + place for place, name in enumerate(metrics)},
            "confounders": [
                {"name": "fatigue", "value": entry.x0, "confidence": 0.9, "detection_method": "audience_fatigue",
                 "platform_specific_context": {"platform": "meta"}, "temporal_pattern": "trend"}
            ],
            "external_factors": [],
            "treatment_assignment": None if entry.unit not in starts.index else assignment(int(starts[entry.unit])),
            "causal_graph": None,
            "data_quality": None,
            "randomization_unit": "campaign",
            "temporal_granularity": "daily",
        }
        for entry in frame.itertuples()
    ]  # fmt: skip


def assignment(start: int) -> dict[str, object]:
    return {
        "treatment_id": "t",
        "treatment_type": "budget_change",
        "assignment_method": "observational",
        "assignment_probability": None,
        "control_group_id": None,
        "randomization_unit": "campaign",
        "assignment_timestamp": (FIRST + timedelta(days=start)).isoformat() + "Z",
    }


@cache
def shared() -> TestClient:
    """One service for all tests that change nothing of it: its workers start once."""
    folder = tempfile.TemporaryDirectory(prefix="liftos-service-")
    atexit.register(folder.cleanup)
    published_home(Path(folder.name))
    return client(Path(folder.name))


def post(task: str, body: object, **parameters: object) -> httpx.Response:
    """The shared service's answer to an analysis."""
    answer = shared().post(f"/api/v1/causal/{task}", content=orjson.dumps(body), params=parameters)
    strict(answer)
    return answer


def strict(answer: httpx.Response) -> object:
    """The content as strict JSON: no NaN and no Infinity."""
    assert answer.headers["content-type"] in ("application/json", "application/problem+json")
    return orjson.loads(answer.content)


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The content, which is a problem of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert found["type"].startswith("urn:liftos:problem:")
    return found
