"""Clustered covariance, Wald tests and simultaneous bands: by hand, and against the bootstrap written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from liftos_pipeline.causal.inference import bands, score_bootstrap
from liftos_pipeline.causal.inference.bands import Clustering
from liftos_pipeline.causal.inference.score_bootstrap import sup_t_draws, wald_draws

ONE_KIND = np.zeros(40, dtype=np.int64)


def test_influences_are_summed_by_cluster_and_rounding_is_no_variation():
    clustering = Clustering(np.array([2, 0, 1, 0]), np.zeros(3, dtype=np.int64), scale=1.0)
    influence = np.array([[1.0, 1e-15], [2.0, 0.0], [4.0, -1e-15], [8.0, 1e-15]])
    np.testing.assert_array_equal(clustering.sums(influence), [[10.0, 0.0], [4.0, 0.0], [1.0, 0.0]])
    alone = Clustering(np.array([2, 0, 1]), np.zeros(3, dtype=np.int64), scale=1e-6)
    np.testing.assert_array_equal(alone.sums(influence[:3])[:, 1], [0.0, -1e-15, 1e-15])


def test_covariance_by_hand():
    scores = np.array([[1.0, 2.0], [-1.0, 0.0], [0.0, -2.0]])
    covariance = bands.joint_covariance(scores, correction=2.0)
    np.testing.assert_allclose(covariance, 2.0 * 1.5 * np.array([[2.0, 2.0], [2.0, 8.0]]))
    np.testing.assert_allclose(bands.standard_errors(scores, 2.0), np.sqrt([6.0, 24.0]))
    found = bands.score_inference(3.0, scores[:, 0], 0.9, correction=2.0)
    assert found.std_error == pytest.approx(np.sqrt(6.0))
    assert found.ci_high == pytest.approx(3.0 + stats.t.ppf(0.95, 2) * np.sqrt(6.0))
    assert found.p_value == pytest.approx(2 * stats.t.sf(3 / np.sqrt(6.0), 2))


def test_no_inference_with_a_reason():
    found = bands.score_inference(3.0, np.ones(4), 0.95, reason="because")
    assert np.isnan(found.std_error)
    assert set(found.undefined.values()) == {"because"}


def test_wald_statistic_is_the_quadratic_form():
    rng = np.random.default_rng(0)
    scores, estimates = rng.standard_normal((40, 3)), np.array([1.0, -2.0, 3.0])
    told = np.array([True, False, True])
    found = bands.bootstrap_wald_test(estimates, scores, told, ONE_KIND, seed=1, correction=1.1)
    left = scores[:, told]
    expected = estimates[told] @ np.linalg.inv(1.1 * 40 / 39 * left.T @ left) @ estimates[told]
    assert found.statistic == pytest.approx(expected)
    assert found.n_restrictions == 2


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.empty((5, 0)), "no period before that could be tested"),
        (np.eye(5), "5 coefficients need more than 5 clusters"),
        (np.column_stack([np.arange(5.0), np.zeros(5)]), "coefficients without sampling variation"),
        (np.column_stack([np.arange(5.0), 2 * np.arange(5.0)]), "the covariance of the coefficients is singular"),
    ],
)
def test_wald_tests_that_cannot_be_made(scores, reason):
    k = scores.shape[1]
    found = bands.bootstrap_wald_test(
        np.ones(k), scores, np.ones(k, dtype=bool), np.zeros(5, dtype=np.int64), seed=0
    )
    assert np.isnan(found.p_value)
    assert found.undefined == reason


def test_cohorts_too_small_for_the_test_say_so():
    """Four cohorts of two clusters: recentred, they leave four of six dimensions."""
    rng = np.random.default_rng(1)
    stratum = np.repeat(np.arange(4), 2)
    scores = rng.standard_normal((8, 6))
    found = bands.bootstrap_wald_test(np.ones(6), scores, np.ones(6, dtype=bool), stratum, seed=0)
    assert np.isfinite(found.statistic)
    assert found.undefined == "too few clusters in the cohorts for 6 coefficients"


def signs(stratum: np.ndarray, seed: int, n_draws: int) -> np.ndarray:
    """The signs that the bootstrap draws, stratum by stratum, in one chunk."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((n_draws, len(stratum)))
    for h in range(stratum.max() + 1):
        shape = (n_draws, int((stratum == h).sum()))
        drawn[:, stratum == h] = 2.0 * rng.integers(0, 2, shape, dtype=np.int8) - 1.0
    return drawn


