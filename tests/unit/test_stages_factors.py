"""When releases are due, which are overdue, and what the gate says of it."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from liftos_pipeline.checks.freshness import factors_are_fresh
from liftos_pipeline.schema.releases import expected_on, next_period, overdue_after
from liftos_pipeline.stages.factors import FACTORS, external_factors, release_calendar
from liftos_pipeline.stages.roles import MACRO

CASES = [
    # series, newest period, next release, last day on which its absence is borne
    ("UMCSENT", date(2026, 4, 1), date(2026, 6, 28), date(2026, 7, 8)),
    ("UNRATE", date(2026, 4, 1), date(2026, 6, 5), date(2026, 6, 15)),
    ("CPIAUCSL", date(2026, 11, 1), date(2027, 1, 15), date(2027, 1, 25)),
    ("GDP", date(2026, 1, 1), date(2026, 7, 30), date(2026, 8, 19)),
    (
        "VIXCLS",
        date(2026, 6, 11),
        date(2026, 6, 15),
        date(2026, 6, 19),
    ),  # Thursday; Friday's value comes on Monday
    ("VIXCLS", date(2026, 6, 12), date(2026, 6, 16), date(2026, 6, 22)),  # Friday
]
NAMES = {series: name for name, (series, _) in FACTORS.items()}


def released(series: str, newest: date, has_value: bool = True) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "series_id": [series],
            "observation_date": [pd.Timestamp(newest)],
            "released_on": [pd.Timestamp(newest)],
            "has_value": [has_value],
        }
    )


def known(series: str, newest: date) -> pd.DataFrame:
    row = {"factor": NAMES[series], "series_id": series, "value": 3.0, "unit": "", "realtime_start": newest}
    return pd.DataFrame([{**row, "observation_date": pd.Timestamp(newest)}])


@pytest.mark.parametrize(("series", "newest", "due", "last"), CASES)
def test_a_release_is_due_then_late_then_overdue(series: str, newest: date, due: date, last: date) -> None:
    following = next_period(series, newest)
    assert (expected_on(series, following), overdue_after(series, following)) == (due, last)
    for as_of, status, verdict in (
        (due, "expected", (True, "warn")),
        (due + timedelta(days=1), "due", (False, "warn")),
        (last, "due", (False, "warn")),
        (last + timedelta(days=1), "overdue", (False, "error")),
    ):
        rows = external_factors(known(series, newest), released(series, newest), as_of)
        outcomes = {o.subject: o for o in factors_are_fresh(rows.assign(as_of=pd.Timestamp(as_of)))}
        outcome = outcomes.pop(series)
        severity = outcome.severity if not outcome.passed else "warn"
        assert (outcome.passed, severity) == verdict, as_of
        assert "`liftos run`" in outcome.way_out
        assert {(o.passed, o.severity, o.seen) for o in outcomes.values()} == {
            (False, "error", "no observation in the warehouse")
        }
        calendar = release_calendar(released(series, newest), as_of)
        assert calendar["status"].tolist() == ["released", status]
        assert calendar["expected_on"].tolist() == [expected_on(series, newest), due]


def test_a_period_that_was_never_published_is_passed_over() -> None:
    """October 2025 had no price index: its empty row is news, and November's is the next one due."""
    releases = pd.concat(
        [released("CPIAUCSL", date(2025, 9, 1)), released("CPIAUCSL", date(2025, 10, 1), has_value=False)]
    )
    rows = external_factors(known("CPIAUCSL", date(2025, 9, 1)), releases, date(2025, 12, 10)).set_index("factor")
    assert rows.loc["inflation", "is_stale"] == False  # noqa: E712
    assert rows.loc["inflation", "expected_on"] == date(2025, 12, 15)
    calendar = release_calendar(releases, date(2025, 12, 10))
    assert calendar["status"].tolist() == ["released", "not_published", "expected"]


def test_every_factor_has_a_row_whatever_is_known() -> None:
    empty = pd.DataFrame(columns=["factor", "series_id", "value", "unit", "observation_date", "realtime_start"])
    none = released("GDP", date(2026, 1, 1)).iloc[:0]
    rows = external_factors(empty, none, date(2026, 6, 1))
    assert set(rows["factor"]) == set(FACTORS) == set(MACRO)
    assert rows["is_stale"].all() and rows["value"].isna().all()
    assert release_calendar(none, date(2026, 6, 1)).empty
