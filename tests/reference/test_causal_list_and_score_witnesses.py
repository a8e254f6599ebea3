"""Detectors beside other libraries, and beside dense algebra, on data small enough for both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from liftos_pipeline.benchmarks.list_worlds import ListWorld
from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.adoption_hazard import adoption_hazard
from liftos_pipeline.causal.confounders.hazard_drift import hazard_drift
from liftos_pipeline.causal.confounders.list_cells import count_cells
from liftos_pipeline.causal.confounders.untreated_outcome import untreated_outcome
from liftos_pipeline.causal.inference.covariance import jackknifed_covariance

N_UNITS, N_DAYS = 60, 25
SAME = 1e-7
"""Relative: the same optimum by another algorithm, both converged well beyond it."""


def staggered(seed: int) -> tuple[np.ndarray, ...]:
    """Candidates, outcome, rows before adoption with some missing, at risk, adopts, account."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((3, N_UNITS, N_DAYS))
    X[0] = X[0, :, :1]
    hazard = 0.04 * np.exp(0.5 * X[0, :, :-1] - 0.4 * X[1, :, :-1])
    adopts = rng.random(hazard.shape) < hazard
    first = np.where(adopts.any(axis=1), adopts.argmax(axis=1) + 1, N_DAYS)
    day = np.arange(N_DAYS)
    rows = (day < first[:, None]) & (rng.random((N_UNITS, N_DAYS)) > 0.05)
    at_risk = rows[:, :-1] & (day[1:] <= first[:, None])
    y = (
        0.3 * X[0]
        + 0.2 * X[2]
        + rng.standard_normal((N_UNITS, 1))
        + rng.standard_normal((N_UNITS, N_DAYS))
        + np.sin(day)
    )
    return X, y, rows, at_risk, at_risk & (day[1:] == first[:, None]), np.arange(N_UNITS) // 5


def test_hazard_is_statsmodels_poisson_with_a_level_per_day():
    X, _, _, at_risk, adopts, account = staggered(9_100)
    unit, day = np.nonzero(at_risk)
    has_event = np.isin(day, np.flatnonzero(adopts.any(axis=0)))
    unit, day = unit[has_event], day[has_event]
    levels = pd.get_dummies(day).to_numpy(dtype=float)
    design = np.column_stack([X[:, unit, day].T, levels])
    witness = sm.GLM(adopts[unit, day].astype(float), design, family=sm.families.Poisson()).fit(tol=1e-13)
    own = adoption_hazard(np.where(at_risk, X[:, :, :-1], 0.0), at_risk, adopts, account)
    np.testing.assert_allclose(own.estimate, witness.params[:3], rtol=SAME)
    model = np.sqrt(np.diagonal(witness.cov_params())[:3])
    mean, excess = witness.fittedvalues, adopts[unit, day] - witness.fittedvalues
    root = np.sqrt(mean)[:, None]
    left = design[:, :3] - levels @ np.linalg.lstsq(root * levels, root * design[:, :3], rcond=None)[0]
    parts = [account[unit] == one for one in np.unique(account[unit])]
    scores = np.stack([left[own_rows].T @ excess[own_rows] for own_rows in parts])
    information = np.stack([(left[own_rows].T * mean[own_rows]) @ left[own_rows] for own_rows in parts])
    clustered = np.sqrt(np.diagonal(jackknifed_covariance(scores, information)))
    assert (clustered > 1.01 * model).any() and (clustered < 0.99 * model).any()
    np.testing.assert_allclose(own.std_error, np.maximum(clustered, model), rtol=SAME)


