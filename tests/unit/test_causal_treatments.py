"""How a treatment was assigned: the hazard against Cox's model elsewhere, cutoffs, declared experiments."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.inference.wald import WaldTest
from liftos_pipeline.causal.treatments.adoption_hazard import HazardTest, adoption_hazard
from liftos_pipeline.causal.treatments.assignment import Experiment, common_dates, of_cutoff, of_experiment
from liftos_pipeline.causal.treatments.cutoff import Cutoff, cutoff_design
from liftos_pipeline.causal.treatments.drawn_starts import drawn_starts
from liftos_pipeline.errors import LiftosError

HAZARD_SEEDS = range(200)
CUTOFF_SEEDS = range(300)


def adoptions(seed: int, gamma: float, n_units: int = 300, n_days: int = 20) -> tuple[np.ndarray, ...]:
    """Unit-days at risk: covariates, day, unit, whether the unit starts."""
    rng = np.random.default_rng(seed)
    fixed = rng.normal(size=(n_units, 1, 2)) + 0.5 * rng.normal(size=(n_units, n_days, 2))
    hazard = 0.04 * np.exp(gamma * fixed[:, :, 0] / math.sqrt(1.25) + 0.5 * np.sin(np.arange(n_days)))
    hit = rng.random((n_units, n_days)) < hazard
    first = np.where(hit.any(axis=1), hit.argmax(axis=1), n_days)
    unit, day = np.nonzero(np.arange(n_days) <= first[:, None])
    return fixed[unit, day], day, unit, first[unit] == day


def test_the_hazard_equals_coxs_model_with_breslows_ties() -> None:
    from statsmodels.duration.hazard_regression import PHReg

    x, day, unit, adopts = adoptions(1, 0.5, n_units=120)
    found = adoption_hazard(x, day, unit, adopts)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    witness = PHReg(day + 1.0, z, status=adopts.astype(int), entry=day + 0.5, ties="breslow").fit()
    np.testing.assert_allclose(found.log_hazard, witness.params, rtol=1e-6)
    assert found.n_adopters == adopts.sum()
    assert found.wald.statistic == pytest.approx(by_hand(z, day, unit, adopts, found.log_hazard))


def by_hand(z: np.ndarray, day: np.ndarray, unit: np.ndarray, adopts: np.ndarray, beta: np.ndarray) -> float:
    """Wald statistic with Lin and Wei's covariance, row by row."""
    information, scores = np.zeros((2, 2)), np.zeros((unit.max() + 1, 2))
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        risk = np.exp(z[rows] @ beta)
        mean = risk @ z[rows] / risk.sum()
        for row, weight in zip(rows, risk * adopts[rows].sum() / risk.sum(), strict=True):
            information += weight * np.outer(z[row] - mean, z[row] - mean)
            scores[unit[row]] += (adopts[row] - weight) * (z[row] - mean)
    bread = np.linalg.inv(information)
    return float(beta @ np.linalg.solve(bread @ (scores.T @ scores) @ bread, beta))


def test_the_hazard_test_keeps_its_level_and_its_announced_power() -> None:
    silent = [adoption_hazard(*adoptions(seed, 0.0)) for seed in HAZARD_SEEDS]
    size = np.mean([found.wald.p_value <= 0.05 for found in silent])
    assert abs(size - 0.05) < 3 * math.sqrt(0.05 * 0.95 / len(HAZARD_SEEDS))
    moved = [adoption_hazard(*adoptions(1_000 + seed, 0.2)) for seed in HAZARD_SEEDS]
    announced = np.mean([found.power for found in moved])
    seen = np.mean([found.wald.p_value <= 0.05 for found in moved])
    assert abs(seen - announced) < 3 * math.sqrt(announced * (1 - announced) / len(HAZARD_SEEDS))


def test_wrong_calls_of_the_hazard() -> None:
    x, day, unit, adopts = adoptions(1, 0.0)
    with pytest.raises(LiftosError, match="2 of them constant"):
        adoption_hazard(np.ones_like(x), day, unit, adopts)
    with pytest.raises(LiftosError, match="0 adopters, 2 covariates"):
        adoption_hazard(x, day, unit, np.zeros_like(adopts))
    with pytest.raises(LiftosError, match="a likelihood with a maximum"):
        adoption_hazard(adopts[:, None].astype(float), day, unit, adopts)


def test_drawn_starts_are_the_log_rank_test_where_one_group_is_compared_with_another() -> None:
    from lifelines.statistics import logrank_test

    rng = np.random.default_rng(3)
    group = rng.random(80) < 0.4
    day = np.ceil(rng.exponential(6.0, 80) * np.where(group, 0.7, 1.0)).astype(int)
    starts, last = day <= 12, np.minimum(day, 12)
    unit, today = np.nonzero(np.arange(1, 13) <= day[:, None])
    found = drawn_starts(group[unit, None].astype(float), today, day[unit] == today + 1)
    witness = logrank_test(last[group], last[~group], starts[group], starts[~group])
    assert found.wald.statistic == pytest.approx(witness.test_statistic, rel=1e-9)
    assert found.wald.p_value == pytest.approx(witness.p_value, rel=1e-9)
    assert found.n_adopters == starts.sum()


