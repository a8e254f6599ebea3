"""Limits of ratios by the test that they invert, and counterfactuals by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.counterfactual import counterfactual
from liftos_pipeline.causal.inference.fieller import fieller
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError

Q = 1.959963984540054
SEEDS = range(4_000)


def rejects(ratio: float, n: float, d: float, vn: float, c: float, vd: float) -> bool:
    return (n - ratio * d) ** 2 > Q**2 * (vn - 2 * ratio * c + ratio**2 * vd)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ((2.0, 1.0, 0.04, 0.01, 0.01), "interval"),
        ((-2.0, 1.0, 0.04, -0.01, 0.01), "interval"),
        ((2.0, 0.1, 0.04, 0.0, 0.01), "rays"),
        ((0.1, 0.1, 0.04, 0.0, 0.01), "line"),
        ((0.1, 1.0, 1.0, 0.0, 0.01), "interval"),
    ],
)
def test_the_set_holds_what_the_test_does_not_reject_and_nothing_else(given, kind) -> None:
    found = fieller(*given, Q)
    assert found.kind == kind and found.ratio == given[0] / given[1]
    grid = np.linspace(-80.0, 80.0, 4_001)
    inside = (grid >= found.low) & (grid <= found.high)
    held = ~inside if kind == "rays" else inside
    assert [not rejects(value, *given) for value in grid] == held.tolist()


def test_the_true_ratio_is_covered_where_a_delta_interval_would_miss_it() -> None:
    """A denominator of two standard errors: the delta method's interval is symmetric and too sure of itself."""
    covered = delta = 0
    for seed in SEEDS:
        n, d = np.random.default_rng(seed).normal([4.0, 2.0], [1.0, 1.0])
        found = fieller(n, d, 1.0, 0.0, 1.0, Q)
        inside = found.low <= 2.0 <= found.high
        covered += not inside if found.kind == "rays" else inside
        half = Q * math.sqrt(1.0 + (n / d) ** 2) / abs(d)
        delta += abs(n / d - 2.0) <= half
    error = 3.5 * math.sqrt(0.95 * 0.05 / len(SEEDS))
    assert abs(covered / len(SEEDS) - 0.95) < error
    assert delta / len(SEEDS) < 0.95 - error


@pytest.mark.parametrize(
    "given", [(1.0, 0.0, 1.0, 0.0, 1.0), (1.0, 1.0, -1.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.1, 1.0)]
)
def test_what_is_no_ratio_or_no_covariance_is_refused(given) -> None:
    with pytest.raises(LiftosError):
        fieller(*given, Q)


def att(**more: object) -> EffectEstimate:
    fields = {
        "method": "doubly_robust",
        "estimand": "att",
        "estimate": 0.5,
        "std_error": 0.1,
        "ci_low": 0.3,
        "ci_high": 0.7,
        "level": 0.95,
        "p_value": 0.01,
        **dict.fromkeys(("n_rows", "n_units", "n_treated", "n_clusters"), 10),
        "diagnostics": {},
    }
    return EffectEstimate(**{**fields, **more})  # type: ignore[arg-type]


def test_without_the_treatment_the_effect_is_gone() -> None:
    found = counterfactual(att(), outcome=1_000.0, unit_days=100.0)
    assert (found.counterfactual, found.difference) == (950.0, 50.0)
    assert (found.counterfactual_low, found.counterfactual_high) == (930.0, 970.0)
    assert (found.difference_low, found.difference_high) == (30.0, 70.0)
    assert found.warnings == () and found.share == 0.0


def test_another_budget_keeps_its_share_and_says_when_it_extrapolates() -> None:
    half = counterfactual(att(), 1_000.0, 100.0, dose=0.25, doses=[0.2, 0.5, 0.8])
    assert half.share == 0.5 and half.counterfactual == pytest.approx(975.0)
    assert len(half.warnings) == 1
    more = counterfactual(att(), 1_000.0, 100.0, dose=1.0, doses=[0.2, 0.5, 0.8])
    assert more.counterfactual == pytest.approx(1_050.0)
    assert (more.counterfactual_low, more.counterfactual_high) == pytest.approx((1_030.0, 1_070.0))
    assert "extrapolated: a dose of 1 where units had 0.2 to 0.8" in more.warnings


def test_an_effect_that_cannot_be_true_is_said_to_be_so() -> None:
    assert "below zero" in counterfactual(att(estimate=20.0), 1_000.0, 100.0).warnings[0]


@pytest.mark.parametrize(
    ("effect", "outcome", "days", "options"),
    [
        (att(diagnostics={"refused": "overlap"}), 1.0, 1.0, {}),
        (att(estimand="ate"), 1.0, 1.0, {}),
        (att(), 1.0, 0.0, {}),
        (att(), math.nan, 1.0, {}),
        (att(), 1.0, 1.0, {"dose": 0.5}),
        (att(), 1.0, 1.0, {"dose": 0.5, "doses": [-0.5, 0.5]}),
    ],
)
def test_what_has_no_counterfactual_is_refused(effect, outcome, days, options) -> None:
    with pytest.raises(LiftosError):
        counterfactual(effect, outcome, days, **options)
