"""Designs, and the panel by weeks: who counts when, on panels small enough to work out by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.results import EffectEstimate, covariance_of
from liftos_pipeline.causal.treatments.assignment import BELOW_CUTOFF, NOT_ASSIGNED
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.designs import DESIGNS, INSTRUMENTED, treatments_of_designs
from liftos_pipeline.stages.grid import to_grid
from liftos_pipeline.stages.paths import effect_paths
from liftos_pipeline.stages.weekly import PANEL_COLUMNS, by_week, weekly_effects, whole_weeks

MONDAY = date(2026, 1, 5)
N_WEEKS = 16
FINAL_DAYS = 28
KIND = "creative_change"


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp(MONDAY + timedelta(days=number))


def panel(units: dict[str, np.ndarray]) -> pd.DataFrame:
    """Meta campaigns with one conversion count per day; value is ten times as much."""
    parts = []
    for unit, counts in units.items():
        frame = pd.DataFrame({"conversions_reported": counts, "date_day": [day(n) for n in range(len(counts))]})
        parts.append(frame.assign(platform="meta", unit_type="campaign", unit_id=unit, spend=5.0))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(revenue_reported=10 * found["conversions_reported"]).reindex(columns=list(PANEL_COLUMNS))


def treatments(
    *started: tuple[str, int], kind: str = KIND, method: str = "observational", **more: str
) -> pd.DataFrame:
    frame = pd.DataFrame(started, columns=["unit_id", "started_on"])
    told = {"platform": "meta", "treatment_type": kind, "evidence": "logged", "standing": "current", **more}
    return frame.assign(started_on=frame["started_on"].map(day), assignment_method=method, **told)


def weeks_of(
    units: dict[str, np.ndarray], starts: pd.DataFrame, others: pd.DataFrame | None = None
) -> pd.DataFrame:
    designed = treatments_of_designs(starts)
    grid = to_grid(panel(units), "meta", ("conversions_reported",))
    none = designed.iloc[:0] if others is None else others
    return by_week(grid, designed, none, designed["design"].iloc[0], "conversions_reported")


FLAT = np.full(7 * N_WEEKS + FINAL_DAYS, 4.0)


def test_the_way_of_assignment_chooses_the_design_and_a_units_first_treatment_decides() -> None:
    found = treatments_of_designs(
        pd.concat(
            [
                treatments(("a", 30), ("b", 30), method="randomized"),
                treatments(("c", 30), ("d", 31), method="quasi_experimental"),
                treatments(("e", 30), ("f", 31), ("a", 60)),
                treatments(("g", 30), kind="budget_change"),
                treatments(("i", 30), ("j", 31), method="quasi_experimental", control_group_id=BELOW_CUTOFF),
                treatments(("k", 30), method="quasi_experimental", control_group_id=NOT_ASSIGNED),
                treatments(("h", 30), kind="targeting_change", standing="withdrawn"),
            ]
        )
    )
    assert found.groupby("unit_id")["design"].agg(set).map("".join).to_dict() == {
        **dict.fromkeys("ab", "experiment"),
        **dict.fromkeys("cd", "staggered"),
        **dict.fromkeys("ef", "landmarked"),
        "g": "single_unit",
        **dict.fromkeys("ij", "cutoff"),
        "k": "instrument",
    }
    assert treatments_of_designs(treatments()).empty
    read_the_panel = dict.fromkeys(INSTRUMENTED, "iv") | {"geo_experiment": "geo_did"}
    for name, design in DESIGNS.items():
        assert design.primary in (*design.landmarked, *design.weekly, read_the_panel.get(name))


def test_breaks_beside_a_log_are_no_treatments_and_without_one_they_are() -> None:
    logged, seen = treatments(("a", 30), ("b", 40)), treatments(("c", 50), ("d", 50), evidence="detected")
    assert set(treatments_of_designs(pd.concat([logged, seen]))["unit_id"]) == {"a", "b"}
    assert set(treatments_of_designs(seen)["unit_id"]) == {"c", "d"}


def test_weeks_begin_on_monday_and_end_where_days_are_pulled_again() -> None:
    late = panel({"a": FLAT})
    for cut in range(7):
        grid = to_grid(late[late["date_day"] >= day(cut)], "meta", ("conversions_reported",))
        first, n = whole_weeks(grid)
        assert pd.Timestamp(grid.days[first]).weekday() == 0
        assert n == N_WEEKS - (cut > 0)


def test_a_unit_is_treated_from_the_first_whole_week_for_four_of_them() -> None:
    table = weeks_of({"a": FLAT, "b": FLAT, "n": FLAT}, treatments(("a", 7 * 6 + 2), ("b", 7 * 8)))
    treated = table[table["treated"] == 1].groupby("unit")["week"].agg(list).to_dict()
    assert treated == {"a": [7, 8, 9, 10], "b": [8, 9, 10, 11]}
    assert table[table["unit"] == "a"]["week"].max() == 10
    assert table[table["unit"] == "n"]["week"].tolist() == list(range(N_WEEKS))
    assert set(table["base"]) == {4.0}


def test_another_change_begins_a_new_spell_and_its_week_is_left_out() -> None:
    starts = treatments(("a", 7 * 8), ("b", 7 * 9))
    others = treatments(("a", 7 * 6 + 3), ("n", 7 * 10), kind="budget_change")
    table = weeks_of({"a": FLAT, "b": FLAT, "n": FLAT}, starts, others)
    spells = table.groupby("spell")["week"].agg(["min", "max"]).to_dict("index")
    assert spells["a 0"] == {"min": 0, "max": 5} and spells["a 1"] == {"min": 7, "max": 11}
    assert spells["n 0"] == {"min": 0, "max": 9} and spells["n 1"] == {"min": 11, "max": N_WEEKS - 1}
    assert set(table["spell"]) == {"a 0", "a 1", "b 0", "n 0", "n 1"}


def test_a_unit_of_unknown_level_or_early_start_is_left_out() -> None:
    holes = FLAT.copy()
    holes[3] = np.nan
    units = {"a": FLAT, "b": FLAT, "early": FLAT, "hole": holes, "zero": 0 * FLAT}
    table = weeks_of(units, treatments(("a", 50), ("b", 60), ("early", 20)))
    assert set(table["unit"]) == {"a", "b"}
    with pytest.raises(LiftosError, match="four whole final weeks"):
        weeks_of({"a": FLAT, "b": FLAT}, treatments(("a", 20), ("b", 20)))
    with pytest.raises(LiftosError, match="more than 8 final weeks"):
        weeks_of({"a": FLAT[:80], "b": FLAT[:80]}, treatments(("a", 40), ("b", 41)))


def world(seed: int, n_units: int = 40, more_weeks: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Units of sizes 2 to 20 that a season moves in proportion; a third gains 30 % from its start on, after more weeks."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(2.0, 20.0, n_units)
    season = np.exp(0.3 * np.sin(np.arange(len(FLAT) + 7 * more_weeks) / 20.0))
    counts = rng.poisson(size[:, None] * season).astype(float)
    starts = {n: int(rng.integers(40, 70)) + 7 * more_weeks for n in range(0, n_units, 3)}
    for n, start in starts.items():
        counts[n, start:] += rng.poisson(0.3 * size[n] * season[start:])
    names = [f"u{n:02d}" for n in range(n_units)]
    return panel(dict(zip(names, counts, strict=True))), treatments(*((names[n], s) for n, s in starts.items()))


def test_effects_come_in_units_of_the_outcome_with_a_path() -> None:
    days, starts = world(1)
    found = {told.outcome: told for told in weekly_effects(days, starts, 0.95, 0)}
    assert set(found) == {"count", "value"}
    count, value = found["count"].found, found["value"].found
    assert isinstance(count, EffectEstimate) and isinstance(value, EffectEstimate)
    assert value.estimate == pytest.approx(10 * count.estimate)
    assert count.ci_low < 0.3 * 11 < count.ci_high
    path = effect_paths(days, starts, level=0.95, seed=0)
    mine = path[path["outcome"] == "conversions_reported"].set_index("event_time")
    assert mine.loc[0:3, "estimate"].mean() == pytest.approx(count.estimate)
    assert (mine["band_high"] >= mine["ci_high"] - 1e-12).loc[0:3].all()
    assert set(path["design"]) == {"landmarked"}


@pytest.mark.parametrize(("n_units", "n_treated", "told"), [(57, 19, "19 treated units"), (58, 20, None)])
def test_few_treated_units_have_a_path_and_no_effect_to_use(
    n_units: int, n_treated: int, told: str | None
) -> None:
    days, starts = world(1, n_units)
    assert len(starts) == n_treated
    (found, *_) = weekly_effects(days, starts, 0.95, 0)
    assert isinstance(found.found, EffectEstimate) and found.found.path is not None
    assert (found.found.refused or "").startswith(told or "") and (found.found.refused is None) == (told is None)


def test_units_that_their_accounts_date_treats_are_one_cluster() -> None:
    days, starts = world(1, 60)
    account = {unit: f"meta:{int(unit[1:]) % 12}:{unit}" for unit in set(days["unit_id"])}
    days, starts = (table.assign(unit_id=table["unit_id"].map(account)) for table in (days, starts))
    clusters = {}
    for method in ("observational", "quasi_experimental"):
        (found, *_) = weekly_effects(days, starts.assign(assignment_method=method), 0.95, 0)
        assert isinstance(found.found, EffectEstimate)
        clusters[found.design] = found.found.n_clusters
    assert clusters == {"landmarked": 60, "staggered": 12}


def test_one_treated_unit_is_compared_with_a_weighted_mean_of_others() -> None:
    days, starts = world(2)
    alone = starts.iloc[:1]
    found = [told for told in weekly_effects(days, alone, 0.95, 0) if told.outcome == "count"]
    assert [(told.design, told.method) for told in found] == [("single_unit", "synthetic_control")]
    assert isinstance(found[0].found, EffectEstimate) and found[0].found.n_treated == 1


def test_what_cannot_be_told_says_why() -> None:
    days, starts = world(1)
    (reason, *_) = [told.found for told in weekly_effects(days.iloc[:0], starts, 0.95, 0)]
    assert "more than 8 final weeks" in str(reason)
    assert effect_paths(days.iloc[:0], starts, level=0.95, seed=0).empty


def test_the_covariance_of_two_effects_gives_the_variance_of_their_sum() -> None:
    rng = np.random.default_rng(5)
    n = 300
    x, d = rng.normal(size=n), rng.random(n) < 0.4
    first, second = x + d + rng.normal(size=n), x - d + rng.normal(size=n)
    frame = pd.DataFrame(
        {"u": np.arange(n), "d": d.astype(int), "x": x, "a": first, "b": second, "c": first + second}
    )

    def effect(outcome: str, rows: pd.DataFrame = frame) -> EffectEstimate:
        made = Panel.from_frame(rows, outcome=outcome, treatment="d", unit="u", covariates=["x"])
        return estimate("doubly_robust", made, estimand="att")

    covariance = covariance_of([effect("a"), effect("b")])
    assert np.sqrt(np.diagonal(covariance)) == pytest.approx([effect("a").std_error, effect("b").std_error])
    assert covariance.sum() == pytest.approx(effect("c").std_error ** 2, rel=0.02)
    apart = covariance_of([effect("a", frame.iloc[:150]), effect("b", frame.iloc[150:])])
    assert apart[0, 1] == 0.0
    made = Panel.from_frame(frame, outcome="b", treatment="d", unit="u")
    without = estimate("difference_in_means", made)
    worst = covariance_of([effect("a"), without])
    assert worst[0, 1] == pytest.approx(effect("a").std_error * without.std_error)


def test_a_path_goes_back_as_far_as_sensitivity_to_trends_looks() -> None:
    path = effect_paths(*world(1, more_weeks=12), level=0.95, seed=0)
    assert sorted(set(path["event_time"])) == [*range(-12, 4)]