def test_a_lot_of_a_dozen_units_is_rarely_contradicted_and_choice_by_a_covariate_is() -> None:
    """Three types of treatment in 12 units; the clustered test rejects a fifth of these lots at 1 %."""

    def rejected(seed: int, gamma: float, n_units: int) -> bool:
        parts = [adoptions(10 * seed + kind, gamma, n_units, 60) for kind in range(3)]
        first = parts[0][0]
        x = [first if kind == 0 else part[0] for kind, part in enumerate(parts)]
        strata = np.concatenate([part[1] + 100 * kind for kind, part in enumerate(parts)])
        return drawn_starts(np.concatenate(x), strata, np.concatenate([p[3] for p in parts])).wald.p_value <= 0.01

    seeds = range(400)
    size = np.mean([rejected(seed, 0.0, 12) for seed in seeds])
    assert size < 0.01 + 3 * math.sqrt(0.01 * 0.99 / len(seeds))
    assert np.mean([rejected(seed, 0.8, 100) for seed in seeds[:20]]) == 1.0


def test_wrong_calls_of_drawn_starts() -> None:
    x, day, _, adopts = adoptions(1, 0.0)
    with pytest.raises(LiftosError, match="0 starts, 2 of 2 estimates without a variance"):
        drawn_starts(x, day, np.zeros_like(adopts))
    with pytest.raises(LiftosError, match="1 of 2 estimates without a variance"):
        drawn_starts(np.column_stack([x[:, 0], np.ones(len(x))]), day, adopts)
    with pytest.raises(LiftosError, match="rank 1"):
        drawn_starts(np.column_stack([x[:, 0], 2 * x[:, 0]]), day, adopts)


def hazard(p_value: float, power: float) -> HazardTest:
    return HazardTest(np.zeros(1), WaldTest(1.0, 1, math.inf, p_value), 500, power, 0.05, 0.2)


@pytest.mark.parametrize(
    ("test", "method", "probability", "told"),
    [
        (hazard(0.4, 0.9), "randomized", 0.5, "power 0.90 at 0.2"),
        (
            hazard(0.4, 0.7),
            "randomized",
            0.5,
            "power 0.70 at 0.2 a standard deviation: not contradicted, too little",
        ),
        (hazard(0.06, 0.9), "randomized", 0.5, "p = 0.06"),
        (hazard(0.05, 0.9), "observational", None, "adoption follows covariates"),
        (hazard(0.01, 0.1), "observational", None, "adoption follows covariates"),
        (None, "randomized", 0.5, "too few starts to test it by"),
    ],
)
def test_a_declared_experiment_is_randomised_unless_the_test_contradicts_it(
    test: HazardTest | None, method: str, probability: float | None, told: str
) -> None:
    found = of_experiment(Experiment("exp-1", 0.5, "arm-b"), test)
    assert (found.method, found.probability) == (method, probability)
    assert told in found.test and "exp-1" in found.test
    assert found.control_group == (None if method == "observational" else "arm-b")


def cutoff_world(seed: int, jump: float, crowding: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    running = rng.uniform(-1, 1, 400)
    moved = (running < 0) & (running > -0.1) & (rng.random(400) < crowding)
    running = np.where(moved, -running, running)
    return running + 5.0, rng.random(400) < 0.3 + 0.1 * running + jump * (running >= 0)


def test_a_cutoff_is_found_and_neither_a_slope_nor_crowding_is_one() -> None:
    def share(jump: float, crowding: float = 0.0) -> float:
        worlds = (cutoff_world(seed, jump, crowding) for seed in CUTOFF_SEEDS)
        return float(np.mean([cutoff_design(*world, 5.0, 1.0).is_design for world in worlds]))

    assert share(0.0) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(CUTOFF_SEEDS))
    assert share(0.5) > 0.9
    assert share(0.5, crowding=1.0) < 0.1


def test_the_jump_is_unbiased_and_its_error_is_that_of_repetition() -> None:
    found = [cutoff_design(*cutoff_world(seed, 0.4), 5.0, 1.0) for seed in CUTOFF_SEEDS]
    jumps = np.array([f.jump for f in found])
    assert abs(jumps.mean() - 0.4) < 3 * jumps.std() / math.sqrt(len(jumps))
    assert np.mean([f.std_error for f in found]) == pytest.approx(jumps.std(), rel=0.12)
    exact = cutoff_design(np.arange(100.0), np.arange(100.0) >= 50, 50.0, 50.0)
    assert (exact.jump, exact.std_error, exact.jump_p, exact.density_p) == (
        1.0,
        pytest.approx(0, abs=1e-9),
        0.0,
        1.0,
    )
    assert (exact.n_below, exact.n_above) == (50, 50)


