"""Experiments of regions: which arm was changed, whole weeks, and a reason wherever there is no effect."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.stages.designs import DESIGNS, PanelEffect
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.geos import PANEL_COLUMNS, geo_effects

FIRST = date(2026, 1, 1)
N_DAYS, START = 143, 84
N, LIFT = 24, 0.25
REGIONS = [f"meta:1:Region {number:02d}" for number in range(N)]
TREATED = REGIONS[::2]


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp(FIRST + timedelta(days=number))


def panel(
    seed: int = 5, lift: float = LIFT, dose: float = 1.5, changed: tuple[str, ...] = tuple(TREATED)
) -> pd.DataFrame:
    """Regions with a common season; orders and spend of the changed ones are multiplied from the start on."""
    rng = np.random.default_rng(seed)
    size = np.exp(0.4 * rng.normal(size=N))
    season = np.exp(0.1 * np.sin(np.arange(N_DAYS) / 9.0))
    since = np.isin(REGIONS, changed)[:, None] & (np.arange(N_DAYS) >= START)
    orders = rng.poisson(60.0 * size[:, None] * season * np.where(since, 1.0 + lift, 1.0)).astype(float)
    spend = 100.0 * size[:, None] * np.where(since, dose, 1.0) * np.exp(0.05 * rng.normal(size=(N, N_DAYS)))
    table = pd.DataFrame(
        {
            "platform": "meta",
            "unit_type": "geo",
            "unit_id": np.repeat(REGIONS, N_DAYS),
            "date_day": np.tile([day(n) for n in range(N_DAYS)], N),
            "orders": orders.ravel(),
            "order_revenue": 50.0 * orders.ravel(),
            "spend": spend.ravel(),
        }
    )
    return table[list(PANEL_COLUMNS)]


def arms(first: int = START, last: int | None = None, name: str = "9", **more: object) -> pd.DataFrame:
    told = {
        "platform": "meta",
        "experiment_id": name,
        "unit": "geo",
        "start_on": day(first),
        "end_on": pd.NaT if last is None else day(last),
    }
    control = [unit for unit in REGIONS if unit not in TREATED]
    return pd.DataFrame(
        [
            {**told, "is_control": False, "unit_ids": TREATED, **more},
            {**told, "is_control": True, "unit_ids": control, **more},
        ]
    )


def effects(data: pd.DataFrame, experiments: pd.DataFrame) -> dict[str, PanelEffect]:
    return {one.outcome: one for one in geo_effects(data, experiments, 0.95, 0)}


def number(found: PanelEffect) -> EffectEstimate:
    assert isinstance(found.found, EffectEstimate), found.found
    return found.found


def test_a_lift_is_told_per_region_and_day_with_what_was_spent_more() -> None:
    data = panel()
    found = effects(data, arms())
    assert {name: one.method for name, one in found.items()} == {
        "count": "geo_did",
        "value": "geo_did",
        "volume": "did",
    }
    assert {(one.platform, one.treatment_type, one.design) for one in found.values()} == {
        ("meta", "budget_change", "geo_experiment")
    }
    count, value, spend = (number(found[name]) for name in ("count", "value", "volume"))
    after = data[data["unit_id"].isin(TREATED) & (data["date_day"] >= day(START))]
    added = float(after["orders"].mean()) * LIFT / (1 + LIFT)
    assert abs(count.estimate - added) < 3 * count.std_error < 3.0 and count.ci_low < added < count.ci_high
    assert value.estimate == pytest.approx(50 * count.estimate, rel=1e-9)
    assert abs(spend.estimate - float(after["spend"].mean()) / 3) < 3 * spend.std_error
    assert count.diagnostics["treated_unit_days"] == 12 * 56
    assert count.diagnostics["changed_arm"] == "treated" and count.n_treated == 12


def test_advertising_that_is_switched_off_in_the_holdout_is_worth_what_is_lost_there() -> None:
    holdout = tuple(unit for unit in REGIONS if unit not in TREATED)
    data = panel(lift=-0.2, dose=0.0, changed=holdout)
    found = effects(data, arms())
    count, spend = number(found["count"]), number(found["volume"])
    after = data[data["unit_id"].isin(holdout) & (data["date_day"] >= day(START))]
    lost = float(after["orders"].mean()) * 0.2 / 0.8
    assert count.ci_low < lost < count.ci_high and count.ci_low > 0
    assert count.diagnostics["changed_arm"] == "control"
    before = data[data["unit_id"].isin(holdout) & (data["date_day"] < day(START))]
    assert spend.estimate == pytest.approx(float(before["spend"].mean()), rel=0.02)


def test_days_after_the_end_and_days_that_are_not_final_are_left_out() -> None:
    data = panel()
    wild = data["date_day"] >= day(START + 42)
    odd = data.assign(orders=data["orders"].mask(wild & data["unit_id"].isin(TREATED), 1000.0))
    ended = effects(odd, arms(last=START + 41))
    same = effects(data[data["date_day"] < day(START + 42 + 3)], arms(last=START + 41))
    assert number(ended["count"]).estimate == number(same["count"]).estimate
    assert number(ended["count"]).diagnostics["treated_unit_days"] == 12 * 42
    young = effects(data[data["date_day"] < day(START + 14 + 3)], arms())
    assert number(young["count"]).diagnostics["treated_unit_days"] == 12 * 14


def test_a_week_with_an_unknown_day_is_no_week() -> None:
    data = panel()
    data.loc[(data["unit_id"] == REGIONS[0]) & (data["date_day"] == day(START + 8)), "orders"] = np.nan
    found = effects(data, arms())
    assert number(found["count"]).diagnostics["treated_unit_days"] == 12 * 49
    assert number(found["volume"]).diagnostics["treated_unit_days"] == 12 * 56


@pytest.mark.parametrize(
    ("experiments", "n_days", "reason"),
    [
        (arms(first=135), N_DAYS, "found 19 and 0"),
        (arms(), START + 10, "found 12 and 1"),
        (arms(first=10), N_DAYS, "found 1 and 18"),
        (arms(unit_ids=["meta:1:Atlantis"]), N_DAYS, "found 0 treated, 0 control"),
    ],
    ids=["has not begun", "too young", "too little before", "unknown regions"],
)
def test_what_cannot_be_told_has_a_reason(experiments: pd.DataFrame, n_days: int, reason: str) -> None:
    found = effects(panel().loc[lambda rows: rows["date_day"] < day(n_days)], experiments)
    assert len(found) == 3
    for one in found.values():
        assert isinstance(one.found, str) and reason in one.found and "experiment 9" in one.found


def test_the_newest_experiment_that_can_be_analysed_is_told_and_others_are_none_of_regions() -> None:
    both = pd.concat([arms(), arms(first=28, last=60, name="8"), arms(first=138, name="10")], ignore_index=True)
    assert {number(one).diagnostics["experiment_id"] for one in effects(panel(), both).values()} == {"9"}
    for nothing in (arms(unit="campaign"), arms(is_control=True), arms(start_on=pd.NaT), arms().iloc[:0]):
        assert effects(panel(), nothing) == {}


def test_the_table_has_orders_and_spend_of_regions_as_what_decisions_rest_on() -> None:
    nothing = pd.DataFrame()
    treatments = pd.DataFrame(
        columns=["platform", "unit_id", "treatment_type", "started_on", "evidence", "standing"]
    )
    found = estimate_effects(
        *(nothing, nothing, treatments, nothing, panel()),
        level=0.95,
        seed=0,
        min_effective_controls=20.0,
        experiments=arms(),
    )
    assert list(found["outcome"]) == ["orders", "order_revenue", "spend"]
    assert list(found["label"]) == ["effect_on_orders", "effect_on_orders", "secondary"]
    assert set(found["role"]) == {"primary"} and DESIGNS[found["design"].iloc[0]].tier == "T1"
