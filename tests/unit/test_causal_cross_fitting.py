"""Weighting and doubly robust estimates of large and streamed panels: the same numbers as of small ones in memory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.engines import frame as frames
from liftos_pipeline.causal.estimators import outcome_models
from liftos_pipeline.causal.kernels import folded
from liftos_pipeline.causal.kernels.folded import moments_of
from liftos_pipeline.causal.kernels.logit import FoldLogit, expand_near, fit_each
from liftos_pipeline.causal.propensity import model
from liftos_pipeline.causal.propensity.model import fit_propensity, folded_rows, unit_folds
from liftos_pipeline.errors import LiftosError

SAME = 1e-9
"""The same sums in another order."""
ROLES = {"outcome": "y", "treatment": "d", "unit": "shop", "period": "day", "covariates": ["x0", "x1", "x2"]}


def world(n_units: int = 400, n_days: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(31)
    n = n_units * n_days
    X = rng.standard_normal((n, 3)) * [1.0, 50.0, 1e-3] + [0.0, 900.0, 0.0]
    e = 1 / (1 + np.exp(-0.8 * X[:, 0] + 0.01 * (X[:, 1] - 900.0)))
    d = (rng.random(n) < e).astype(np.int8)
    unit = np.repeat(np.arange(n_units), n_days)
    frame = pd.DataFrame(X, columns=["x0", "x1", "x2"])
    return frame.assign(
        y=1e4 + X[:, 0] + 0.02 * X[:, 1] + 0.5 * d + rng.standard_normal(n_units)[unit] + rng.standard_normal(n),
        d=d,
        shop=[f"shop {number % 97}-{number}" for number in unit],
        region=unit // 8,
        day=pd.Timestamp("2026-01-01") + pd.to_timedelta(np.tile(np.arange(n_days), n_units) * 7, unit="D"),
        w=rng.uniform(1.0, 9.0, n),
        e=np.clip(e, 0.02, 0.98),
    ).sample(frac=1.0, random_state=3)


def file_of(frame: pd.DataFrame, folder: Path, kind: str) -> Path:
    path = folder / f"panel.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
        return path
    with duckdb.connect(str(path)) as connection:
        connection.register("frame", frame)
        connection.execute("CREATE TABLE panel AS FROM frame")
    return path


def streamed(path: Path, **roles: object) -> Panel:
    if path.suffix == ".parquet":
        return Panel.from_parquet(path, **ROLES, **roles)
    return Panel.from_duckdb(path, "panel", **ROLES, **roles)


@pytest.mark.parametrize("method", ["doubly_robust", "ipw"])
@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
@pytest.mark.parametrize(
    "roles", [{}, {"weights": "w", "cluster": "region"}, {"propensity": "e"}], ids=["plain", "weights", "scores"]
)
def test_files_give_what_frames_give(tmp_path, method, kind, roles):
    frame = world()
    panel = streamed(file_of(frame, tmp_path, kind), **roles)
    for options in ({"estimand": "att"}, {"estimand": "overlap"}, {"estimand": "ate", "trim": 0.1}):
        held = estimate(method, Panel.from_frame(frame, **ROLES, **roles), seed=4, **options)
        found = estimate(method, panel, seed=4, **options)
        assert found.estimate == pytest.approx(held.estimate, rel=SAME)
        assert found.std_error == pytest.approx(held.std_error, rel=SAME)
        for name in ("estimand", "n_rows", "n_units", "n_treated", "n_clusters", "warnings", "refused"):
            assert getattr(found, name) == getattr(held, name)
        for name in ("ess_treated", "ess_control", "ess_control_clusters", "share_inside", "trimmed_share"):
            assert found.diagnostics[name] == pytest.approx(held.diagnostics[name], rel=SAME)
        ours, theirs = (pd.DataFrame(each.diagnostics["balance"]) for each in (found, held))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-7, atol=SAME)
    assert "_held" not in panel.__dict__


@pytest.mark.parametrize("learner", ["linear", "boosting"])
def test_blocks_that_are_read_again_give_the_same_bits(monkeypatch, learner):
    frame = world(n_units=120)
    kept = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), seed=4, learner=learner)
    monkeypatch.setattr(folded, "KEPT_BYTES", 0)
    again = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), seed=4, learner=learner)
    assert (again.estimate, again.std_error) == (kept.estimate, kept.std_error)


def numbers(value: object) -> list[float]:
    """Every number of nested diagnostics, in order."""
    if isinstance(value, dict):
        return [number for entry in value.values() for number in numbers(entry)]
    if isinstance(value, list):
        return [number for entry in value for number in numbers(entry)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize("kept_bytes", [0, 10**9])
def test_blocks_workers_and_origins_do_not_matter(monkeypatch, kept_bytes):
    roles = {**ROLES, "weights": "w", "cluster": "region"}
    options = {"trim": 0.1, "seed": 4}
    whole = estimate("doubly_robust", Panel.from_frame(world(), **roles), **options)
    monkeypatch.setattr(frames, "BLOCK_ROWS", 311)
    monkeypatch.setattr(folded, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(folded, "_FEW_ROWS", 0)
    monkeypatch.setattr(folded, "_HEAD_ROWS", 2)
    parts = estimate("doubly_robust", Panel.from_frame(world(), **roles), **options)
    assert (parts.estimate, parts.std_error) == pytest.approx((whole.estimate, whole.std_error), rel=SAME)
    assert len(numbers(whole.diagnostics)) > 60
    assert numbers(parts.diagnostics) == pytest.approx(numbers(whole.diagnostics), rel=1e-6, abs=SAME)


def test_overlap_is_that_of_the_rows_that_stay():
    panel = Panel.from_frame(world(), **ROLES, propensity="e")
    found = estimate("ipw", panel, trim=0.2).diagnostics
    e, d = panel.propensity, panel.d
    stays = (e >= 0.2) & (e <= 0.8)
    for arm, name in ((0, "control"), (1, "treated")):
        assert found[f"score_min_{name}"] == e[stays & (d == arm)].min()
        assert found[f"score_max_{name}"] == e[stays & (d == arm)].max()
    for arm, name in ((0, "control"), (1, "treated")):
        counts, edges = np.histogram(e[stays & (d == arm)], bins=40, range=(0.0, 1.0))
        assert found["overlap_histogram"][name] == counts.tolist()
        np.testing.assert_allclose(found["overlap_histogram"]["edges"], edges)


@pytest.mark.parametrize("method", ["doubly_robust", "ipw"])
def test_scores_are_held_within_the_clip(method):
    frame = world()
    clipped = frame.assign(e=frame["e"].clip(0.3, 0.7))
    ours = estimate(method, Panel.from_frame(frame, **ROLES, propensity="e"), clip=0.3)
    theirs = estimate(method, Panel.from_frame(clipped, **ROLES, propensity="e"), clip=0.0)
    assert (ours.estimate, ours.std_error) == pytest.approx((theirs.estimate, theirs.std_error), rel=SAME)
    assert ours.diagnostics["clipped_share"] == pytest.approx((frame["e"] != clipped["e"]).mean())


@pytest.mark.parametrize("estimand", ["ate", "att", "overlap"])
def test_learned_outcome_models_enter_the_score(monkeypatch, estimand):
    """Predictions of 1e4 - 2 without and 1e4 + 3 with treatment, whatever was learned."""
    monkeypatch.setattr(
        outcome_models,
        "cross_fitted_regression",
        lambda panel, target, usable, *_: np.full(len(target), 1e4 + 5.0 * panel.d[usable][0] - 2.0),
    )
    panel = Panel.from_frame(world(), **ROLES, propensity="e")
    found = estimate("doubly_robust", panel, learner="lasso", estimand=estimand, clip=0.0)
    y, d, e, m0, m1 = panel.y, panel.d, panel.propensity, 1e4 - 2.0, 1e4 + 3.0
    if estimand == "ate":
        theta = np.mean(m1 - m0 + d * (y - m1) / e - (1 - d) * (y - m0) / (1 - e))
    elif estimand == "att":
        theta = np.sum(d * (y - m0) - (1 - d) * e / (1 - e) * (y - m0)) / d.sum()
    else:
        parts = (d - e) ** 2 * (m1 - m0) + d * (1 - e) * (y - m1) - (1 - d) * e * (y - m0)
        theta = parts.sum() / ((d - e) ** 2).sum()
    assert found.estimate == pytest.approx(theta, rel=1e-8)


def test_fits_arrive_from_far_away(monkeypatch):
    """Newton's own steps would leave for ever from such starts."""
    panel = Panel.from_frame(world(), **ROLES)
    rows = folded_rows(panel, unit_folds(panel.index, 3, 0), 3)
    logit = FoldLogit(rows, moments_of(rows))
    near, _ = fit_each(logit, 0.01, logit.null(), 1e-8)
    far, _ = fit_each(logit, 0.01, np.full((3, 4), -8.0), 1e-8)
    np.testing.assert_allclose(far, near, atol=1e-6)
    monkeypatch.setattr(FoldLogit, "discriminant", lambda _: np.full(4, 8.0))
    around = expand_near(logit, 0.01, 1e-8)
    np.testing.assert_allclose(logit.training(around).minimised(0.01, near), near, atol=0.05)


