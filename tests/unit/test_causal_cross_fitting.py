"""Weighting and doubly robust estimates of large and streamed panels: the same numbers as of small ones in memory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.kernels import folded
from liftos_pipeline.causal.propensity import model
from liftos_pipeline.causal.propensity.model import fit_propensity
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
        for ours, theirs in zip(found.diagnostics["balance"], held.diagnostics["balance"], strict=True):
            assert ours.pop("covariate") == theirs.pop("covariate")
            assert ours == pytest.approx(theirs, rel=1e-7, abs=SAME)
    assert "_held" not in panel.__dict__


@pytest.mark.parametrize("learner", ["linear", "boosting"])
def test_blocks_that_are_read_again_give_the_same_bits(monkeypatch, learner):
    frame = world(n_units=120)
    kept = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), seed=4, learner=learner)
    monkeypatch.setattr(folded, "KEPT_BYTES", 0)
    again = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), seed=4, learner=learner)
    assert (again.estimate, again.std_error) == (kept.estimate, kept.std_error)


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


def test_constant_covariates_of_a_file_change_nothing(tmp_path):
    frame = world().assign(flat=7.25)
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
