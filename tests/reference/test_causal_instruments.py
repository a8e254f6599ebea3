"""Outside witnesses of the instrumental-variable estimators: linearmodels 7.1, pyfixest 0.60.0, and brute force."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from tests.reference.make_instruments import CASES, COVARIATES, INSTRUMENTS, N_CLUSTERS, frame_of

EXACT = 1e-9
"""Same formula in another order of operations."""

WITNESS: dict[tuple[object, ...], dict[str, object]] = {
    (1, 3, None, "g"): {
        "2sls": (0.08007018597393678, 0.26891470921937904),
        "pyfixest": (0.08007018597393667, 0.2689147092193795, 0.7669375899310715),
        "liml": (0.06001155449658668, 0.2740347411147312),
        "kappa": 1.0016186161283964,
        "partial_r2": 0.11270556885100824,
        "first_stage_f": 21.730869964423235,
        "effective_f": 18.72456663437751,
        "wooldridge_regression": 57.96538560616357,
        "overidentification_p": 0.6998327842720309,
    },
    (1, 3, "w", "g"): {
        "2sls": (0.32691910477112796, 0.2538788504133642),
        "pyfixest": (0.32691910477112623, 0.25387885041336455, 0.20287945277026997),
        "liml": (0.31746001299481463, 0.2563748282345902),
        "kappa": 1.0010725544347239,
        "partial_r2": 0.13039845250936666,
        "first_stage_f": 26.067036511038456,
        "effective_f": 21.481004315470845,
        "wooldridge_regression": 44.49386067915992,
        "overidentification_p": 0.7556929915803599,
    },
    (1, 1, "w", "g"): {
        "2sls": (0.2826370283241886, 0.2878304343797473),
        "pyfixest": (0.2826370283241912, 0.28783043437974676, 0.3301308177976847),
        "liml": (0.28263702832417614, 0.2878304343797505),
        "kappa": 1.000000000000001,
        "partial_r2": 0.10385427452167495,
        "first_stage_f": 45.84254765064152,
        "effective_f": 45.842547650641585,
        "wooldridge_regression": 33.363254210213626,
        "overidentification_p": math.nan,
    },
    (1, 3, None, None): {
        "2sls": (0.08007018597393678, 0.2987851820545528),
        "pyfixest": (0.08007018597393667, 0.2987851820545529, 0.7888256110394947),
        "liml": (0.06001155449658668, 0.3046129978164819),
        "kappa": 1.0016186161283964,
        "partial_r2": 0.11270556885100824,
        "first_stage_f": 18.196228875086277,
        "effective_f": 20.318421095164563,
        "wooldridge_regression": 52.32108081806751,
        "overidentification_p": 0.6916600334644132,
    },
    (2, 2, "w", None): {
        "2sls": (0.7585463820220673, 0.1880398538451864),
        "pyfixest": (0.7585463820220679, 0.18803985384518673, 6.381526777543556e-05),
        "liml": (0.7477458388968579, 0.19069734747316364),
        "kappa": 1.0022810322699895,
        "partial_r2": 0.17262383048733898,
        "first_stage_f": 52.13518321523018,
        "effective_f": 49.18150225831131,
        "wooldridge_regression": 36.04606632471989,
        "overidentification_p": 0.31855757544299323,
    },
}
"""Printed by make_instruments.py. Debiased clustered covariances of linearmodels are CR1 with (n - 1) / (n - k)."""


def fitted(
    frame: pd.DataFrame, n_instruments: int, weights: str | None, cluster: str | None, **options: object
) -> EffectEstimate:
    panel = Panel.from_frame(
        frame,
        outcome="y",
        treatment="d",
        unit="row",
        covariates=COVARIATES,
        instruments=INSTRUMENTS[:n_instruments],
        weights=weights,
        cluster=cluster,
    )
    return estimate("iv", panel, **options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_estimates_and_standard_errors(case):
    seed, n_instruments, weights, cluster = case
    expected = WITNESS[case]
    for estimator in ("2sls", "liml"):
        ours = fitted(frame_of(seed), n_instruments, weights, cluster, estimator=estimator)
        assert (ours.estimate, ours.std_error) == pytest.approx(expected[estimator], rel=EXACT)
    assert ours.diagnostics["kappa"] == pytest.approx(expected["kappa"], rel=EXACT)
    ours = fitted(frame_of(seed), n_instruments, weights, cluster)
    assert (ours.estimate, ours.std_error, ours.p_value) == pytest.approx(expected["pyfixest"], rel=EXACT)
    assert ours.n_clusters == (480 if cluster is None else N_CLUSTERS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_first_stage_and_specification_tests(case):
    seed, n_instruments, weights, cluster = case
    expected = WITNESS[case]
    found = fitted(frame_of(seed), n_instruments, weights, cluster).diagnostics
    for name in ("partial_r2", "first_stage_f", "effective_f"):
        assert found[name] == pytest.approx(expected[name], rel=EXACT), name
    freedom = (480 if cluster is None else N_CLUSTERS) - 1
    p_value = 2 * stats.t.sf(math.sqrt(expected["wooldridge_regression"]), freedom)
    assert found["wu_hausman_p"] == pytest.approx(p_value, rel=EXACT)
    assert found["first_stage_p"] == pytest.approx(
        stats.f.sf(expected["first_stage_f"], n_instruments, freedom), rel=EXACT
    )
    for estimator in ("2sls", "liml"):
        found = fitted(frame_of(seed), n_instruments, weights, cluster, estimator=estimator).diagnostics
        assert found["overidentification_p"] == pytest.approx(
            expected["overidentification_p"], rel=EXACT, nan_ok=n_instruments == 1
        )


def test_critical_values_of_the_effective_f():
    """Table 1 of Montiel Olea and Pflueger (2013) has 23.11 for one instrument; else scipy's non-central quantile."""
    one = fitted(frame_of(1), 1, None, "g").diagnostics["effective_f_critical_value"]
    assert one == pytest.approx(23.11, abs=0.005)
    frame = frame_of(1)
    design = np.column_stack([np.ones(len(frame)), frame[COVARIATES]])
    z, d = annihilated(design, frame[INSTRUMENTS].to_numpy()), annihilated(design, frame["d"].to_numpy())
    v = d - z @ np.linalg.lstsq(z, d, rcond=None)[0]
    scores = pd.DataFrame(z * v[:, None]).groupby(frame["g"].to_numpy()).sum().to_numpy()
    spectrum = np.linalg.eigvals(np.linalg.solve(z.T @ z, scores.T @ scores)).real
    share = spectrum / spectrum.sum()
    freedom = 21.0 / (np.sum(share**2) + 20.0 * share.max())
    expected = stats.ncx2.ppf(0.95, freedom, 10.0 * freedom) / freedom
    found = fitted(frame, 3, None, "g").diagnostics["effective_f_critical_value"]
    assert found == pytest.approx(expected, rel=1e-7)


