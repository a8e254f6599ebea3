"""Drift of a hazard over calendar weeks, given age: two steps, so that a week's shock counts once. Arrays in and out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.list_cells import Cells
from liftos_pipeline.causal.confounders.serial_weeks import trend_inflation

Floats = NDArray[np.float64]

WEEKS_PER_MONTH = 30.0 / 7.0
ROUNDS = 25
AGREED = 1e-6
BISECTIONS = 30
CONTINUITY = 0.5
LARGEST_SHOCK_VARIANCE = 9.0
FEWEST_EVENTS = 1.0
"""Information of a direction, in events, below which it is left out: it would count as a week and say nothing."""


@dataclass(frozen=True, eq=False)
class Drift:
    """Regression of period effects on time, one per list.

    Attributes
    ----------
    estimate, std_error : ndarray, shape (n_lists,)
        Drift of the log hazard per month of 30 days. NaN where age and time cannot be told apart.
    degrees_of_freedom : ndarray, shape (n_lists,)
        Weeks that carry information, less two.
    shock_variance : ndarray, shape (n_lists,)
        Of what weeks share beside the drift, in squared log points.
    own_time : ndarray, shape (n_lists,)
        Share of the spread of time over events that age does not explain, in [0, 1].
    correlation : ndarray, shape (n_lists,)
        Of neighbouring weeks, an upper estimate, which the standard error allows for.
    observed, expected : ndarray, shape (n_lists, n_weeks)
        Events, and those expected at the ages of each week if nothing but age mattered.
    """

    estimate: Floats
    std_error: Floats
    degrees_of_freedom: Floats
    shock_variance: Floats
    own_time: Floats
    correlation: Floats
    observed: Floats
    expected: Floats


def hazard_drift(cells: Cells) -> Drift:
    """Fit the drift of each list.

    First step: effects of age and of calendar week in a Poisson model of the cells. Given the ages, the information
    on the weeks is a matrix whose eigenvectors make their effects independent, each with variance 1 / events. Second
    step: these are regressed on time with weights 1 / (shock variance + 1 / events). Week effects are shrunk towards
    the drift before the next round, so that a week without events has one.

    References
    ----------
    Donald and Lang (2007), Review of Economics and Statistics 89(2), section II. Breslow and Clayton (1993), Journal
    of the American Statistical Association 88(421), section 2. Paule and Mandel (1982), Journal of Research of the
    National Bureau of Standards 87(5).
    """
    observed = cells.events.sum(axis=1)
    n_lists, n_weeks = observed.shape
    time = (np.arange(n_weeks) - 0.5 * (n_weeks - 1)) / WEEKS_PER_MONTH
    expected = _expected_cells(cells, np.zeros((n_lists, n_weeks))).sum(axis=1)
    effect = np.log((observed + CONTINUITY) / (expected + CONTINUITY))
    estimate = np.zeros(n_lists)
    for number in range(ROUNDS):
        mean = _expected_cells(cells, effect)
        information, axes = np.linalg.eigh(_week_information(mean))
        informative = information >= FEWEST_EVENTS
        known = np.where(informative, information, 1.0)
        own_time = np.einsum("lwj,w->lj", axes, time)
        score = np.einsum("lwj,lw->lj", axes, observed - mean.sum(axis=1))
        response = np.einsum("lwj,lw->lj", axes, effect) + score / known
        shock = _shock_variance(response, own_time, known, informative)
        before, (estimate, std_error) = estimate, _line(response, own_time, known, informative, shock)
        drift = np.nan_to_num(estimate)[:, None] * own_time
        kept = np.where(informative, shock[:, None] / (shock[:, None] + 1.0 / known), 0.0)
        effect = np.einsum("lwj,lj->lw", axes, drift + kept * (response - drift))
        if number and np.nanmax(np.abs(estimate - before), initial=0.0) < AGREED:
            break
    weight = _weights(known, informative, shock) * own_time
    influence = np.einsum("lwj,lj->lw", axes, weight) * (std_error**2)[:, None]
    left = np.einsum("lwj,lj->lw", axes, np.where(informative, response - drift, 0.0))
    own_variance = np.einsum("lwj,lj->lw", axes**2, np.where(informative, 1.0 / known, 0.0))
    spread = np.sqrt(shock[:, None] + own_variance)
    spread_of_time = np.sum(mean.sum(axis=1) * _centred(time, mean.sum(axis=1)) ** 2, axis=1)
    of_own_time = np.sum(np.where(informative, information, 0.0) * own_time**2, axis=1)
    correlation, factor = trend_inflation(left, spread, influence, cells.exposure.sum(axis=1) > 0)
    return Drift(
        estimate,
        std_error * np.sqrt(factor),
        informative.sum(axis=1) - 1.0,
        shock,
        of_own_time / np.where(spread_of_time > 0, spread_of_time, 1.0),
        correlation,
        observed,
        expected,
    )


def _centred(time: Floats, weight: Floats) -> Floats:
    total = weight.sum(axis=1)
    centred: Floats = time - (weight @ time / np.where(total > 0, total, 1.0))[:, None]
    return centred


def _expected_cells(cells: Cells, effect: Floats) -> Floats:
    """Expected events per cell, shape (n_lists, n_ages, n_weeks), rates by age fitted to given week effects."""
    at_risk = cells.exposure * np.exp(np.clip(effect, -30.0, 30.0))[:, None, :]
    total = at_risk.sum(axis=2)
    rate = np.divide(cells.events.sum(axis=2), total, out=np.zeros_like(total), where=total > 0)
    expected: Floats = rate[:, :, None] * at_risk
    return expected


def _week_information(mean: Floats) -> Floats:
    """Information on week effects when age effects are free, shape (n_lists, n_weeks, n_weeks)."""
    of_age = mean.sum(axis=2, keepdims=True)
    share = np.divide(mean, of_age, out=np.zeros_like(mean), where=of_age > 0)
    information: Floats = -np.swapaxes(mean, 1, 2) @ share
    week = np.arange(mean.shape[2])
    information[:, week, week] += mean.sum(axis=1)
    return information


def _weights(known: Floats, informative: NDArray[np.bool_], shock: Floats) -> Floats:
    weight: Floats = np.where(informative, 1.0 / (shock[:, None] + 1.0 / known), 0.0)
    return weight


def _line(
    response: Floats, own_time: Floats, known: Floats, informative: NDArray[np.bool_], shock: Floats
) -> tuple[Floats, Floats]:
    weight = _weights(known, informative, shock)
    information = np.sum(weight * own_time**2, axis=1)
    information = np.where(information > 0, information, np.nan)
    return np.sum(weight * own_time * response, axis=1) / information, 1.0 / np.sqrt(information)


def _shock_variance(response: Floats, own_time: Floats, known: Floats, informative: NDArray[np.bool_]) -> Floats:
    """Variance at which weighted squares equal their degrees of freedom; zero where they are smaller without any."""
    low, high = np.zeros(len(response)), np.full(len(response), LARGEST_SHOCK_VARIANCE)
    freedom = informative.sum(axis=1) - 1.0
    for step in range(BISECTIONS):
        middle = 0.5 * (low + high) if step else low
        slope, _ = _line(response, own_time, known, informative, middle)
        left = response - np.nan_to_num(slope)[:, None] * own_time
        too_small = np.sum(_weights(known, informative, middle) * left**2, axis=1) > freedom
        if step == 0:
            high = np.where(too_small, high, 0.0)
            continue
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    variance: Floats = 0.5 * (low + high)
    return variance
