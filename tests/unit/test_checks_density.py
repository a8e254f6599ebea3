"""Emptied days and holes are named; days off, pauses and accounts that stopped are not."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.checks.density import few_holes, no_day_is_empty
from liftos_pipeline.checks.reconciliation import METRICS
from liftos_pipeline.checks.usable import a_platform_is_left, newest_day_stands
from tests.check_tables import days_of, outcome_of

FIRST = date(2026, 3, 2)
NO_LEVELS = pd.DataFrame(columns=["platform", "account_id", "date_day", "level", *METRICS])


def panel(n_days: int = 70, n_units: int = 4) -> pd.DataFrame:
    """Campaigns of two accounts that spend every day."""
    return pd.concat(
        [days_of("meta", account, n_units, n_days, FIRST) for account in ("1", "2")], ignore_index=True
    )


def emptied(
    table: pd.DataFrame, account: str, days: slice | list[int], units: list[int] | None = None
) -> pd.DataFrame:
    """Nothing spent, shown or counted by an account (or some of its campaigns) on some days."""
    day = (table["date_day"] - pd.Timestamp(FIRST)).dt.days
    wanted = np.arange(int(day.max()) + 1)[days]
    chosen = (table["account_id"] == account) & day.isin(wanted)
    if units is not None:
        chosen &= table["unit_id"].isin([f"meta:{account}:{unit}" for unit in units])
    columns = ["spend", "impressions", "clicks", "conversions_reported"]
    return table.assign(**{name: table[name].where(~chosen, 0.0) for name in columns})


def test_full_days_pass() -> None:
    (outcome,) = no_day_is_empty(panel(), 0)
    assert (outcome.gate, outcome.subject, outcome.passed, outcome.severity) == ("density", "meta", True, "error")
    assert outcome.seen == "0 of 140 account-days empty"
    assert (outcome.offenders, outcome.way_out) == ((), "")


@pytest.mark.parametrize(("day", "told"), [(40, "2026-04-11"), (69, "2026-05-10"), (8, "2026-03-10")])
def test_an_emptied_account_day_is_named(day: int, told: str) -> None:
    (outcome,) = no_day_is_empty(emptied(panel(), "2", [day]), 0)
    assert not outcome.passed
    named = {"account_id": "2", "date_day": told, "active_units": 0, "usual_units": 4.0}
    assert outcome.offenders == (named,)
    assert "LIFTOS_DENSITY_MAX_EMPTY_DAYS" in outcome.way_out
    assert no_day_is_empty(emptied(panel(), "2", [day]), 1)[0].passed


def test_the_five_newest_of_a_long_outage_are_named() -> None:
    (outcome,) = no_day_is_empty(emptied(panel(), "1", slice(30, 42)), 0)
    assert outcome.seen.startswith("12 of 140 account-days empty, the newest 2026-04-12")
    assert [entry["date_day"] for entry in outcome.offenders] == [
        f"2026-04-{day:02d}" for day in (12, 11, 10, 9, 8)
    ]


def test_most_campaigns_gone_is_an_empty_day_and_half_is_not() -> None:
    assert not no_day_is_empty(emptied(panel(), "1", [40], [0, 1, 2]), 0)[0].passed
    assert no_day_is_empty(emptied(panel(), "1", [40], [0, 1]), 0)[0].passed


def test_days_off_pauses_of_small_accounts_and_accounts_that_stopped_are_meant() -> None:
    sundays = list(range(6, 70, 7))
    assert no_day_is_empty(emptied(panel(), "1", sundays), 0)[0].passed
    assert no_day_is_empty(emptied(panel(n_units=2), "1", [40]), 0)[0].passed
    assert no_day_is_empty(emptied(panel(), "1", slice(60, 70)), 0)[0].passed
    assert not no_day_is_empty(emptied(panel(), "1", slice(63, 70)), 0)[0].passed


def test_an_account_that_shrinks_or_grows_for_good_has_no_empty_day() -> None:
    for days in (slice(40, 70), slice(0, 30)):
        assert no_day_is_empty(emptied(panel(n_units=12), "1", days, list(range(8))), 0)[0].passed
    for_a_week = emptied(panel(n_units=12), "1", slice(40, 47), list(range(8)))
    assert no_day_is_empty(for_a_week, 0)[0].seen.startswith("7 of 140 account-days empty")


def test_days_that_were_not_pulled_are_the_business_of_freshness() -> None:
    table = emptied(panel(), "1", [40])
    lost = (table["account_id"] == "1") & (table["date_day"] == pd.Timestamp(2026, 4, 11))
    for column, value in (("is_observed", False), ("is_boundary", True)):
        assert no_day_is_empty(table.assign(**{column: table[column].where(~lost, value)}), 0)[0].passed


def test_holes_between_active_days_are_counted_with_their_campaigns() -> None:
    broken = emptied(panel(), "1", [20, 21, 30, 40, 41, 42, 50, 55], [1])
    broken = emptied(broken, "2", [33], [0])
    (good,) = few_holes(broken, 0.02)
    assert (good.gate, good.passed, good.offenders) == ("holes", True, ())
    assert good.seen == "1.61% of 560 campaign-days missing or empty between active days"
    (bad,) = few_holes(broken, 0.01)
    assert (bad.passed, bad.severity, bad.subject) == (False, "error", "meta")
    assert bad.offenders == ({"unit_id": "meta:1:1", "n_days": 8}, {"unit_id": "meta:2:0", "n_days": 1})


def test_pauses_of_four_days_and_whole_accounts_are_no_holes() -> None:
    assert few_holes(emptied(panel(), "1", slice(20, 24), [1]), 0.0)[0].passed
    assert few_holes(emptied(panel(), "1", [20]), 0.0)[0].passed
    assert few_holes(emptied(panel(), "1", slice(60, 70), [1]), 0.0)[0].passed


def test_the_newest_day_stops_the_run_and_an_older_one_does_not() -> None:
    as_of = date(2026, 5, 10)
    assert newest_day_stands(panel(), NO_LEVELS, as_of, 0, 0.01)[0].passed
    assert newest_day_stands(emptied(panel(), "2", [40]), NO_LEVELS, as_of, 0, 0.01)[0].passed
    stopped = newest_day_stands(emptied(panel(), "2", [69]), NO_LEVELS, as_of, 0, 0.01)[0]
    assert (stopped.passed, stopped.severity) == (False, "error")
    named = {"platform": "meta", "account_id": "2", "date_day": "2026-05-10", "why": "empty"}
    assert stopped.offenders == (named,)
    assert "liftos run --date 2026-05-10" in stopped.way_out
    assert newest_day_stands(emptied(panel(), "2", [69]), NO_LEVELS, as_of, 1, 0.01)[0].passed


def test_a_newest_day_that_does_not_add_up_stops_the_run() -> None:
    sums = {"spend": [100.0, 100.0], "impressions": [10.0, 10.0], "clicks": [5.0, 3.0], "conversions": [1.0, 1.0]}
    levels = pd.DataFrame({"platform": "meta", "account_id": "1", "level": ["campaign", "ad"], **sums})
    for day, passed in ((date(2026, 5, 10), False), (date(2026, 5, 9), True)):
        outcome = newest_day_stands(panel(), levels.assign(date_day=day), date(2026, 5, 10), 0, 0.01)[0]
        assert outcome.passed == passed
        assert ("clicks: ad < campaign" in str(outcome.offenders)) != passed


def test_one_platform_that_stands_lets_its_results_through() -> None:
    bad = outcome_of("tracking", "meta", passed=False)
    warned = outcome_of("claims", "klaviyo", passed=False, severity="warn")
    assert a_platform_is_left([bad, warned], ["klaviyo", "meta"])[0].passed
    stopped = a_platform_is_left([bad, outcome_of("density", "klaviyo", passed=False)], ["klaviyo", "meta"])[0]
    assert (stopped.passed, stopped.severity) == (False, "error")
    assert stopped.seen == "klaviyo: density; meta: tracking"
    assert stopped.offenders[1] == {"platform": "meta", "gates": "tracking"}
    assert a_platform_is_left([], [])[0].passed