def recentred(draw: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Covariance of signed scores about their mean in each stratum; a stratum of one is left as it is."""
    left = draw.copy()
    for h in range(stratum.max() + 1):
        members = stratum == h
        if members.sum() > 1:
            left[members] -= draw[members].mean(axis=0)
    return left.T @ left * len(draw) / (len(draw) - 1)


def test_bootstrap_draws_are_studentised_within_strata():
    rng = np.random.default_rng(2)
    stratum = np.array([0] * 6 + [1] * 9 + [2])
    scores = rng.standard_normal((16, 3))
    found_t, found_w = sup_t_draws(scores, stratum, 5, 20), wald_draws(scores, stratum, 5, 20)
    for place, drawn in enumerate(signs(stratum, 5, 20)):
        signed = scores * drawn[:, None]
        covariance, total = recentred(signed, stratum), signed.sum(axis=0)
        assert found_t[place] == pytest.approx(np.max(np.abs(total) / np.sqrt(np.diag(covariance))))
        assert found_w[place] == pytest.approx(total @ np.linalg.solve(covariance, total))


def test_large_strata_are_drawn_from_their_limit():
    rng = np.random.default_rng(3)
    stratum = np.repeat([0, 1], 600)
    scores = rng.standard_normal((1_200, 4)) @ rng.standard_normal((4, 4))
    assert score_bootstrap.LARGE < 600
    statistic = wald_draws(scores, stratum, 0, 4_000)
    # Four standard errors of 4,000 draws.
    assert statistic.mean() == pytest.approx(4.0, abs=4 * np.sqrt(8 / 4_000))
    assert np.mean(statistic > stats.chi2.ppf(0.95, 4)) == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 4_000))


def test_chunks_of_draws_do_not_change_their_law(monkeypatch):
    rng = np.random.default_rng(4)
    scores, stratum = rng.standard_normal((60, 5)), np.repeat(np.arange(3), 20)
    monkeypatch.setattr(score_bootstrap, "_CHUNK_ENTRIES", 15 * 7)
    draws = sup_t_draws(scores, stratum, 0, 1_000)
    assert draws.shape == (1_000,)
    assert len(np.unique(draws)) > 990


def test_band_of_one_point_is_its_interval():
    scores = np.random.default_rng(5).standard_normal((40, 1))
    assert bands.sup_t_critical_value(scores, ONE_KIND, 0.95, 0) == pytest.approx(stats.t.ppf(0.975, 39))


def test_band_of_many_points_is_between_one_interval_and_bonferroni():
    scores = np.random.default_rng(6).standard_normal((40, 8))
    pointwise, bonferroni = stats.t.ppf(0.975, 39), stats.t.ppf(1 - 0.025 / 8, 39)
    value = bands.sup_t_critical_value(scores, ONE_KIND, 0.95, 0)
    assert pointwise + 0.4 < value < bonferroni + 0.15
    same = np.repeat(scores[:, :1], 8, axis=1)
    # 1,000 draws tell a quantile to about 0.06.
    assert bands.sup_t_critical_value(same, ONE_KIND, 0.95, 0) == pytest.approx(pointwise, abs=0.2)


def test_small_cohorts_widen_the_band():
    scores = np.random.default_rng(7).standard_normal((40, 8))
    small = np.repeat(np.arange(10), 4)
    wide = bands.sup_t_critical_value(scores, small, 0.95, 0)
    assert wide > bands.sup_t_critical_value(scores, ONE_KIND, 0.95, 0) + 0.2


def test_path_leaves_out_what_cannot_be_told():
    rng = np.random.default_rng(8)
    scores = rng.standard_normal((40, 3))
    told = np.array([True, False, True])
    path = bands.path_with_bands("event_time", [-2, 0, 1], np.ones(3), scores, told, ONE_KIND, 0.95, 0)
    names = ["event_time", "estimate", "std_error", "ci_low", "ci_high", "band_low", "band_high"]
    assert path.columns.tolist() == names
    assert path["estimate"].tolist() == [1.0, 1.0, 1.0]
    assert path["std_error"].isna().tolist() == [False, True, False]
    margin = stats.t.ppf(0.975, 39) * path["std_error"]
    pd.testing.assert_series_equal(path["ci_low"], 1.0 - margin, check_names=False)
    assert (path["band_high"] > path["ci_high"])[told].all()
    both = bands.path_with_bands("x", [0, 1], np.ones(2), scores[:, told], told[told], ONE_KIND, 0.95, 0)
    np.testing.assert_allclose(both["band_low"], path.loc[told, "band_low"], rtol=1e-12)
    based = bands.with_base(path, -1)
    assert based["event_time"].tolist() == [-2, -1, 0, 1]
    assert based.loc[1, ["estimate", "std_error", "band_low"]].tolist() == [0.0, 0.0, 0.0]


def test_same_seed_same_bits():
    scores = np.random.default_rng(9).standard_normal((300, 6))
    stratum = np.repeat([0, 1], [250, 50])
    np.testing.assert_array_equal(sup_t_draws(scores, stratum, 3), sup_t_draws(scores, stratum, 3))
    assert (sup_t_draws(scores, stratum, 3) != sup_t_draws(scores, stratum, 4)).any()


def test_standard_errors_from_squares_are_those_of_the_clusters():
    scores = np.random.default_rng(10).standard_normal((30, 3))
    scores[:, 2] *= 1e-16
    clustering = Clustering(np.arange(30), np.zeros(30, dtype=np.int64), scale=1.0)
    squares = np.sum(scores**2, axis=0)
    found = clustering.standard_errors(squares)
    np.testing.assert_allclose(found[:2], bands.standard_errors(scores[:, :2]))
    assert found[2] == 0.0


def test_units_that_are_their_own_clusters_are_not_copied():
    influence = np.random.default_rng(11).standard_normal((30, 2))
    own = Clustering(np.arange(30), np.zeros(30, dtype=np.int64), scale=1.0)
    assert own.sums(influence) is influence
    turned = Clustering(np.arange(30)[::-1].copy(), np.zeros(30, dtype=np.int64), scale=1.0)
    np.testing.assert_array_equal(turned.sums(influence), influence[::-1])


@pytest.mark.parametrize("many", [1, 1 << 40])
def test_bands_of_huge_strata_are_those_of_the_normal_limit(monkeypatch, many):
    """Drawn together and in single or double precision: the quantile of the largest of five independent |z|."""
    monkeypatch.setattr(score_bootstrap, "MANY", many)
    rng = np.random.default_rng(12)
    stratum = np.repeat([0, 1, 2], [1_200, 1_300, 40])
    scores = rng.standard_normal((2_540, 5))
    assert score_bootstrap.HUGE < 1_200
    draws = sup_t_draws(scores, stratum, 0, 4_000)
    limit = stats.norm.ppf(0.5 + 0.95 ** (1 / 5) / 2)
    # Four standard errors of 4,000 draws; the scores' own correlations are within 0.05.
    assert np.mean(draws > limit) == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 4_000))
    same = np.repeat(scores[:, :1], 5, axis=1)
    alone = np.mean(sup_t_draws(same, stratum, 0, 4_000) > stats.norm.ppf(0.975))
    assert alone == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 4_000))


def test_more_parameters_than_clusters_are_drawn_by_signs():
    """A stratum of 250 clusters and 300 parameters: no 300 x 300 covariance has a rank to draw from."""
    scores = np.random.default_rng(13).standard_normal((250, 300))
    draws = sup_t_draws(scores, np.zeros(250, dtype=np.int64), 0, 500)
    limit = stats.norm.ppf(0.5 + 0.95 ** (1 / 300) / 2)
    assert np.quantile(draws, 0.95) == pytest.approx(limit, abs=0.25)


def test_a_stratum_without_influence_does_no_harm():
    rng = np.random.default_rng(14)
    scores = np.concatenate([rng.standard_normal((400, 4)), np.zeros((300, 4))])
    stratum = np.repeat([0, 1], [400, 300])
    assert np.isfinite(wald_draws(scores, stratum, 0, 200)).all()
    assert np.isfinite(sup_t_draws(scores, stratum, 0, 200)).all()


def test_small_strata_beside_huge_ones_are_still_recentred():
    """Four clusters that all have one sign leave no variance; without recentring no draw could exceed two."""
    scores = np.concatenate([np.full((4, 2), 0.5), np.zeros((1_200, 2))])
    stratum = np.repeat([0, 1], [4, 1_200])
    assert sup_t_draws(scores, stratum, 0, 200).max() > 100
