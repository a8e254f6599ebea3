"""Weights on the simplex: equal to the best of all supports, proven on every size, honest where they cannot be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from liftos_pipeline.causal.kernels import simplex
from liftos_pipeline.causal.kernels.simplex import nearest_points
from liftos_pipeline.errors import LiftosError
from tests.exact_weights import best_objective, exact_points, objective_of


def factor_data(n_units: int, n_periods: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    factors = 0.3 * rng.standard_normal((n_periods, 4)).cumsum(axis=0)
    return factors @ rng.standard_normal((4, n_units)) + rng.standard_normal((n_periods, n_units))


def best_of_all_supports(Z: np.ndarray, ridge: float) -> float:
    """Smallest objective over every set of donors, by least squares with the sum fixed."""
    x, D = Z[:, 0], Z[:, 1:]
    best = np.inf
    for size in range(1, D.shape[1] + 1):
        for support in itertools.combinations(range(D.shape[1]), size):
            A = D[:, support]
            ones = np.ones((size, 1))
            system = np.block([[A.T @ A + ridge * np.eye(size), ones], [ones.T, np.zeros((1, 1))]])
            w = np.linalg.solve(system, np.append(A.T @ x, 1.0))[:-1]
            if (w >= -1e-12).all():
                best = min(best, float(np.sum((x - A @ w) ** 2) + ridge * w @ w))
    return best


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_no_support_is_better(seed, ridge):
    Z = factor_data(8, 12, seed)
    fit = nearest_points(Z, [0], [np.arange(1, 8)], ridge)[0]
    assert fit.objective == pytest.approx(best_of_all_supports(Z, ridge), rel=1e-9)


@pytest.mark.parametrize(("n_donors", "n_periods"), [(5, 40), (50, 30), (200, 100), (400, 60)])
def test_every_placebo_is_proven(n_donors, n_periods):
    """Optimality from the data alone: no donor has a smaller gradient than those in use have in common."""
    Z = factor_data(n_donors + 1, n_periods)
    everyone = np.arange(n_donors + 1)
    fits = nearest_points(Z, everyone, [np.delete(everyone, column) for column in everyone])
    for column, fit in enumerate(fits):
        assert abs(fit.weights.sum() - 1.0) < 1e-12
        assert (fit.weights >= 0).all()
        assert column not in fit.members
        left = Z[:, column] - Z[:, fit.members] @ fit.weights
        assert fit.objective == pytest.approx(left @ left, rel=1e-8)
        if fit.is_exact:
            continue
        gradient = -left @ (Z[:, fit.members] - Z[:, [column]])
        assert gradient.min() >= fit.objective * (1 - 1e-7)
        assert fit.gap <= 1e-8 * fit.objective


def test_a_combination_of_donors_is_met():
    rng = np.random.default_rng(1)
    D = rng.standard_normal((60, 12))
    w = np.append(rng.dirichlet(np.ones(4)), np.zeros(8))
    fit = nearest_points(np.column_stack([D @ w, D]), [0], [np.arange(1, 13)])[0]
    np.testing.assert_allclose(fit.weights, w, atol=1e-7)
    assert fit.is_exact
    assert not nearest_points(factor_data(13, 60), [0], [np.arange(1, 13)])[0].is_exact


def test_copies_constants_offsets_and_scales():
    plain = factor_data(30, 50)
    donors = [np.arange(1, 30)]
    objective = nearest_points(plain, [0], donors)[0].objective
    twice = np.column_stack([plain, plain[:, 1:]])
    assert nearest_points(twice, [0], [np.arange(1, 59)])[0].objective == pytest.approx(objective, rel=1e-9)
    moved = plain + 1e7
    assert nearest_points(moved, [0], donors)[0].objective == pytest.approx(objective, rel=1e-6)
    shifted = plain + 5.0 * np.sin(np.arange(50))[:, None]
    assert nearest_points(shifted, [0], donors)[0].objective == pytest.approx(objective, rel=1e-9)
    constant = np.column_stack([plain, np.zeros(50)])
    assert nearest_points(constant, [0], [np.arange(1, 31)])[0].objective <= objective
    wide = factor_data(40, 60) * np.logspace(0, 5, 40)
    fit = nearest_points(wide, [0], [np.arange(1, 40)])[0]
    assert fit.gap <= 1e-8 * fit.objective


def test_donors_are_those_named():
    Z = factor_data(10, 40)
    few = nearest_points(Z, [0], [np.array([3, 7])])[0]
    np.testing.assert_array_equal(few.members, [3, 7])
    x, a, b = Z[:, 0], Z[:, 3], Z[:, 7]
    share = np.clip((x - b) @ (a - b) / ((a - b) @ (a - b)), 0.0, 1.0)
    np.testing.assert_allclose(few.weights, [share, 1 - share], atol=1e-12)
    with pytest.raises(LiftosError, match="at least one donor for every treated unit; found none"):
        nearest_points(Z, [0], [np.array([], dtype=np.int64)])


def test_weights_that_are_not_best_are_not_returned(monkeypatch):
    """The equal-weights start, which other solvers return in silence, does not pass the proof."""
    monkeypatch.setattr(simplex, "_solver", lambda: lambda _, __, members: np.full(len(members), 1 / len(members)))
    with pytest.raises(LiftosError, match="weights within 1e-08 of the best objective; found a gap of"):
        nearest_points(factor_data(30, 50), [0], [np.arange(1, 30)])


def test_the_plain_loops_are_what_is_compiled():
    Z = factor_data(15, 30)
    gram = Z.T @ Z
    members = np.arange(1, 15)
    np.testing.assert_allclose(
        simplex._active_set(gram, 0, members), simplex._solver()(gram, 0, members), atol=1e-12
    )


def hard_cases(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Panels, target first, on which weights are hard to find, or to prove, or not unique."""
    rng = np.random.default_rng(seed)
    n, T = int(rng.integers(2, 9)), int(rng.integers(1, 11))
    Z = factor_data(n + 1, T, seed)
    mix = Z[:, 1:] @ rng.dirichlet(np.ones(n))
    yield "plain", Z
    yield "one period", Z[:1]
    yield "two donors", Z[:, :3]
    yield "one donor", Z[:, :2]
    yield "copies", np.column_stack([Z, Z[:, 1:], Z[:, 1:]])
    yield "a copy of the target", np.column_stack([Z, Z[:, 0]])
    yield "constant donors", np.column_stack([Z, np.zeros(T), np.full(T, 3.0)])
    yield "all alike", np.full((T, n + 1), 2.5)
    yield "inside", np.column_stack([mix, Z[:, 1:]])
    for exponent in (3, 6, 9, 12):
        near = 10.0**-exponent
        yield f"copies to {near:g}", np.column_stack([Z, Z[:, 1:] + near * rng.standard_normal((T, n))])
        yield f"inside to {near:g}", np.column_stack([mix + near * rng.standard_normal(T), Z[:, 1:]])
        yield f"donors within {near:g}", np.column_stack([Z[:, 0], rng.standard_normal((T, 1)) + near * Z[:, 1:]])
        yield f"offset {1 / near:g}", Z + 1 / near
        yield f"offsets by period {1 / near:g}", Z + rng.standard_normal((T, 1)) / near
        yield f"levels by unit {1 / near:g}", Z + rng.standard_normal((1, n + 1)) / near
        yield f"a far donor {1 / near:g}", np.column_stack([Z, Z[:, 1] + 1 / near])
        yield f"two far donors {1 / near:g}", np.column_stack([Z, Z[:, 1:3] + rng.standard_normal((T, 2)) / near])
        yield f"target outside by {1 / near:g}", np.column_stack([Z[:, 0] + 1 / near, Z[:, 1:]])
        yield f"scales to {1 / near:g}", Z * np.logspace(0, exponent, n + 1)
    for scale in (1e-150, 1e-12, 1e12, 1e150):
        yield f"times {scale:g}", Z * scale
    yield "integers with ties", rng.integers(0, 3, (T, 2 * n + 5)).astype(float)
    yield "zeros and ones", rng.integers(0, 2, (T, n + 3)).astype(float)
    yield "counts", rng.poisson(1e6, (T, n + 1)).astype(float)


