"""did with few clusters: sources, refusals, reasons, warnings, bits."""

from __future__ import annotations

import json
import math
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.errors import LiftosError
from tests.panels import NEVER, adoption_panel

ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}
BOTH = ("cr3", "wild_bootstrap")
LIMITS = ("std_error", "ci_low", "ci_high", "p_value")


def did(frame: pd.DataFrame, inference: str, seed: int = 0, **more: object):
    return estimate(
        "did", Panel.from_frame(frame, **{**ROLES, "cluster": "region", **more}), seed=seed, inference=inference
    )


def numbers(found) -> list[float]:
    return [getattr(found, name) for name in ("estimate", *LIMITS)]


@pytest.mark.parametrize("inference", BOTH)
@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["balanced", "unbalanced"])
@pytest.mark.parametrize("source", ["duckdb", "parquet"])
def test_a_file_gives_what_a_frame_gives(tmp_path: Path, source: str, missing: float, inference: str) -> None:
    frame = adoption_panel(5, missing=missing, starts=(4, 8, NEVER)).assign(
        t=lambda f: pd.Timestamp("2026-01-05") + pd.to_timedelta(7 * f["t"], unit="D"),
        region=lambda f: [f"r{region}" for region in f["region"]],
    )
    shuffled = frame.sample(frac=1.0, random_state=1)
    roles = {**ROLES, "covariates": ["x0"], "weights": "w", "cluster": "region"}
    if source == "parquet":
        shuffled.to_parquet(tmp_path / "panel.parquet")
        panel = Panel.from_parquet(tmp_path / "panel.parquet", **roles)
    else:
        with duckdb.connect(str(tmp_path / "panel.duckdb")) as connection:
            connection.register("rows", shuffled)
            connection.execute("CREATE TABLE panel AS FROM rows")
        panel = Panel.from_duckdb(tmp_path / "panel.duckdb", "panel", **roles)
    found = estimate("did", panel, inference=inference)
    expected = did(frame, inference, covariates=["x0"], weights="w")
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-9)
    assert found.warnings == expected.warnings


@pytest.mark.parametrize("inference", BOTH)
def test_same_seed_same_bits_whatever_the_row_order(inference: str) -> None:
    frame = adoption_panel(7, missing=0.2)
    first, second = did(frame, inference, 3), did(frame.sample(frac=1.0, random_state=3), inference, 3)
    assert first.to_row() == second.to_row()


def test_the_seed_draws() -> None:
    frame = adoption_panel(7, n_units=100)
    first, second = did(frame, "wild_bootstrap", 1), did(frame, "wild_bootstrap", 2)
    assert first.p_value != second.p_value
    assert first.std_error == second.std_error
    assert first.diagnostics["n_draws"] == 9_999


def test_small_integers_do_not_overflow() -> None:
    frame = adoption_panel(8)
    small = frame.assign(d=frame["d"].astype("int8"), y=(10 * frame["y"]).round().astype("int8"))
    for inference in BOTH:
        assert numbers(did(small, inference)) == numbers(did(small.astype({"d": float, "y": float}), inference))


def test_the_default_is_cr1() -> None:
    frame = adoption_panel(9)
    assert (
        did(frame, "cluster").to_row()
        == estimate("did", Panel.from_frame(frame, **ROLES, cluster="region")).to_row()
    )
    told = {kind: did(frame, kind).diagnostics["standard_error"] for kind in ("cluster", *BOTH)}
    assert told == {"cluster": "clustered_cr1", "cr3": "clustered_cr3", "wild_bootstrap": "clustered_cr1"}
    with pytest.raises(LiftosError, match="inference one of cluster, cr3, wild_bootstrap; found 'hc2'"):
        did(frame, "hc2")


@pytest.mark.parametrize("inference", BOTH)
def test_clusters_that_cut_through_units_are_refused(inference: str) -> None:
    frame = adoption_panel(10).assign(cut=lambda f: (f["unit"] + f["t"]) % 8)
    with pytest.raises(LiftosError, match=f"hold their units whole for inference='{inference}'"):
        did(frame, inference, cluster="cut")


def test_too_many_clusters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = adoption_panel(10, n_units=501, n_periods=4, starts=(2, NEVER))
    with pytest.raises(LiftosError, match=r"at most 500 clusters.*; found 501 clusters, 4,008 sums"):
        did(frame, "cr3", cluster="unit", covariates=[])
    few = frame[frame["unit"] < 500]
    assert did(few, "cr3", cluster="unit").n_clusters == 500
    monkeypatch.setattr("liftos_pipeline.causal.estimators.did_inference._MOST_CLUSTER_CELLS", 3_999)
    with pytest.raises(LiftosError, match="3,999 sums by cluster"):
        did(few, "wild_bootstrap", cluster="unit")


@pytest.mark.parametrize("inference", BOTH)
def test_one_cluster_that_decides_has_no_interval(inference: str) -> None:
    """Region 1 is always treated, so that region 0 alone shows a change."""
    frame = adoption_panel(11, starts=(NEVER,))
    frame["d"] = ((frame["region"] == 1) | ((frame["region"] == 0) & (frame["t"] >= 6))).astype(int)
    found = did(frame, inference)
    assert math.isfinite(found.estimate)
    assert "one cluster alone identifies the coefficient" in found.undefined["std_error"]
    assert math.isnan(found.p_value)