def test_outcome_is_dense_generalised_least_squares():
    X, y, rows, *_, account = staggered(9_200)
    own = untreated_outcome(np.where(rows, X, 0.0), np.where(rows, y, 0.0), rows, account)
    unit, day = np.nonzero(rows)
    design = np.column_stack([X[:, unit, day].T, pd.get_dummies(day).to_numpy(dtype=float)])
    outcome = y[unit, day]
    same_unit = (unit[:, None] == unit).astype(float)
    n_of_unit = np.bincount(unit, minlength=N_UNITS)

    def fitted(ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inverse = np.linalg.inv(np.eye(len(unit)) + ratio * same_unit)
        bread = np.linalg.inv(design.T @ inverse @ design)
        beta = bread @ design.T @ inverse @ outcome
        return beta, inverse, outcome - design @ beta

    ratio = 0.0
    for _ in range(2):
        _, _, residual = fitted(ratio)
        mean = np.bincount(unit, weights=residual, minlength=N_UNITS) / n_of_unit
        within = (residual @ residual - n_of_unit @ mean**2) / (len(unit) - N_UNITS)
        common = (n_of_unit @ mean**2 - N_UNITS * within) / len(unit)
        ratio = max(common, 0.0) / within
    beta, inverse, residual = fitted(ratio)
    np.testing.assert_allclose(own.estimate, beta[:3], rtol=SAME)
    half = np.linalg.cholesky(inverse).T
    X_star = half @ design
    levels = X_star[:, 3:]
    left = X_star[:, :3] - levels @ np.linalg.lstsq(levels, X_star[:, :3], rcond=None)[0]
    rows_of = [np.isin(unit, np.flatnonzero(account == group)) for group in np.unique(account)]
    star = half @ residual
    scores = np.stack([left[own_rows].T @ star[own_rows] for own_rows in rows_of])
    information = np.stack([left[own_rows].T @ left[own_rows] for own_rows in rows_of])
    variance = np.diagonal(jackknifed_covariance(scores, information))
    np.testing.assert_allclose(own.std_error, np.sqrt(variance), rtol=SAME)


def test_jackknifed_covariance_is_the_regression_without_each_cluster():
    rng = np.random.default_rng(9_300)
    X, group = rng.standard_normal((80, 3)), np.arange(80) // 8
    y = X @ [1.0, 0.0, -1.0] + rng.standard_normal(10)[group] + rng.standard_normal(80)
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    residual = y - X @ beta
    parts = [group == g for g in range(10)]
    without = np.stack([np.linalg.lstsq(X[~own], y[~own], rcond=None)[0] for own in parts])
    expected = 9 / 10 * (without - beta).T @ (without - beta)
    found = jackknifed_covariance(
        np.stack([X[own].T @ residual[own] for own in parts]), np.stack([X[own].T @ X[own] for own in parts])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_drift_without_shocks_is_statsmodels_poisson_of_the_cells():
    """No week shock is left where the variance is estimated at zero: then both steps are one Poisson regression."""
    for seed in range(9_400, 9_420):
        drawn = ListWorld(shock_sd=1e-9, joins=60).draw(1, np.random.default_rng(seed))
        start, end = drawn["start"].to_numpy(), drawn["end"].to_numpy()
        cells = count_cells(np.zeros(len(drawn), dtype=np.int64), start, end, drawn["left"].to_numpy() == 1, 1, 26)
        own = hazard_drift(cells)
        if own.shock_variance[0] == 0:
            break
    age, week = np.nonzero(cells.exposure[0])
    exposure, events = cells.exposure[0][age, week], cells.events[0][age, week]
    seen = np.isin(age, np.unique(age[events > 0]))
    design = np.column_stack([week * 7 / 30.0, pd.get_dummies(age).to_numpy(dtype=float)])[seen]
    design = design[:, design.any(axis=0)]
    witness = sm.GLM(events[seen], design, family=sm.families.Poisson(), offset=np.log(exposure[seen])).fit(
        tol=1e-12
    )
    assert own.estimate[0] == pytest.approx(witness.params[0], abs=2e-5)
    assert own.std_error[0] >= witness.bse[0] * (1 - 1e-3)


def test_cox_of_lifelines_sees_the_same_drift():
    """A steady drift moves the hazards of later starts by as much a month, at every age."""
    world = ListWorld(drift=0.12, shock_sd=0.02, joins=100)
    frame = world.draw(3, np.random.default_rng(9_500))
    found = detect("list_health", frame, unit="list", start="start", end="end", event="left", diagnostics=True)
    cox = found.diagnostics["cox"]
    gap = (cox["estimate"] - found.table["estimate"]).abs()
    assert (gap < 3.5 * np.hypot(cox["std_error"], found.table["std_error"])).all()
    assert cox["estimate"].mean() == pytest.approx(0.12, abs=0.03)
