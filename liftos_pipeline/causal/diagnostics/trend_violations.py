"""Violations of parallel trends after treatment that are bounded by the largest one before: moments and their tests.

One restriction (which period before treatment had the largest violation, and its sign) at a time; their union is taken
in ``honest_did``.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.event_path import EventPath
from liftos_pipeline.causal.inference.moment_inequalities import (
    first_stage_share,
    largest_normal_quantile,
    rejects,
)

Floats = NDArray[np.float64]

N_GRID = 400
"""Effects tried between the ends that the first stage leaves."""
N_REFINEMENTS = 5


@dataclass(frozen=True, eq=False)
class LargestViolation:
    """One period before treatment whose violation is taken to be the largest one, with its sign; or several such
    cases, along a first axis of ``violation``, ``covariances`` and ``root``.

    Attributes
    ----------
    violation : ndarray, shape ()
        The signed violation V.
    estimate : float
        The estimand's estimate W under parallel trends.
    coefficients : ndarray, shape (n_post,)
        Of the estimand on the period-to-period changes after treatment, whose variances are ``variances``, with
        ``covariances`` to V.
    root : ndarray, shape (2, 2)
        Lower Cholesky factor of the covariance of (V, W).
    """

    violation: Floats
    estimate: float
    coefficients: Floats
    variances: Floats
    covariances: Floats
    root: Floats

    def moments(self, mbar: float) -> tuple[Floats, Floats, Floats]:
        """Moments (m,) at an effect of zero, their slopes (m,) in the effect, and their loadings (m, 2).

        Every change x_t of the trend after treatment has ``|x_t - true change| <= Mbar V``, two inequalities with
        standard deviations ``above`` and ``below``. A common slack eta, in these units, that makes room for changes
        with the effect theta exists where it is at least each of

        - ``-2 Mbar V / (above_t + below_t)``: room for any x_t at all;
        - ``(theta - W - Mbar V sum |L|) / sum |L_t| (below_t or above_t)``: the largest effect there is room for;
        - ``(W - theta - Mbar V sum |L|) / sum |L_t| (above_t or below_t)``: the smallest one.
        """
        spread = self.variances + mbar**2 * self.root[..., :1, 0] ** 2
        above = np.sqrt(spread - 2.0 * mbar * self.covariances)
        below = np.sqrt(spread + 2.0 * mbar * self.covariances)
        size = np.abs(self.coefficients)
        rises = self.coefficients > 0
        ends = np.stack([np.where(rises, below, above) @ size, np.where(rises, above, below) @ size], axis=-1)
        on_violation = np.concatenate([-2.0 * mbar / (above + below), -mbar * size.sum() / ends], axis=-1)
        on_estimate = np.concatenate([np.zeros_like(above), np.array([-1.0, 1.0]) / ends], axis=-1)
        linear = np.stack([on_violation, on_estimate], axis=-1)
        moments = on_violation * self.violation[..., None] + on_estimate * self.estimate
        return moments, -on_estimate, linear @ self.root

    def rejects(self, effects: Floats, mbar: float, alpha: float) -> NDArray[np.bool_]:
        moments, slopes, loadings = self.moments(mbar)
        nulls, covariance = moments + effects[:, None] * slopes, loadings @ loadings.T
        least_favourable = largest_normal_quantile(loadings, 1.0 - first_stage_share(alpha))
        return rejects(nulls, covariance, alpha, least_favourable)

    def surely_reject_zero(self, mbar: float, alpha: float) -> NDArray[np.bool_]:
        """Whether an effect of zero is rejected in each of several cases even without the first stage.

        The first stage costs the most, and can only make more rejections.
        """
        moments, _, loadings = self.moments(mbar)
        return rejects(moments, loadings @ np.swapaxes(loadings, -1, -2), alpha, math.inf)

    def hull(self, mbar: float, alpha: float) -> tuple[float, float]:
        """Smallest and largest effect that is not rejected; the first stage rejects all beyond ``edges``."""
        moments, slopes, loadings = self.moments(mbar)
        least_favourable = largest_normal_quantile(loadings, 1.0 - first_stage_share(alpha))
        edges = (least_favourable - moments[-2:]) / slopes[-2:]
        if edges[0] < edges[1]:
            return math.inf, -math.inf
        grid = np.linspace(edges[1], edges[0], N_GRID)
        inside = np.flatnonzero(~self.rejects(grid, mbar, alpha))
        if len(inside) == 0:
            return math.inf, -math.inf
        ends = []
        for here, beyond in ((inside[0], max(inside[0] - 1, 0)), (inside[-1], min(inside[-1] + 1, N_GRID - 1))):
            accepted, other = float(grid[here]), float(grid[beyond])
            for _ in range(N_REFINEMENTS):
                finer = np.linspace(accepted, other, 17)
                last = int(np.flatnonzero(~self.rejects(finer, mbar, alpha))[-1])
                accepted, other = float(finer[last]), float(finer[min(last + 1, 16)])
            ends.append(accepted)
        return ends[0], ends[1]


def together(cases: list[LargestViolation]) -> LargestViolation:
    """Several cases as one, along a first axis."""
    return dataclasses.replace(
        cases[0],
        violation=np.stack([case.violation for case in cases]),
        covariances=np.stack([case.covariances for case in cases]),
        root=np.stack([case.root for case in cases]),
    )


def largest_violations(path: EventPath) -> list[LargestViolation]:
    """Every period before treatment, with both signs."""
    first = np.diff(with_reference(path), axis=0)
    coefficients = on_changes(path.weights)
    spread = first @ path.covariance @ first.T
    changes = first @ np.concatenate([path.pre, path.post])
    before, after = np.arange(path.n_pre), slice(path.n_pre, None)
    found = []
    for period in before:
        for sign in (1.0, -1.0):
            with_violation = sign * spread[after, period]
            joint = np.array(
                [
                    [spread[period, period], coefficients @ with_violation],
                    [coefficients @ with_violation, coefficients @ spread[after, after] @ coefficients],
                ]
            )
            found.append(
                LargestViolation(
                    violation=np.asarray(sign * changes[period]),
                    estimate=path.estimate,
                    coefficients=coefficients,
                    variances=np.diagonal(spread)[after],
                    covariances=with_violation,
                    root=np.linalg.cholesky(joint),
                )
            )
    return found


def with_reference(path: EventPath) -> Floats:
    """Rows of an identity matrix for all coefficients, with a row of zeros for the reference period."""
    return np.insert(np.eye(len(path.covariance)), path.n_pre, 0.0, axis=0)


def on_changes(weights: Floats) -> Floats:
    """Weights on the changes from period to period that give the same sum as ``weights`` on the periods."""
    return np.cumsum(weights[::-1])[::-1]