def annihilated(design: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return columns - design @ np.linalg.lstsq(design, columns, rcond=None)[0]


class BruteForce:
    """Hotelling's statistic of one hypothesis at a time, from the rows."""

    def __init__(self, frame: pd.DataFrame, n_instruments: int, weights: str | None, level: float) -> None:
        root = np.ones(len(frame)) if weights is None else np.sqrt(frame[weights].to_numpy())
        design = np.column_stack([np.ones(len(frame)), frame[COVARIATES]]) * root[:, None]
        self.y, self.d = (annihilated(design, frame[name].to_numpy() * root) for name in ("y", "d"))
        self.z = annihilated(design, frame[INSTRUMENTS[:n_instruments]].to_numpy() * root[:, None])
        labels = np.unique(frame["g"])
        self.member = (labels[:, None] == frame["g"].to_numpy()).astype(float)
        n_clusters, n_rows, q = len(labels), len(frame), n_instruments
        self.factor = (n_rows - 3) / (n_rows - 1) * (n_clusters - q) / ((n_clusters - 1) * q)
        self.reference = stats.f(q, n_clusters - q)
        self.critical_value = self.reference.ppf(level)

    def excess(self, effect: float) -> float:
        """Statistic less its critical value: negative inside the set."""
        sums = self.member @ (self.z * (self.y - effect * self.d)[:, None])
        mean, covariance = sums.mean(axis=0), np.atleast_2d(np.cov(sums.T))
        hotelling = len(sums) * mean @ np.linalg.solve(covariance, mean)
        return float(self.factor * hotelling - self.critical_value)


@pytest.mark.parametrize(
    ("n_instruments", "strength", "invalid", "seed", "weights", "shape"),
    [
        (1, 0.1, 0.0, 1, None, "bounded"),
        (1, 0.1, 0.0, 18, None, "rays"),
        (1, 0.1, 0.0, 0, "w", "line"),
        (2, 0.1, 0.0, 18, None, "two bounded"),
        (2, 0.1, 0.5, 4, None, "empty"),
        (3, 0.1, 0.0, 2, None, "rays"),
        (3, 0.1, 0.0, 3, None, "line"),
        (3, 0.1, 0.5, 13, None, "rays and bounded"),
        (3, 0.1, 0.5, 7, None, "empty"),
        (3, 0.5, 0.0, 5, "w", "bounded"),
    ],
)
def test_anderson_rubin_sets_are_those_of_brute_force(n_instruments, strength, invalid, seed, weights, shape):
    frame = frame_of(seed, strength, 240).assign(y=lambda f: f["y"] + invalid * f["z1"])
    result = fitted(frame, n_instruments, weights, "g", level=0.9)
    found = result.diagnostics["anderson_rubin_set"]
    brute = BruteForce(frame, n_instruments, weights, 0.9)
    shapes = {
        "empty": [],
        "bounded": [(False, False)],
        "two bounded": [(False, False), (False, False)],
        "line": [(True, True)],
        "rays": [(True, False), (False, True)],
        "rays and bounded": [(True, False), (False, False), (False, True)],
    }
    assert [tuple(math.isinf(limit) for limit in interval) for interval in found] == shapes[shape]

    angles = np.linspace(-math.pi / 2, math.pi / 2, 4_003)[1:-1]
    for effect in result.estimate + np.tan(angles):
        inside = any(low <= effect <= high for low, high in found)
        assert inside == (brute.excess(effect) <= 0), effect

    for limit in (limit for interval in found for limit in interval if math.isfinite(limit)):
        near = 1e-4 * (1 + abs(limit))
        root = optimize.brentq(brute.excess, limit - near, limit + near, xtol=1e-14)
        assert limit == pytest.approx(root, rel=EXACT, abs=EXACT)

    p_value = brute.reference.sf(brute.excess(0.0) + brute.critical_value)
    assert result.diagnostics["anderson_rubin_p"] == pytest.approx(p_value, rel=1e-7)
