"""Declared cutoffs and instruments: whom a rule covers, and that following it is told from being chosen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.treatments.assignment import BELOW_CUTOFF, NOT_ASSIGNED
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import CutoffRule, InstrumentRule
from liftos_pipeline.stages import instruments
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.instruments import (
    PANEL_COLUMNS,
    Rules,
    declared_instruments,
    instrumented_effects,
    instrumented_placebos,
)

FIRST = date(2026, 1, 1)
N_DAYS, ON, EFFECT = 140, 90, 3.0
UNITS = np.array([f"google_ads:1:{number:03d}" for number in range(240)])
KIND = "budget_change"
CUTOFF = CutoffRule(
    platform="google_ads",
    treatment_type=KIND,
    on=FIRST + timedelta(days=ON),
    column="quality_score",
    cutoff=8.0,
    window=3.0,
)
LOT = InstrumentRule(
    platform="google_ads",
    treatment_type=KIND,
    on=FIRST + timedelta(days=ON),
    values={str(unit): float(number % 2) for number, unit in enumerate(UNITS)},
)


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp(FIRST) + pd.Timedelta(days=number)


def world(by: str, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Panel and treatments: whoever has good luck starts, and whom the rule asks to; luck sells by itself."""
    rng = np.random.default_rng(seed)
    quality = np.clip(np.round(6 + 1.6 * rng.normal(size=len(UNITS))), 1, 10)
    luck = rng.random(len(UNITS))
    asked = quality >= 8 if by == "cutoff" else np.arange(len(UNITS)) % 2 == 1
    starts = luck > np.where(asked, 0.2, 0.8)
    since = starts[:, None] & (np.arange(N_DAYS) >= ON)
    trend = np.where(np.arange(N_DAYS) >= ON, 2.0 * luck[:, None] + 0.5 * quality[:, None], 0.0)
    counts = 20 + 2 * quality[:, None] + trend + EFFECT * since + rng.normal(size=(len(UNITS), N_DAYS))
    panel = pd.DataFrame(
        {
            "platform": "google_ads",
            "unit_type": "campaign",
            "unit_id": np.repeat(UNITS, N_DAYS),
            "date_day": np.tile([day(n) for n in range(N_DAYS)], len(UNITS)),
            "conversions_reported": counts.ravel(),
            "revenue_reported": 10 * counts.ravel(),
            "spend": (50 + 5.0 * since).ravel(),
            "clicks": 100.0,
            "impressions": 1000.0,
            "quality_score": np.repeat(quality, N_DAYS),
        }
    ).reindex(columns=list(PANEL_COLUMNS))
    table = pd.DataFrame({"unit_id": UNITS[starts], "started_on": day(ON)})
    told = {"platform": "google_ads", "treatment_type": KIND, "evidence": "logged", "standing": "current"}
    group = BELOW_CUTOFF if by == "cutoff" else NOT_ASSIGNED
    return panel, table.assign(assignment_method="quasi_experimental", control_group_id=group, **told)


def logged(treatments: pd.DataFrame) -> pd.DataFrame:
    names = {"unit_id": "unit", "started_on": "day", "treatment_type": "kind"}
    return treatments.rename(columns=names)[["unit", "kind", "day"]].reset_index(drop=True)


@pytest.mark.parametrize(("by", "rule"), [("cutoff", CUTOFF), ("lot", LOT)])
def test_the_effect_is_found_where_those_who_follow_chose_to(by: str, rule: CutoffRule | InstrumentRule) -> None:
    """The bare difference holds the luck by which units followed; the instrument does not."""
    panel, treatments = world(by)
    found = {one.outcome: one for one in instrumented_effects(panel, treatments, [rule], 0.95, 0)}
    assert set(found) == {"count", "value", "volume"}
    count, spend = found["count"].found, found["volume"].found
    assert not isinstance(count, str) and not isinstance(spend, str)
    assert (found["count"].design, count.method, count.n_units) == (
        {"lot": "instrument"}.get(by, by),
        "iv",
        count.n_rows,
    )
    assert abs(count.estimate - EFFECT) < 3 * count.std_error < 1.0
    assert spend.estimate == pytest.approx(5.0, abs=1e-6)
    naive = panel[panel["date_day"] >= day(ON)].groupby("unit_id")["conversions_reported"].mean()
    is_treated = naive.index.isin(treatments["unit_id"])
    assert naive[is_treated].mean() - naive[~is_treated].mean() > EFFECT + 0.8


