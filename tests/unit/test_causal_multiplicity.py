"""Adjusted p-values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from liftos_pipeline.causal.inference.multiplicity import benjamini_hochberg, holm, romano_wolf
from liftos_pipeline.errors import LiftosError


def test_by_hand():
    p = np.array([0.04, 0.01, np.nan, 0.02, 0.5])
    # Family of four: sorted .01 .02 .04 .5, times 4, 3, 2, 1 and never falling.
    np.testing.assert_allclose(holm(p), [0.08, 0.04, np.nan, 0.06, 0.5])
    # Sorted times 4/1, 4/2, 4/3, 4/4 and never rising from the right.
    np.testing.assert_allclose(benjamini_hochberg(p), [0.16 / 3, 0.04, np.nan, 0.04, 0.5])
    # 3 x .02 falls to 3 / 2 x .021.
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.021, 0.5, 0.02])), [0.0315, 0.5, 0.0315])
    np.testing.assert_allclose(holm(np.array([0.6, 0.9])), [1.0, 1.0])
    assert holm(np.array([])).shape == (0,)
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_step_down_by_hand():
    draws = np.array([[1.0, 0.0], [0.0, 4.0], [3.0, 1.0], [0.5, -2.0]])
    # t = 3, 1.5 with standard errors 1, 2: largest draw of both 1, 2, 3, 1: one of four reaches 3.
    # Of the second alone 0, 2, .5, 1: one of four reaches 1.5.
    found = romano_wolf(np.array([3.0, -3.0]), np.array([1.0, 2.0]), draws)
    np.testing.assert_allclose(found, [0.4, 0.4])
    # A missing estimate leaves the family.
    wide = np.column_stack([draws, np.full(4, np.nan)])
    found = romano_wolf(np.array([3.0, -3.0, np.nan]), np.array([1.0, 2.0, np.nan]), wide)
    np.testing.assert_allclose(found, [0.4, 0.4, np.nan])
    np.testing.assert_allclose(romano_wolf(np.array([9.0, 0.0]), np.array([1.0, 2.0]), draws), [0.2, 1.0])


def test_the_largest_of_those_left_counts():
    draws = np.array([[0.0, 3.5], [0.0, 0.1], [0.0, 0.1], [2.0, 0.1]])
    # 3 is reached by one draw of four through the second, 1 by two of four, in the second's own column by one.
    np.testing.assert_allclose(romano_wolf(np.array([3.0, 1.0]), np.ones(2), draws), [0.4, 0.4])
    np.testing.assert_allclose(
        romano_wolf(np.array([1.0, 0.9, 3.0]), np.ones(3), np.insert(draws, 2, 0.0, axis=1)), [0.6, 0.6, 0.4]
    )


def test_adjusted_values_never_fall_along_the_order():
    draws = np.array([[0.1, 5.0], [0.1, 5.0], [0.1, 5.0]])
    np.testing.assert_allclose(romano_wolf(np.array([1.0, 2.0]), np.ones(2), draws), [1.0, 1.0])


def test_dependence_makes_adjustment_cheaper():
    z = np.random.default_rng(0).standard_normal((4_000, 1))
    same = romano_wolf(np.full(5, 2.2), np.ones(5), np.repeat(z, 5, axis=1))
    np.testing.assert_allclose(same, np.mean(np.abs(z) >= 2.2), atol=2e-3)


def test_wrong_calls_are_refused():
    for wrong in (np.array([1.2]), np.array([-0.1]), np.array([np.inf]), np.array([[0.1]])):
        with pytest.raises(LiftosError, match="p-values between 0 and 1"):
            holm(wrong)
        with pytest.raises(LiftosError, match="p-values between 0 and 1"):
            benjamini_hochberg(wrong)
    with pytest.raises(LiftosError, match="positive standard errors"):
        romano_wolf(np.ones(2), np.array([1.0, 0.0]), np.ones((3, 2)))
    with pytest.raises(LiftosError, match=r"draws of shape \(B, k\)"):
        romano_wolf(np.ones(2), np.ones(2), np.ones((3, 3)))
    with pytest.raises(LiftosError, match="at least one complete draw"):
        romano_wolf(np.ones(2), np.ones(2), np.empty((0, 2)))