@pytest.mark.parametrize("seed", range(12))
def test_hard_cases_are_right_in_exact_arithmetic_or_refused(seed):
    """Within 1e-8 of the exact optimum; or the misfit is nothing beside the donors in use; or an error."""
    refused = 0
    for name, Z in hard_cases(seed):
        points = exact_points(Z)
        try:
            fit = nearest_points(Z, [0], [np.arange(1, Z.shape[1])])[0]
        except LiftosError:
            refused += 1
            continue
        objective, best = objective_of(points, fit.weights), best_objective(points)
        assert abs(fit.weights.sum() - 1.0) <= 1e-12, name
        assert (fit.weights >= 0).all(), name
        assert float(objective - best) <= 1e-8 * float(objective) or fit.is_exact, name
        if fit.is_exact:
            longest = max(objective_of(points, row) for row in np.eye(len(points))[fit.weights > 0])
            assert float(objective) <= 1e-12 * float(longest), name
        else:
            assert fit.objective == pytest.approx(float(objective), rel=1e-8), name
    assert refused <= 2


def test_a_far_donor_does_not_hide_a_misfit():
    """Beside a donor a hundred million away the others' misfit is no rounding."""
    far = np.column_stack([factor_data(8, 20), 1e8 + np.zeros(20)])
    fit = nearest_points(far, [0], [np.arange(1, 9)])[0]
    assert not fit.is_exact
    assert fit.objective == pytest.approx(float(best_objective(exact_points(far))), rel=1e-8)


def test_targets_together_and_alone_have_the_same_weights():
    """The shared products are of the median's differences, those of one target of its own."""
    Z = factor_data(30, 25) + 1e6 * np.sin(np.arange(25))[:, None]
    everyone = np.arange(30)
    donors = [np.delete(everyone, column) for column in everyone]
    for column, fit in enumerate(nearest_points(Z, everyone, donors)):
        alone = nearest_points(Z, [column], [donors[column]])[0]
        np.testing.assert_allclose(fit.weights, alone.weights, atol=1e-7)
        assert fit.objective == pytest.approx(alone.objective, rel=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_a_ridge_near_rounding_neither_fails_nor_hides_that_the_target_is_met(seed):
    """More donors than periods around the target: what is left of the objective is the ridge alone."""
    rng = np.random.default_rng([71, seed])
    donors = 30.0 * rng.standard_normal((18, 40))
    Z = np.column_stack([donors.mean(axis=1), donors])
    for ridge in (1e-13, 1e-12, 1e-11, 1e-10):
        (fit,) = nearest_points(Z, [0], [np.arange(1, 41)], ridge * 900.0)
        assert np.sum((donors @ fit.weights - Z[:, 0]) ** 2) < 1e-12 * 900.0 * 18
        assert fit.is_exact or fit.gap <= 1e-8 * fit.objective
    (even,) = nearest_points(Z, [0], [np.arange(1, 41)], 1e-6 * 900.0)
    np.testing.assert_allclose(even.weights, 1 / 40, atol=1e-6)
