"""Who changes what, and when: adoption by a hazard that knows the unit's luck and quality, and taking it back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.simulator.draws import first_hits, stream
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.parameters import Scenario
from liftos_pipeline.simulator.switches import Assignment

RANDOMIZED, QUASI_EXPERIMENTAL, OBSERVATIONAL = "randomized", "quasi_experimental", "observational"

SHOCK_SD = 0.20
"""Of the units' own demand, in log points."""


def adoption_hazard(
    scenario: Scenario,
    kind: str,
    env: Environment,
    shock: np.ndarray,
    quality: np.ndarray,
    agency: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Hazard per unit and day, shape (T, N), as ``Scenario`` says it; a value above one is certain.

    Parameters
    ----------
    shock : ndarray, shape (T, N)
        The units' own demand in log points; the hazard knows yesterday's.
    quality, agency : ndarray, shape (N,)
    """
    c_shock, c_quality, c_macro = scenario.selection[kind]
    log_hazard = np.vstack([np.zeros((1, shock.shape[1])), shock[:-1]]) / SHOCK_SD
    log_hazard *= c_shock
    log_hazard += c_quality * quality + 0.5 * agency - 0.5
    log_hazard += (c_macro * env.macro + 0.3 * env.rival)[:, None]
    hazard: np.ndarray = scenario.base_hazard * np.exp(log_hazard)
    return hazard


@dataclass(frozen=True, eq=False)
class Adoption:
    """``starts``, ``stops``: day of the start of each treatment, and the day on which it is taken back, per unit, -1 is
    never. ``method``: how each unit came to its treatments."""

    starts: dict[str, np.ndarray]
    stops: dict[str, np.ndarray]
    method: np.ndarray


def adoptions(
    scenario: Scenario,
    seed: int,
    platform: str,
    env: Environment,
    shock: np.ndarray,
    quality: np.ndarray,
    account: np.ndarray,
    agency: np.ndarray | float = 0.0,
) -> Adoption:
    """Draw who changes what, and when."""
    starts, stops = {}, {}
    method = _methods(scenario, seed, platform, len(quality))
    for kind in TREATMENT_TYPES:
        starts[kind] = np.full(len(quality), -1)
        if kind in scenario.adopted:
            hazard = adoption_hazard(scenario, kind, env, shock, quality, agency)
            hazard[:, method == RANDOMIZED] = scenario.base_hazard
            uniforms = stream(seed, f"{platform}.adopt.{kind}").random(shock.shape)
            starts[kind] = first_hits(uniforms, hazard, scenario.first_adoption_day)
            if scenario.assignment is not None:
                dated = _dated(scenario.assignment, seed, f"{platform}.date.{kind}", quality, account, len(shock))
                starts[kind] = np.where(method == QUASI_EXPERIMENTAL, dated, starts[kind])
        stops[kind] = _stops(scenario, seed, platform, kind, starts[kind], len(shock))
    return Adoption(starts, stops, method)


def _methods(scenario: Scenario, seed: int, platform: str, n: int) -> np.ndarray:
    if scenario.assignment is None:
        return np.full(n, OBSERVATIONAL)
    luck = stream(seed, f"{platform}.method").random(n)
    randomized, quasi = scenario.assignment.randomized, scenario.assignment.quasi
    others = np.where(luck < randomized + quasi, QUASI_EXPERIMENTAL, OBSERVATIONAL)
    return np.where(luck < randomized, RANDOMIZED, others)


def _dated(
    rule: Assignment, seed: int, block: str, quality: np.ndarray, account: np.ndarray, n_days: int
) -> np.ndarray:
    """Start of the units above the cutoff on their account's date, with those who do not comply the other way round."""
    rng = stream(seed, block)
    day = rng.integers(*rule.days, int(account.max()) + 1)[account]
    is_above = np.round(6.0 + 1.6 * quality) > rule.cutoff
    adopts = is_above == (rng.random(len(quality)) < rule.compliance)
    return np.where(adopts & (day < n_days), day, -1)


def _stops(scenario: Scenario, seed: int, platform: str, kind: str, start: np.ndarray, n_days: int) -> np.ndarray:
    if scenario.switch_off_days is None:
        return np.full(len(start), -1)
    length = stream(seed, f"{platform}.stop.{kind}").uniform(*scenario.switch_off_days, len(start)).astype(int)
    stop = start + length
    return np.where((start >= 0) & (stop < n_days), stop, -1)
