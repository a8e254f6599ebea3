"""Rules over accounts: one currency per unit, and days and money that mean the same on all platforms."""

from __future__ import annotations

import pandas as pd
import pytest

from liftos_pipeline.checks.accounts import accounts_agree, one_currency_per_unit


def currencies(*rows: tuple[str, str, str, int, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["platform", "unit_id", "currency_code", "n_days", "first_day"])
    return frame.assign(first_day=pd.to_datetime(frame["first_day"]))


def test_units_with_two_currencies_are_listed_with_the_day_of_the_change() -> None:
    table = currencies(
        ("meta", "m1", "USD", 20, "2026-05-01"),
        ("meta", "m1", "EUR", 10, "2026-05-21"),
        ("meta", "m2", "USD", 30, "2026-05-01"),
        ("google_ads", "g1", "EUR", 30, "2026-05-01"),
    )
    good, bad = one_currency_per_unit(table)
    assert (good.subject, good.passed, good.offenders, good.way_out) == ("google_ads", True, (), "")
    assert (bad.subject, bad.passed, bad.severity) == ("meta", False, "error")
    assert bad.seen == "1 of 2 units with more than one currency"
    assert bad.offenders == (
        {"unit_id": "m1", "currencies": "USD, EUR", "changed_on": "2026-05-21", "n_days": 30},
    )
    assert "begins on 2026-05-21 or later" in bad.way_out


def test_a_platform_may_have_units_in_different_currencies() -> None:
    table = currencies(("meta", "m1", "USD", 20, "2026-05-01"), ("meta", "m2", "EUR", 20, "2026-05-01"))
    (outcome,) = one_currency_per_unit(table)
    assert outcome.passed
    assert one_currency_per_unit(table.iloc[:0]) == []


def test_at_most_five_units_are_named_those_with_most_days_first() -> None:
    rows = [
        ("meta", f"m{number}", code, number, day)
        for number in range(1, 8)
        for code, day in (("USD", "2026-05-01"), ("EUR", f"2026-05-0{number + 1}"))
    ]
    (outcome,) = one_currency_per_unit(currencies(*rows))
    assert [entry["unit_id"] for entry in outcome.offenders] == ["m7", "m6", "m5", "m4", "m3"]
    assert "begins on 2026-05-08" in outcome.way_out


@pytest.mark.parametrize(("zone", "passed"), [("Europe/Berlin", False), ("Etc/UTC", True)])
def test_platforms_in_different_time_zones_are_a_warning(zone: str, passed: bool) -> None:
    table = pd.DataFrame(
        [("meta", "1", "Etc/UTC"), ("google_ads", "2", zone), ("klaviyo", "3", "Etc/UTC")],
        columns=["platform", "account_id", "account_timezone"],
    )
    (outcome,) = accounts_agree(table, "account_timezone", "time zone")
    assert (outcome.gate, outcome.severity, outcome.passed) == ("one_time_zone", "warn", passed)
    odd = {"platform": "google_ads", "account_id": "2", "account_timezone": "Europe/Berlin"}
    assert outcome.offenders == (() if passed else (odd,))
    assert ("Europe/Berlin: google_ads" in outcome.seen) != passed
    assert ("Compare no single days" in outcome.way_out) != passed
    assert accounts_agree(table.iloc[:0], "account_timezone", "time zone") == []
