"""Missing days are named with the command that fetches them; days that nobody can fetch any more are not."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

from liftos_pipeline.checks.freshness import every_day_was_pulled

AS_OF = date(2026, 5, 31)
GAPS = pd.DataFrame(columns=["source", "stream", "account_id", "first_day", "last_day"])


def pulled(*days_ago: int, account: str = "1", stream: str = "daily") -> pd.DataFrame:
    days = [AS_OF - timedelta(days=ago) for ago in days_ago]
    return pd.DataFrame({"source": "google_ads", "stream": stream, "account_id": account, "date_day": days})


def test_a_missing_day_is_named_with_the_command() -> None:
    receipts = pd.concat([pulled(*range(1, 10)), pulled(*range(10), account="2")])
    (outcome,) = every_day_was_pulled(receipts, GAPS, AS_OF, 30)
    assert (outcome.passed, outcome.subject, outcome.severity) == (False, "google_ads.daily", "error")
    assert outcome.seen == "1 account-days missing, known through 2026-05-31"
    assert outcome.way_out == "Run `liftos run --date 2026-05-31`: it pulls what is missing."
    assert outcome.offenders == ({"account_id": "1", "date_day": "2026-05-31"},)


def test_days_before_the_first_pull_and_before_the_window_do_not_count() -> None:
    assert all(outcome.passed for outcome in every_day_was_pulled(pulled(*range(5)), GAPS, AS_OF, 30))
    old = pd.concat([pulled(*range(10)), pulled(40)])
    assert all(outcome.passed for outcome in every_day_was_pulled(old, GAPS, AS_OF, 10))


def test_lost_days_are_not_asked_for() -> None:
    receipts = pulled(0, 1, 2, 8, 9, stream="change_events")
    (missing,) = every_day_was_pulled(receipts, GAPS, AS_OF, 30)
    assert missing.seen.startswith("5 account-days")
    lost = {"source": "google_ads", "stream": "change_events", "account_id": "1"}
    gap = pd.DataFrame([{**lost, "first_day": AS_OF - timedelta(days=7), "last_day": AS_OF - timedelta(days=4)}])
    (rest,) = every_day_was_pulled(receipts, gap, AS_OF, 30)
    assert [row["date_day"] for row in rest.offenders] == ["2026-05-28"]