def test_starting_late_is_a_smaller_dose() -> None:
    """Half of the followers start 14 days late: the effect per treated unit-day is the same."""
    panel, treatments = world("lot")
    late = set(treatments["unit_id"].iloc[::2])
    undone = panel["unit_id"].isin(late) & panel["date_day"].between(day(ON), day(ON + 13))
    panel = panel.assign(conversions_reported=panel["conversions_reported"] - EFFECT * undone)
    treatments.loc[treatments["unit_id"].isin(late), "started_on"] = day(ON + 14)
    (count, *_) = instrumented_effects(panel, treatments, [LOT], 0.95, 0)
    assert not isinstance(count.found, str)
    assert abs(count.found.estimate - EFFECT) < 3 * count.found.std_error < 1.0


def test_a_placebo_sees_a_path_that_parted_before_anybody_was_asked() -> None:
    def p_value(panel: pd.DataFrame) -> float:
        ((found, n_treated),) = instrumented_placebos(panel, treatments, [LOT], 42, 0.95, 0)
        assert n_treated == treatments["unit_id"].nunique() and not isinstance(found.found, str)
        return found.found.p_value

    panel, treatments = world("lot")
    assert p_value(panel) > 0.01
    asked = panel["unit_id"].map(LOT.values) * (panel["date_day"] >= day(ON - 42))
    assert p_value(panel.assign(conversions_reported=panel["conversions_reported"] + asked)) < 1e-6


def test_a_placebo_of_a_weak_instrument_says_so() -> None:
    panel, treatments = world("lot")
    alone = InstrumentRule(
        **{**LOT.model_dump(), "values": {str(unit): float(n % 3 == 0) for n, unit in enumerate(UNITS)}}
    )
    ((found, _),) = instrumented_placebos(panel, treatments, [alone], 42, 0.95, 0)
    assert isinstance(found.found, str) and "the instrument is weak in 240 rows" in found.found


def covered(rules: Rules, panel: pd.DataFrame, starts: pd.DataFrame) -> dict[str, str]:
    found = declared_instruments(starts, rules, panel)
    return {str(starts["unit"].iloc[place]): str(one.control_group) for place, one in found.items()}


def test_a_rule_covers_its_units_its_type_and_the_28_days_from_its_day_on() -> None:
    panel, treatments = world("cutoff")
    starts = logged(treatments)
    near = panel.groupby("unit_id")["quality_score"].first().sub(8).abs().le(3)
    inside = {unit: BELOW_CUTOFF for unit in starts["unit"] if near[unit]}
    assert covered([CUTOFF], panel, starts) == inside
    assert covered([CUTOFF], panel, starts.assign(kind="creative_change")) == {}
    early = starts.assign(day=[day(ON - 1), *starts["day"].iloc[1:]])
    assert set(inside) - set(covered([CUTOFF], panel, early)) == {starts["unit"].iloc[0]} & set(inside)
    late = starts.assign(day=[day(ON + 27), day(ON + 28), *starts["day"].iloc[2:]])
    assert set(inside) - set(covered([CUTOFF], panel, late)) == {starts["unit"].iloc[1]} & set(inside)
    elsewhere = CUTOFF.model_copy(update={"accounts": ("2",)})
    assert covered([elsewhere], panel, starts) == {}
    few = tuple(str(unit) for unit in UNITS[:200])
    named = covered([CUTOFF.model_copy(update={"units": few})], panel, starts)
    assert named == {unit: group for unit, group in inside.items() if unit in few}
    assert set(covered([LOT], panel, starts).values()) == {NOT_ASSIGNED}


def test_where_adoption_does_not_jump_a_cutoff_is_no_design() -> None:
    panel, treatments = world("lot")
    found = declared_instruments(logged(treatments), [CUTOFF], panel)
    assert {one.method for one in found.values()} == {"observational"}
    assert all("not a design" in one.test for one in found.values())


def reasons(
    rules: Sequence[CutoffRule | InstrumentRule], panel: pd.DataFrame, treatments: pd.DataFrame
) -> set[str]:
    found = list(instrumented_effects(panel, treatments, rules, 0.95, 0))
    assert len(found) == 3
    return {one.found if isinstance(one.found, str) else "an estimate" for one in found}


