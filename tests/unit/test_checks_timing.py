"""Figures that hold something of the days after the start are named; those of the days before pass."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.checks.timing import consistent_share, figures_precede_the_start
from liftos_pipeline.stages.gates import SOURCES
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.roles import MACRO
from tests.check_tables import days_of

FIRST, N_DAYS = date(2026, 1, 1), 110
AS_OF = FIRST + timedelta(days=N_DAYS - 1)


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Eight campaigns of noisy days; one lacks a day."""
    table = days_of("meta", "1", 8, N_DAYS, FIRST).assign(vintage="captured", **dict.fromkeys(MACRO.values(), 1.0))
    rng = np.random.default_rng(1)
    noisy = ("spend", "clicks", "impressions", "conversions_reported", "revenue_reported", "frequency")
    table = table.assign(**{name: table[name] * rng.uniform(0.5, 1.5, len(table)) for name in noisy})
    lacks = (table["unit_id"] == "meta:1:7") & (table["date_day"] == pd.Timestamp(2026, 2, 1))
    return table.assign(spend=table["spend"].where(~lacks))


@pytest.fixture(scope="module")
def treatments() -> pd.DataFrame:
    """Two budget changes, an earlier creative change of one of them and a later one of a control."""
    starts = [("0", "budget_change", 40), ("1", "budget_change", 43), ("0", "creative_change", 20)]
    starts += [("2", "creative_change", 35), ("2", "creative_change", 33)]
    return pd.DataFrame(
        {
            "platform": "meta",
            "unit_id": [f"meta:1:{unit}" for unit, *_ in starts],
            "treatment_type": [kind for _, kind, _ in starts],
            "started_on": [pd.Timestamp(FIRST) + pd.Timedelta(days=day) for *_, day in starts],
            "standing": "current",
            "evidence": "logged",
        }
    )


@pytest.fixture(scope="module")
def rows(panel: pd.DataFrame, treatments: pd.DataFrame) -> pd.DataFrame:
    return causal_rows(panel, treatments)


def test_figures_of_the_days_before_pass(
    rows: pd.DataFrame, panel: pd.DataFrame, treatments: pd.DataFrame
) -> None:
    (outcome,) = figures_precede_the_start(rows, panel, treatments, SOURCES, AS_OF)
    assert (outcome.gate, outcome.subject, outcome.passed) == ("temporal_consistency", "meta", True)
    assert outcome.seen == f"0 of {12 * len(rows)} figures are not those of the days before the start"
    assert (rows["is_treated"].sum(), rows["other_active"].max()) == (3, 2)
    assert consistent_share(outcome) == 1.0


LEAKING = (
    *("log_spend_before", "spend_momentum", "count_momentum", "click_rate_before", "quality_before"),
    *("frequency_before", "count_before", "value_before", "days_since_other", "other_active"),
)


@pytest.mark.parametrize("figure", LEAKING)
def test_a_covariate_with_something_of_the_outcome_is_named(
    figure: str, rows: pd.DataFrame, panel: pd.DataFrame, treatments: pd.DataFrame
) -> None:
    treated = rows["is_treated"] == 1
    change = (rows["count_after"] - rows["count_before"]).where(treated, 0.0)
    leaking = rows.assign(**{figure: rows[figure] + 0.01 * change})
    (outcome,) = figures_precede_the_start(leaking, panel, treatments, SOURCES, AS_OF)
    assert (outcome.passed, outcome.severity) == (False, "error")
    worst = outcome.offenders[0]
    assert (worst["figure"], worst["n_rows"]) == (figure, int(treated.sum()))
    assert worst["unit_id"] in set(rows.loc[treated, "unit_id"])
    assert figure in outcome.seen
    assert consistent_share(outcome) == pytest.approx(1.0 - treated.sum() / (12 * len(rows)))


def test_a_covariate_of_a_window_that_slid_past_the_start_is_named(
    panel: pd.DataFrame, treatments: pd.DataFrame
) -> None:
    earlier = panel.assign(date_day=panel["date_day"] - pd.Timedelta(days=7))
    slid = causal_rows(earlier, treatments)
    (outcome,) = figures_precede_the_start(slid, panel, treatments, SOURCES, AS_OF)
    assert {entry["figure"] for entry in outcome.offenders} <= {*LEAKING, "count_after", "value_after"}
    assert not outcome.passed


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"started_on": pd.Timedelta(days=9)}, "started_on"),
        ({"started_on": -pd.Timedelta(days=9)}, "started_on"),
    ],
)
def test_a_start_outside_its_window_is_named(
    change: dict, figure: str, rows: pd.DataFrame, panel: pd.DataFrame, treatments: pd.DataFrame
) -> None:
    moved = rows.assign(**{name: rows[name] + by for name, by in change.items()})
    (outcome,) = figures_precede_the_start(moved, panel, treatments, SOURCES, AS_OF)
    assert figure in {entry["figure"] for entry in outcome.offenders}
    assert not outcome.passed


def test_outcome_days_that_have_not_matured_are_named(
    rows: pd.DataFrame, panel: pd.DataFrame, treatments: pd.DataFrame
) -> None:
    last = pd.Timestamp(rows["started_on"].max()) + pd.Timedelta(days=27 + 14)
    (good,) = figures_precede_the_start(rows, panel, treatments, SOURCES, last.date())
    (bad,) = figures_precede_the_start(rows, panel, treatments, SOURCES, last.date() - timedelta(days=1))
    assert good.passed
    assert [entry["figure"] for entry in bad.offenders] == ["outcome days"]