def test_without_covariates_scores_are_the_rates_of_the_other_folds():
    frame = world(n_units=60)
    panel = Panel.from_frame(frame, **{**ROLES, "covariates": []})
    fit = fit_propensity(panel, 4, seed=1)
    for fold in range(4):
        rate = panel.d[fit.folds != fold].mean()
        np.testing.assert_allclose(fit.scores[fit.folds == fold], rate, rtol=1e-12)


@pytest.mark.parametrize(("value", "arm"), [(1, "untreated"), (0, "treated")])
def test_folds_need_units_of_both_arms(value, arm):
    frame = world(n_units=30)
    shops = sorted(frame["shop"].unique())
    frame["d"] = np.where(frame["shop"] == shops[0], 1 - value, value)
    with pytest.raises(LiftosError, match=f"at least 2 {arm} units outside each of 3 folds; found [01] of 1"):
        unit_folds(Panel.from_frame(frame, **ROLES).index, 3, 0)


@pytest.mark.parametrize("strength", [1.0, 0.0])
def test_large_panels_have_the_scores_of_the_exact_path(monkeypatch, strength):
    """Penalties compared on the expansion of the loss, scores at the chosen one from the loss itself."""
    frame = world(n_units=1_500)
    rng = np.random.default_rng(9)
    d = (rng.random(len(frame)) < 1 / (1 + np.exp(1.0 - strength * frame["x0"]))).astype(int)
    panel = Panel.from_frame(frame.assign(d=d), **ROLES)
    large = fit_propensity(panel, seed=2)
    monkeypatch.setattr(model, "EXACT_ROWS", panel.n_rows)
    exact = fit_propensity(panel, seed=2)
    assert large.penalty == exact.penalty
    np.testing.assert_allclose(large.scores, exact.scores, atol=1e-5)
    # Taken before the last step: that is below CLOSE, along a held-out slope of about root(k / n).
    assert large.held_out_loss == pytest.approx(exact.held_out_loss, abs=model.CLOSE * (4 / 9_000) ** 0.5)