def test_what_cannot_be_estimated_says_why() -> None:
    panel, treatments = world("lot")
    young = panel[panel["date_day"] < day(ON + 41)]
    for rules, data in (([LOT], young), ([], panel), ([LOT], panel[panel["date_day"] >= day(ON - 27)])):
        (reason,) = reasons(rules, data, treatments)
        assert "expected 20 units on each side of the assignment" in reason and "found 0 and 0 units" in reason
    assert reasons([LOT], panel[panel["date_day"] < day(ON + 42)], treatments) == {"an estimate"}
    wrong = CUTOFF.model_copy(update={"column": "frequency"})
    with pytest.raises(LiftosError, match="a column of google_ads in LIFTOS_CUTOFFS: conversions_reported"):
        declared_instruments(logged(treatments), [wrong], panel)


def test_the_table_of_effects_has_instrumented_ones_and_their_role() -> None:
    panel, treatments = world("cutoff")
    nothing = pd.DataFrame()
    effects = estimate_effects(
        *(nothing, nothing, treatments, nothing, panel),
        level=0.95,
        seed=0,
        min_effective_controls=20.0,
        rules=[CUTOFF],
    )
    assert set(zip(effects["design"], effects["method"], effects["role"], strict=True)) == {
        ("cutoff", "iv", "primary")
    }
    assert list(effects["outcome"]) == ["conversions_reported", "revenue_reported", "spend"]
    assert set(effects["estimand"]) == {"late at distance = 0"}


def test_who_had_changed_before_is_not_at_risk_and_the_newest_score_counts() -> None:
    panel, treatments = world("cutoff")
    starts = logged(treatments)
    first = starts["unit"].iloc[0]
    before = pd.DataFrame({"unit": [first], "kind": [KIND], "day": [day(ON - 40)]})
    assert first not in covered([CUTOFF], panel, pd.concat([starts, before], ignore_index=True))
    was_low = panel["date_day"] < day(ON - 5)
    unknown = panel["date_day"].between(day(ON - 3), day(ON - 1))
    moved = panel["quality_score"].mask(unknown).mask(was_low, 1.0)
    assert covered([CUTOFF], panel.assign(quality_score=moved), starts) == covered([CUTOFF], panel, starts)


def with_creatives(treatments: pd.DataFrame, units: np.ndarray, start: int) -> pd.DataFrame:
    """Creative changes of the units beside the budget changes, as they came."""
    beside = pd.DataFrame({"unit_id": units, "started_on": day(start)})
    told = {
        "platform": "google_ads",
        "treatment_type": "creative_change",
        "evidence": "logged",
        "standing": "current",
    }
    return pd.concat([treatments, beside.assign(assignment_method="observational", control_group_id=None, **told)])


@pytest.mark.parametrize("start", [ON, ON + 10, ON - 20])
def test_changes_that_the_same_rule_brings_cannot_be_told_apart(start: int) -> None:
    """Half of the other change's days lie in the window, or half of those before it: either way the sides differ in it."""
    panel, treatments = world("lot")
    bundled = with_creatives(treatments, UNITS[1::2], start)
    (reason,) = reasons([LOT], panel, bundled)
    assert "expected a rule whose units got no other change in the same days; found 1 rules" in reason
    assert reasons([LOT], panel, with_creatives(treatments, UNITS[1::2], ON - 60)) == {"an estimate"}
    assert reasons([LOT], panel, with_creatives(treatments, UNITS[::3], start)) == {"an estimate"}


def test_a_rule_with_few_units_on_a_side_has_no_standard_error_to_rely_on() -> None:
    panel, treatments = world("lot")
    for n_asked, told in ((19, "found 19 and 221 units"), (20, "an estimate")):
        asked = {str(unit): float(place < 2 * n_asked and place % 2 == 1) for place, unit in enumerate(UNITS)}
        (reason,) = reasons([LOT.model_copy(update={"values": asked})], panel, treatments)
        assert told in reason


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rule_that_other_changes_follow_in_either_direction_is_left_out_and_one_beside_it_kept(
    sign: float,
) -> None:
    z = np.tile([0.0, 1.0], 40)
    rows = pd.DataFrame({"on": ["one"] * 80, "assigned": z, "other": 0.5 + 0.4 * sign * z})
    other = rows.assign(on="other", other=0.0)
    kept, n_left_out = instruments._without_bundles(pd.concat([rows, other], ignore_index=True))
    assert n_left_out == 1 and set(kept["on"]) == {"other"}


def test_a_rule_is_kept_where_other_changes_differ_by_luck() -> None:
    """Six units, one of which got another change: the sides differ by a third, with an error of as much."""
    z = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    rows = pd.DataFrame({"on": "one", "assigned": z, "other": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]})
    kept, n_left_out = instruments._without_bundles(rows)
    assert n_left_out == 0 and len(kept) == 6