@pytest.mark.parametrize("inference", BOTH)
def test_one_treated_cluster_has_no_interval(inference: str) -> None:
    frame = adoption_panel(11, starts=(NEVER,))
    frame["d"] = ((frame["region"] == 0) & (frame["t"] >= 6)).astype(int)
    assert "1 cluster with treated rows" in did(frame, inference).undefined["ci_low"]


@pytest.mark.parametrize("inference", BOTH)
def test_an_exact_fit_has_no_interval(inference: str) -> None:
    frame = adoption_panel(12).assign(y=lambda f: 2.0 * f["d"] + f["unit"] - 0.3 * f["t"])
    found = did(frame, inference)
    assert found.estimate == pytest.approx(2.0)
    assert "fits the outcome exactly" in found.undefined["std_error"]
    assert "fits the outcome exactly" in found.undefined["robustness_value"]
    constant = did(adoption_panel(12).assign(y=4.2), inference)
    assert math.isnan(constant.std_error)


@pytest.mark.parametrize("inference", BOTH)
def test_a_cluster_of_lone_rows_does_not_count(inference: str) -> None:
    frame = adoption_panel(13, n_covariates=0)
    alone = frame.iloc[[3]].assign(unit=999, region=77, y=1e3)
    found, expected = did(pd.concat([frame, alone]), inference), did(frame, inference)
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-9)
    assert found.n_clusters == expected.n_clusters


def test_a_covariate_that_only_one_cluster_moves_is_no_obstacle() -> None:
    """Without the cluster the covariate is gone, and the effect of interest stays."""
    frame = adoption_panel(14).assign(local=lambda f: np.where(f["region"] == 2, f["x0"], 0.0))
    found = did(frame, "cr3", covariates=["local"])
    rest = frame[frame["region"] != 2]
    without = [
        did(frame[frame["region"] != r], "cluster", covariates=["local"]).estimate for r in range(6) if r != 2
    ]
    without.append(estimate("did", Panel.from_frame(rest, **ROLES)).estimate)
    moved = np.sum((np.array(without) - found.estimate) ** 2)
    assert found.std_error == pytest.approx(np.sqrt(5 / 6 * moved), rel=1e-9)


def test_three_clusters_leave_an_unbounded_interval_that_says_so() -> None:
    panel = Panel.from_frame(adoption_panel(15, n_units=15, starts=(6, NEVER)), **ROLES, cluster="region")
    found = estimate("did", panel, inference="wild_bootstrap", level=0.99)
    assert (found.ci_low, found.ci_high) == (-math.inf, math.inf)
    assert "no value, however far" in found.diagnostics["unbounded"]
    assert any("the interval is unbounded: with 3 clusters" in text for text in found.warnings)
    row = found.to_row()
    assert (row["ci_low"], row["ci_high"]) == ("-Infinity", "Infinity")
    json.dumps(row, allow_nan=False)
    assert found.diagnostics["e_value_limit"] == 1.0


def assigned(n_treated: int, n_clusters: int) -> pd.DataFrame:
    """The first regions are treated from period 6 on."""
    frame = adoption_panel(16, n_units=5 * n_clusters, starts=(NEVER,))
    return frame.assign(d=((frame["region"] < n_treated) & (frame["t"] >= 6)).astype(int))


@pytest.mark.parametrize(
    ("n_treated", "n_clusters", "clustered", "bootstrapped"),
    [
        (10, 20, None, False),
        (9, 20, "use inference='cr3' or 'wild_bootstrap'", False),
        (12, 21, "use inference='cr3' or 'wild_bootstrap'", False),
        (4, 8, "use inference='cr3' or 'wild_bootstrap'", False),
        (3, 20, "use inference='cr3'", True),
        (17, 20, "use inference='cr3'", True),
    ],
)
def test_few_clusters_bring_a_warning_that_names_the_way_out(
    n_treated, n_clusters, clustered, bootstrapped
) -> None:
    frame = assigned(n_treated, n_clusters)
    counts = f"{n_treated} clusters with treated units, {n_clusters - n_treated} with units never treated: "
    found = did(frame, "cluster").warnings
    assert [text.removeprefix(counts).rsplit("; ", 1)[-1] for text in found] == (
        [] if clustered is None else [clustered]
    )
    found = did(frame, "wild_bootstrap").warnings
    assert [text.startswith(counts) and "hardly ever rejects" in text for text in found] == [True] * bootstrapped
    assert did(frame, "cr3").warnings == ()


def test_clusters_on_both_sides_count_on_both() -> None:
    within = adoption_panel(16, n_units=60)
    assert did(within, "cluster").warnings == did(within, "wild_bootstrap").warnings == ()
    few = adoption_panel(16, n_units=15)
    assert did(few, "wild_bootstrap").warnings == ()
    assert did(few, "cluster").warnings[0].startswith("3 clusters with treated units, 3 with units never treated")
    all_treated = adoption_panel(16, n_units=20, starts=(3, 7))
    assert not any("too small" in text for text in did(all_treated, "cluster", cluster="unit").warnings)