def test_a_treatment_that_covariates_determine_is_refused_not_fitted_for_ever():
    frame = world(n_units=1_500)
    frame = frame.assign(d=(frame["x0"] > 0).astype(int))
    found = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), clip=0.0)
    assert "of propensity scores lie in [0.1, 0.9]" in found.refused


@pytest.mark.parametrize("n_units", [400, 1_500])
def test_constant_covariates_of_a_file_change_nothing(tmp_path, n_units):
    frame = world(n_units=n_units).assign(flat=7.25)
    path = file_of(frame, tmp_path, "parquet")
    without = estimate("doubly_robust", streamed(path), seed=1)
    roles = {**ROLES, "covariates": ["x0", "flat", "x1", "x2"]}
    with_flat = estimate("doubly_robust", Panel.from_parquet(path, **roles), seed=1)
    assert with_flat.estimate == pytest.approx(without.estimate, rel=SAME)
    assert with_flat.std_error == pytest.approx(without.std_error, rel=SAME)


@pytest.mark.parametrize(
    ("column", "value", "roles", "message"),
    [
        ("w", 0.0, {"weights": "w"}, "positive weights in w; found 1 of 60 rows outside"),
        ("e", 1.0, {"propensity": "e"}, "strictly between 0 and 1 in e; found 1 of 60 rows outside"),
        ("y", np.nan, {}, "a value of y in every row"),
        ("x0", np.inf, {}, "finite numbers in every row"),
    ],
)
def test_files_with_bad_rows_are_refused(tmp_path, column, value, roles, message):
    frame = world(n_units=10).reset_index(drop=True)
    frame.loc[17, column] = value
    path = file_of(frame, tmp_path, "duckdb")
    with pytest.raises(LiftosError, match=message):
        estimate("doubly_robust", streamed(path, **roles), folds=2)


def test_repeated_rows_of_a_file_are_refused(tmp_path):
    frame = world(n_units=50)
    path = file_of(pd.concat([frame, frame.iloc[:1]]), tmp_path, "parquet")
    with pytest.raises(LiftosError, match="one row per unit and period"):
        estimate("ipw", streamed(path))