def score_world(seed: int, crowding: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores from 1 to 10 of 300 units, treated from 8 on; ``crowding``: share of the sevens that were lifted to an eight."""
    rng = np.random.default_rng(seed)
    score = np.clip(np.round(6 + 1.6 * rng.normal(size=300)), 1, 10)
    score[(score == 7) & (rng.random(300) < crowding)] = 8
    return score, rng.random(300) < np.where(score >= 8, 0.9, 0.1)


def test_a_score_in_steps_is_held_against_its_neighbours() -> None:
    """Fewer units have an 8 than a 7 without any crowding: the sides must not be counted as by a fair coin."""

    def share(crowding: float) -> float:
        worlds = (score_world(seed, crowding) for seed in CUTOFF_SEEDS)
        return float(np.mean([cutoff_design(*world, 8.0, 3.0).is_design for world in worlds]))

    assert share(0.0) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / len(CUTOFF_SEEDS))
    assert share(0.5) < 0.1


def test_a_cutoff_with_too_few_units_is_refused() -> None:
    with pytest.raises(LiftosError, match="19 below, 21 above"):
        cutoff_design(np.arange(40.0), np.arange(40) > 19, 19.0, 40.0)
    with pytest.raises(LiftosError, match="not all at one value"):
        cutoff_design(np.r_[np.zeros(30), np.arange(1.0, 31.0)], np.arange(60) > 30, 1.0, 40.0)


def test_what_a_cutoff_says() -> None:
    good = of_cutoff(Cutoff(0.5, 0.1, 1e-6, 0.4, 50, 60, 0.05))
    assert (good.method, good.control_group) == ("quasi_experimental", "below the cutoff")
    for bad in (Cutoff(0.1, 0.01, 1e-6, 0.4, 50, 60, 0.05), Cutoff(0.5, 0.3, 0.1, 0.4, 50, 60, 0.05)):
        assert of_cutoff(bad).method == "observational"
    assert of_cutoff(Cutoff(0.5, 0.1, 1e-6, 0.04, 50, 60, 0.05)).method == "observational"
    assert "density p = 0.4, 50 units below and 60 above" in good.test


def starts(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account", "unit", "day"])
    return frame.assign(day=pd.to_datetime(frame["day"]))


def test_a_common_date_needs_more_units_than_chance_and_accounts_that_do_not_share_it() -> None:
    may = pd.Timestamp("2026-05-01")
    three = [("a", unit, "2026-05-01") for unit in "xyz"]
    elsewhere = [("b", f"u{number}", f"2026-05-{number:02d}") for number in range(2, 22)]
    assert set(common_dates(starts(*three, *elsewhere), ["a", "b"], 120)) == {("a", may)}
    assert set(common_dates(starts(*three), ["a", "b"], 120)) == {("a", may)}
    assert common_dates(starts(*three), ["a"], 120) == {}
    assert common_dates(starts(*three[:2], *elsewhere), ["a", "b"], 120) == {}
    assert common_dates(starts(*three, *elsewhere), ["a", *map(str, range(2_000))], 120) == {}
    spread = [("a", f"w{number}", f"2026-04-{number:02d}") for number in range(1, 30)]
    assert common_dates(starts(*three, *spread, *elsewhere), ["a", "b"], 120) == {}
    both = [(account, unit, "2026-05-01") for account in "ab" for unit in "uvwxyz"]
    assert common_dates(starts(*both), ["a", "b", "c"], 120) == {}
    dates = (("b", "2026-03-02"), ("c", "2026-04-02"))
    apart = starts(*three, *((account, unit, day) for account, day in dates for unit in "uvw"))
    wanted = {("a", may), *((account, pd.Timestamp(day)) for account, day in dates)}
    assert set(common_dates(apart, ["a", "b", "c"], 120)) == wanted
    second = starts(
        *(("a", unit, f"2026-03-{day}") for unit, day in zip("xyz", (11, 14, 19), strict=True)), *three
    )
    assert common_dates(second, ["a", "b"], 120) == {}
    told = common_dates(starts(*three, *elsewhere), ["a", "b"], 120)["a", may]
    assert told.method == "quasi_experimental"
    assert told.test == "3 of 3 starts of account a fall on 2026-05-01 (p = 1.2e-05)"


def test_dates_of_units_that_start_one_by_one_are_almost_never_called_a_design() -> None:
    """All 40 units of each of four accounts start on days of their own, within 60 days that all accounts prefer."""
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(100):
        day = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 60, 160), unit="D")
        units = pd.DataFrame({"account": np.repeat(list("abcd"), 40), "unit": np.arange(160), "day": day})
        called += bool(common_dates(units, list("abcd"), 180))
    assert called <= 0.01 * 100 + 3 * math.sqrt(100 * 0.01)
