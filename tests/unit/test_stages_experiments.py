"""What a declared experiment covers, and when its declaration is not believed."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.settings import InstrumentRule, Settings
from liftos_pipeline.stages.experiments import Declared, declared_assignments, rules_of
from liftos_pipeline.stages.instruments import PANEL_COLUMNS
from liftos_pipeline.stages.treatments import identify_treatments
from tests.unit.test_stages_treatments import LOOK_BACK, NO_LOG, breaks, changes

AS_OF = date(2026, 5, 31)
NO_PANEL = pd.DataFrame(columns=list(PANEL_COLUMNS))
ARM = {
    "platform": "meta",
    "experiment_id": "s1",
    "arm_id": "1",
    "is_control": False,
    "traffic_split_pct": 40.0,
    "start_on": pd.Timestamp("2026-03-01"),
    "end_on": pd.Timestamp("2026-05-10"),
    "unit": "campaign",
    "unit_ids": ["meta:1:a"],
}


def arms(treated: dict[str, object] | None = None, **both: object) -> pd.DataFrame:
    """A treated arm with changes of its own, and a control arm with campaign b; changes of both."""
    control = {
        **ARM,
        "arm_id": "2",
        "is_control": True,
        "traffic_split_pct": 60.0,
        "unit_ids": ["meta:1:b"],
        **both,
    }
    return pd.DataFrame([{**ARM, **both, **(treated or {})}, control])


def starts(*rows: tuple[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["unit", "day"])
    return frame.assign(unit="meta:1:" + frame["unit"], day=pd.to_datetime(frame["day"]), kind="budget_change")


def covered(experiments: pd.DataFrame, *rows: tuple[str, str]) -> list[str]:
    """Units and days that the experiments cover."""
    logged = starts(*rows)
    found = declared_assignments(logged, Declared(experiments, NO_PANEL), AS_OF)
    assert {assignment.method for assignment in found.values()} <= {"randomized"}
    return [f"{rows[place][0]} {rows[place][1][5:]}" for place in sorted(found)]


def test_covered_is_the_treated_arm_from_the_first_day_to_the_last() -> None:
    days = ["2026-02-28", "2026-03-01", "2026-05-10", "2026-05-11"]
    rows = [(unit, day) for unit in "abc" for day in days]
    assert covered(arms(), *rows) == ["a 03-01", "a 05-10"]
    assert covered(arms(end_on=pd.NaT), *rows) == ["a 03-01", "a 05-10", "a 05-11"]


@pytest.mark.parametrize(
    "declared",
    [
        arms(unit="person"),
        arms(unit="geo"),
        arms(start_on=pd.NaT),
        arms(is_control=True),
        arms({"is_control": True}),
        arms().iloc[:1],
        arms().iloc[:0],
    ],
    ids=["people", "regions", "no start", "no treated arm", "two control arms", "no control arm", "nothing"],
)
def test_what_says_nothing_of_campaigns_covers_none(declared: pd.DataFrame) -> None:
    assert covered(declared, ("a", "2026-04-01"), ("b", "2026-04-01")) == []


@pytest.mark.parametrize(("share", "probability"), [(40.0, 0.4), (100.0, None), (0.0, None)])
def test_the_probability_is_the_treated_share_unless_nothing_is_left_to_chance(
    share: float, probability: float | None
) -> None:
    declared = Declared(arms({"traffic_split_pct": share}), NO_PANEL)
    (found,) = declared_assignments(starts(("a", "2026-04-01")), declared, AS_OF).values()
    assert (found.probability, found.control_group) == (probability, "s1: control arm")
    assert found.test == "declared experiment s1; too few starts to test it by"


def test_a_declaration_outranks_a_common_date_and_reaches_logged_changes_only() -> None:
    same_day = [(unit, "budget", "2026-04-10", 0.3) for unit in "acde"]
    elsewhere = [("z", "budget", "2026-03-01", 0.3)]
    logged = changes(*same_day, *elsewhere)
    logged.loc[logged["unit_id"] == "meta:1:z", "unit_id"] = "meta:2:z"
    found = breaks(("a", date(2026, 5, 1), 0.4))
    rows = identify_treatments(logged, found, NO_LOG, AS_OF, LOOK_BACK, Declared(arms(), NO_PANEL))
    methods = {
        (row.unit_id.rsplit(":", 1)[1], row.started_on.isoformat()[5:]): row.assignment_method
        for row in rows.itertuples()
    }
    assert methods == {
        ("a", "04-10"): "randomized",
        ("a", "05-01"): "observational",
        **{(unit, "04-10"): "quasi_experimental" for unit in "cde"},
        ("z", "03-01"): "observational",
    }


def campaigns(n: int, by_spend: bool, kind: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Experiment, starts and panel of n campaigns that start one after another: the big ones first, or by lot."""
    rng = np.random.default_rng(11)
    units = [f"meta:1:u{number:03d}" for number in range(n)]
    level = rng.normal(size=n)
    order = np.argsort(-level) if by_spend else rng.permutation(n)
    day = pd.Timestamp("2026-03-15") + pd.to_timedelta(np.argsort(order) // 2, unit="D")
    begun = pd.DataFrame({"unit": units, "kind": kind, "day": day})
    days = pd.date_range("2026-02-01", AS_OF)
    panel = pd.DataFrame(
        {
            "platform": "meta",
            "unit_type": "campaign",
            "unit_id": np.repeat(units, len(days)),
            "date_day": np.tile(days, n),
            "spend": np.exp(3 + np.repeat(level, len(days)) + 0.1 * rng.normal(size=n * len(days))),
            "conversions_reported": rng.poisson(5.0, n * len(days)).astype(float),
            "quality_ranking_level": np.nan,
        }
    )
    return arms({"unit_ids": units}, end_on=pd.NaT), begun, panel


@pytest.mark.parametrize(("by_spend", "method"), [(True, "observational"), (False, "randomized")])
def test_an_experiment_whose_big_campaigns_start_first_was_not_drawn(by_spend: bool, method: str) -> None:
    declared, begun, panel = campaigns(60, by_spend, "budget_change")
    found = declared_assignments(begun, Declared(declared, panel), AS_OF)
    assert len(found) == 60
    assert {assignment.method for assignment in found.values()} == {method}
    assert {"joint test of 2 covariates" in assignment.test for assignment in found.values()} == {True}
    assert {"60 adopters" in assignment.test for assignment in found.values()} == {True}


def test_the_arms_of_a_lot_that_was_not_followed_are_an_instrument() -> None:
    """The big campaigns of the treated arm start first, but who is in it was drawn."""
    declared, begun, panel = campaigns(60, True, "budget_change")
    control = [f"meta:1:c{number:02d}" for number in range(30)]
    declared = pd.DataFrame([declared.iloc[0].to_dict(), {**declared.iloc[1].to_dict(), "unit_ids": control}])
    found = declared_assignments(begun, Declared(declared, panel), AS_OF)
    assert {(one.method, one.control_group) for one in found.values()} == {("quasi_experimental", "not assigned")}
    rules = rules_of(Settings(), declared, AS_OF)
    assert {rule.treatment_type for rule in rules} == {"budget_change", "targeting_change", "creative_change"}
    (budget,) = (rule for rule in rules if rule.treatment_type == "budget_change")
    assert isinstance(budget, InstrumentRule) and budget.on == date(2026, 3, 1)
    assert budget.values == dict.fromkeys(control, 0.0) | dict.fromkeys(begun["unit"], 1.0)
    assert rules_of(Settings(), arms(), AS_OF) == ()


def test_what_a_start_does_to_spend_is_not_held_against_the_lot() -> None:
    declared, begun, panel = campaigns(60, False, "budget_change")
    since = panel["date_day"] >= panel["unit_id"].map(begun.set_index("unit")["day"])
    raised = panel.assign(spend=panel["spend"] * np.where(since, 20.0, 1.0))
    found = declared_assignments(begun, Declared(declared, raised), AS_OF)
    assert {assignment.method for assignment in found.values()} == {"randomized"}
    assert {"60 adopters" in assignment.test for assignment in found.values()} == {True}


def test_days_before_the_panel_can_tell_are_not_tested() -> None:
    """Starts within 28 days of the panel's first day have no covariates before them."""
    declared, begun, panel = campaigns(60, True, "budget_change")
    short = panel[panel["date_day"] >= "2026-04-05"]
    found = declared_assignments(begun, Declared(declared, short), AS_OF)
    assert {assignment.method for assignment in found.values()} == {"randomized"}
    assert {"too few starts" in assignment.test for assignment in found.values()} == {True}
