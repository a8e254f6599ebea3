"""Diagnostics against published numbers and other libraries; numbers by make_<topic>.py, else their source is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp, t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from liftos_pipeline.causal.diagnostics.balance import balance
from liftos_pipeline.causal.diagnostics.benchmarks import linear_sensitivity
from liftos_pipeline.causal.diagnostics.honest_did import relative_magnitudes, smoothness
from liftos_pipeline.causal.diagnostics.pretrends import pretrends
from liftos_pipeline.causal.diagnostics.sensitivity import e_value, robustness
from liftos_pipeline.causal.inference.multiplicity import benjamini_hochberg, holm, romano_wolf
from tests.reference.make_honest_did import BETA, EVENT_TIME, FIRST, MEAN, MIXED, SIGMA
from tests.reference.make_multiplicity import family
from tests.reference.make_sensitivity import rows

EXACT = 1e-9
"""Same formula in another order of operations."""
GRID = 1.3
"""Steps of the peer's grid: its ends are the last grid points inside, at a critical value from 1,000 draws."""
FLAT = 5e-3
"""Near the shortest interval its length hardly moves while its centre does: shares of the length."""
DRAWN_QUANTILE = 2e-3
"""Half lengths of the peers use the quantile of a million draws, ours the exact one."""


def test_holm_and_benjamini_hochberg_are_statsmodels():
    p = np.random.default_rng(0).uniform(0, 0.2, 30) ** 2
    p[5] = p[6]
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=EXACT)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], rtol=EXACT)


def test_romano_wolf_is_pyfixests():
    np.testing.assert_allclose(romano_wolf(*family()), [0.039, 0.04, 0.116, 0.511, 0.101], rtol=EXACT)


def test_balance_is_statsmodels_and_scipys():
    rng = np.random.default_rng(1)
    X = np.round(rng.standard_normal((150, 2)), 1)
    d = (rng.random(150) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    w = rng.uniform(0.2, 3.0, 150)
    found = balance(X, d, ["a", "b"], w).table
    for place in range(2):
        one, zero = X[d == 1, place], X[d == 0, place]
        pooled = math.sqrt((one.var(ddof=1) + zero.var(ddof=1)) / 2)
        assert found.loc[place, "smd_before"] == pytest.approx((one.mean() - zero.mean()) / pooled, rel=EXACT)
        assert found.loc[place, "ks_before"] == pytest.approx(ks_2samp(one, zero).statistic, rel=EXACT)
        assert found.loc[place, "variance_ratio_before"] == pytest.approx(
            one.var(ddof=1) / zero.var(ddof=1), rel=EXACT
        )
        weighted = {arm: DescrStatsW(X[d == arm, place], w[d == arm]) for arm in (0, 1)}
        gap = weighted[1].mean - weighted[0].mean
        assert found.loc[place, "smd_after"] == pytest.approx(gap / pooled, rel=EXACT)


# PySensemakr 0.0.8: covariate, times -> r2_treatment, r2_outcome, estimate, std_error, ci_low, ci_high
BENCHMARKS = {
    ("x0", 1): (
        0.3873342060411404, 0.4247165618692555, -0.46768884574171754,
        0.08412186745773886, -0.6332438871943119, -0.3021338042891232,
    ),
    ("x1", 1): (
        0.09845616958794537, 7.02767454932011e-05, 0.2995066818750381,
        0.0914262912234871, 0.11957625604413946, 0.4794371077059367,
    ),
    ("x1", 3): (
        0.29536850876383614, 0.00022115456515861223, 0.2892985269414598,
        0.10340718927615328, 0.0857892370922971, 0.49280781679062247,
    ),
    ("x2", 3): (
        0.00932499113922734, 0.00044904050055154964, 0.3005701490050252,
        0.0872000337241289, 0.12895715901620516, 0.47218313899384523,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("q", "rv_q", "rv_q_alpha"), [
    (1.0, 0.18423582829934415, 0.08531222221116284), (0.5, 0.09692243333543489, 0.0),
])  # fmt: skip
def test_robustness_values_are_sensemakrs(q, rv_q, rv_q_alpha):
    frame = rows()
    y, d = frame["y"].to_numpy(), frame["d"].to_numpy()
    found = linear_sensitivity(y, d, frame[["x0", "x1", "x2"]].to_numpy(), ["x0", "x1", "x2"], q=q)
    assert found.estimate == pytest.approx(0.3036303842910333, rel=EXACT)
    assert found.std_error == pytest.approx(0.08666474103759884, rel=EXACT)
    assert found.robustness.partial_r2 == pytest.approx(0.039946522677348814, rel=EXACT)
    assert found.robustness.rv_q == pytest.approx(rv_q, rel=EXACT)
    assert found.robustness.rv_q_alpha == pytest.approx(rv_q_alpha, rel=EXACT)


def test_benchmark_bounds_are_sensemakrs():
    frame = rows()
    y, d = frame["y"].to_numpy(), frame["d"].to_numpy()
    found = linear_sensitivity(y, d, frame[["x0", "x1", "x2"]].to_numpy(), ["x0", "x1", "x2"])
    table = found.benchmarks.set_index(["covariate", "times"])
    names = ["r2_treatment", "r2_outcome", "estimate", "std_error"]
    quantile = {freedom: t.ppf(0.975, freedom) for freedom in (294, 295)}
    for key, (*values, low, high) in BENCHMARKS.items():
        row = table.loc[key]
        assert row[names].to_list() == pytest.approx(values, rel=1e-8), key
        # The peer's interval has one degree of freedom more than its standard error: 295, not 294.
        margin = (high - low) / (row["ci_high"] - row["ci_low"])
        assert margin == pytest.approx(quantile[295] / quantile[294], rel=1e-9), key
        assert row["ci_low"] + row["ci_high"] == pytest.approx(low + high, rel=1e-8), key


def test_robustness_of_darfur():
    """Cinelli and Hazlett (2020), table 1: t = 4.18445 with 783 degrees of freedom gives 13.9 % and 7.6 %."""
    found = robustness(4.18445, 783)
    assert round(found.rv_q, 3) == 0.139
    assert round(found.rv_q_alpha, 3) == 0.076
    assert round(found.partial_r2, 3) == 0.022


def test_e_value_of_the_paper():
    """VanderWeele and Ding (2017): a risk ratio of 3.9 (1.8 to 8.7) has E-values 7.26 and, for the limit, 3.0."""
    found = e_value(*(math.log(ratio) / 0.91 for ratio in (3.9, 1.8, 8.7)), 1.0)
    assert round(found.estimate, 2) == 7.26
    assert round(found.limit, 1) == 3.0


# README of the R package pretrends 0.1.0: He and Wang (2017), figure 2C.
HE_WANG = np.array([
    [0.008906571194529533, 0.0044883135706186295, 0.0014587024925276637],
    [0.0044883135706186295, 0.005936916917562485, 0.002750079147517681],
    [0.0014587024925276637, 0.002750079147517681, 0.00303862476721406],
])  # fmt: skip


def test_detectable_slope_is_that_of_the_pretrends_package():
    V = np.zeros((4, 4))
    V[:3, :3] = HE_WANG
    V[3, 3] = 0.003924740944057703
    beta = np.array([0.06670314818620682, -0.007701792288571596, -0.03076905384659767, 0.08403065800666809])
    found = pretrends(beta, V, [-4, -3, -2, 0], powers=(0.5,)).violations.iloc[0]
    # Its own slope has a power of .49998 there; one ten-thousandth of power is one six-thousandth of the slope.
    assert found["slope_individual"] == pytest.approx(0.05205871, rel=3e-4)
    assert found["bias_individual"] == pytest.approx(0.05205871, rel=3e-4)


# Event study of Medicaid expansions on insurance coverage, README of the R package HonestDiD 0.2.8:
# dins on year x expansion with state and year effects, 2008-2015, clustered by state, reference 2013.
MEDICAID_BETA = np.array(
    [
        -0.005285354532720775,
        -0.011297324648151193,
        -0.0026759918117936687,
        -0.0014193122521107947,
        0.0003396635189716342,
        0.04644685415994547,
        0.06920617547902183,
    ]
)
MEDICAID_LOWER = [
    [7.488483635897652e-05],
    [6.039874095644356e-05, 7.266500616996955e-05],
    [4.444619818461133e-05, 3.7893302212880905e-05, 5.052051940162894e-05],
    [3.385764706089169e-05, 2.8665780251484514e-05, 2.6736794324838797e-05, 4.0032220263377625e-05],
    [
        4.3280112547435393e-05,
        4.5433206284037334e-05,
        2.7781935676740326e-05,
        2.4128599757163726e-05,
        5.4626622070542594e-05,
    ],
    [
        4.765880478777928e-05,
        4.428850119318047e-05,
        3.0606441089055124e-05,
        2.3808682090735743e-05,
        3.682531051743132e-05,
        8.375668824677483e-05,
    ],
    [
        2.4251286997540952e-05,
        2.8246550429845746e-05,
        9.637533882668536e-06,
        2.9238781433634124e-06,
        9.722947502417804e-06,
        6.321397962533724e-05,
        0.00010712352303004367,
    ],
]
MEDICAID_TIME = [-6, -5, -4, -3, -2, 0, 1]
PUBLISHED_RM = {0.5: (0.0241, 0.0673), 1.0: (0.0171, 0.0720), 1.5: (0.00859, 0.0796), 2.0: (-0.00107, 0.0883)}
PUBLISHED_SD = {
    0.0: (0.0259, 0.0607), 0.01: (0.0132, 0.0787), 0.02: (0.00286, 0.0907),
    0.03: (-0.00714, 0.101), 0.04: (-0.0171, 0.111), 0.05: (-0.0271, 0.121),
}  # fmt: skip


def medicaid() -> tuple[np.ndarray, np.ndarray, list[int]]:
    V = np.zeros((7, 7))
    for place, row in enumerate(MEDICAID_LOWER):
        V[place, : place + 1] = V[: place + 1, place] = row
    return MEDICAID_BETA, V, MEDICAID_TIME


def test_relative_magnitudes_are_those_published_for_medicaid():
    beta, V, time = medicaid()
    found = relative_magnitudes(beta, V, time, weights=[1.0, 0.0])
    step = 40 * math.sqrt(V[5, 5]) / 999
    for row in found.sets.itertuples():
        low, high = PUBLISHED_RM[row.bound]
        assert (row.ci_low, row.ci_high) == pytest.approx((low, high), abs=GRID * step), row.bound
    assert 1.5 < found.breakdown < 2.0


def test_smoothness_is_that_published_for_medicaid():
    beta, V, time = medicaid()
    found = smoothness(beta, V, time, bounds=tuple(PUBLISHED_SD), weights=[1.0, 0.0])
    for row in found.sets.itertuples():
        low, high = PUBLISHED_SD[row.bound]
        # Printed to three digits.
        assert (row.ci_low, row.ci_high) == pytest.approx((low, high), rel=5e-3, abs=1e-4), row.bound
    assert 0.02 < found.breakdown < 0.03


# moderndid 0.2.0 on Benzarti and Carloni: weights, Mbar -> ends, step of the grid
GRIDS = {
    ("FIRST", 0.5): (0.12, 0.27, 0.002), ("FIRST", 1.0): (0.068, 0.318, 0.002), ("FIRST", 2.0): (-0.042, 0.424, 0.002),
    ("MEAN", 0.5): (0.068, 0.368, 0.004), ("MEAN", 1.0): (-0.068, 0.504, 0.004), ("MEAN", 2.0): (-0.348, 0.784, 0.004),
    ("MIXED", 0.5): (-0.67 / 3, 0.01, 0.01 / 3), ("MIXED", 1.0): (-0.98 / 3, 0.34 / 3, 0.01 / 3),
    ("MIXED", 2.0): (-1.61 / 3, 0.97 / 3, 0.01 / 3),
}  # fmt: skip
CHOICES = {"FIRST": FIRST, "MEAN": MEAN, "MIXED": MIXED}


@pytest.mark.parametrize(("name", "mbar"), GRIDS)
def test_relative_magnitudes_are_the_ports(name, mbar):
    low, high, step = GRIDS[name, mbar]
    found = relative_magnitudes(BETA, SIGMA, EVENT_TIME, mbars=(mbar,), weights=CHOICES[name]).sets.iloc[0]
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((low, high), abs=GRID * step)


# The port, like the R package, takes weights to be positive: MIXED, whose bias it overstates, is left out.
INTERVALS = {
    ("FIRST", 0.0): (0.1315158695515346, 0.21617598566661705),
    ("FIRST", 0.02): (0.17647174949372518, 0.3152440696452909),
    ("FIRST", 0.1): (0.11939779363639547, 0.41855422710796564),
    ("MEAN", 0.0): (0.13333438931516617, 0.23039107094770228),
    ("MEAN", 0.02): (0.1137462335037574, 0.4767135778441411),
    ("MEAN", 0.1): (-0.18642548753171384, 0.9883046824201219),
}


@pytest.mark.parametrize(("name", "bound"), INTERVALS)
def test_smoothness_is_the_ports(name, bound):
    low, high = INTERVALS[name, bound]
    found = smoothness(BETA, SIGMA, EVENT_TIME, bounds=(bound,), weights=CHOICES[name]).sets.iloc[0]
    assert found["ci_high"] - found["ci_low"] == pytest.approx(high - low, rel=DRAWN_QUANTILE)
    assert (found["ci_high"] + found["ci_low"]) / 2 == pytest.approx((high + low) / 2, abs=FLAT * (high - low))
