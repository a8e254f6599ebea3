"""How treatments were assigned, and the test behind it. Declarations outrank inference, and are tested all the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.treatments.adoption_hazard import HazardTest
from liftos_pipeline.causal.treatments.cutoff import Cutoff
from liftos_pipeline.domain import AssignmentMethod

ALPHA = 0.01
"""Chance of calling a coincidence of dates a design, over all accounts and days of one kind."""
NEAR_DAYS = 10
"""Days around a date over which the habit of other accounts is averaged."""
MIN_UNITS, MIN_ACCOUNTS = 3, 2
"""Units that start together, and accounts, below which no date is a design."""


@dataclass(frozen=True)
class Experiment:
    """What somebody declared: an experiment, the probability of its treated arm (None: nothing is left to chance as it
    stands), its control group."""

    experiment_id: str
    probability: float | None
    control_group: str | None = None


@dataclass(frozen=True)
class Assignment:
    """How one treatment was assigned. ``test`` says what was tested and found."""

    method: AssignmentMethod
    probability: float | None
    control_group: str | None
    test: str


BELOW_CUTOFF, NOT_ASSIGNED = "below the cutoff", "not assigned"
"""Control groups of treatments whose assignment is an instrument."""
OBSERVATIONAL = Assignment("observational", None, None, "no experiment is declared and no design was found")
UNLOGGED = Assignment("observational", None, None, "seen in the data only: nobody logged a decision")


def of_experiment(experiment: Experiment, hazard: HazardTest | None) -> Assignment:
    """Randomised as declared, unless the joint test of the hazard contradicts it.

    A platform that draws the arms knows more than a test of their covariates: the test can refute the declaration, and its
    silence proves nothing. What it could have seen stands beside it.

    Parameters
    ----------
    hazard : HazardTest or None
        Joint test of pre-treatment covariates; None where too few units started for one.
    """
    named = f"declared experiment {experiment.experiment_id}"
    if hazard is None:
        return _declared(experiment, f"{named}; too few starts to test it by")
    told = (
        f"{named}; joint test of {hazard.wald.n_restrictions} covariates on the hazard p = {hazard.wald.p_value:.2g}, "
        f"{hazard.n_adopters} adopters, power {hazard.power:.2f} at {hazard.gamma:g} a standard deviation"
    )
    if hazard.wald.p_value <= hazard.alpha:
        return Assignment("observational", None, None, f"{told}: adoption follows covariates")
    return _declared(
        experiment, told if hazard.is_silent else f"{told}: not contradicted, too little power to confirm"
    )


def _declared(experiment: Experiment, told: str) -> Assignment:
    return Assignment("randomized", experiment.probability, experiment.control_group, told)


def of_cutoff(cutoff: Cutoff) -> Assignment:
    """Quasi-experimental where adoption jumps at a declared cutoff and units do not crowd on one side."""
    told = (
        f"cutoff: adoption jumps by {cutoff.jump:.2f} (p = {cutoff.jump_p:.2g}), "
        f"density p = {cutoff.density_p:.2g}, {cutoff.n_below} units below and {cutoff.n_above} above"
    )
    if cutoff.is_design:
        return Assignment("quasi_experimental", None, BELOW_CUTOFF, told)
    return Assignment("observational", None, None, f"{told}: not a design")


def common_dates(
    treatments: pd.DataFrame, accounts: Collection[str], n_days: int
) -> Mapping[tuple[str, pd.Timestamp], Assignment]:
    """Days on which more units of an account start than chance brings together.

    Of the k first starts of an account as many fall on the day as a Binomial(k, q) has hits, with q the largest of three
    shares: of that day among the starts of all other accounts, of a day within ``NEAR_DAYS`` of it, and of one day in
    ``n_days``. What moves all accounts at once is no design of one of them. The chance is held against ``ALPHA`` over all
    accounts and days.

    Parameters
    ----------
    treatments : DataFrame
        account, unit, day: logged treatments of one kind on one platform.
    accounts : collection of str
        All accounts that could have started; with one alone there is nothing to compare with.
    n_days : int
        Days on which they could have started.

    Returns
    -------
    mapping of (account, day) to Assignment
    """
    from scipy.stats import binom

    if len(accounts) < MIN_ACCOUNTS:
        return {}
    firsts = treatments.groupby(["account", "unit"], as_index=False)["day"].min()
    account, day = firsts["account"].to_numpy(), firsts["day"].to_numpy("datetime64[D]")
    together = firsts.groupby(["account", "day"]).size()
    found = {}
    for (name, date), count in together[together >= MIN_UNITS].items():
        is_own = account == name
        apart = np.abs((day[~is_own] - np.datetime64(date, "D")).astype(np.int64))
        p_value = float(binom.sf(count - 1, is_own.sum(), _share_elsewhere(apart, n_days)))
        if p_value * len(accounts) * n_days <= ALPHA:
            told = (
                f"{count} of {is_own.sum()} starts of account {name} fall on {date:%Y-%m-%d} (p = {p_value:.2g})"
            )
            found[str(name), date] = Assignment("quasi_experimental", None, "accounts without that date", told)
    return found


def _share_elsewhere(apart: NDArray[np.int64], n_days: int) -> float:
    """Share of the starts of other accounts, so many days apart, that a day has, or a day near it once one more start is
    spread over all days; at least that of even starts."""
    n_near = 2 * NEAR_DAYS + 1
    near = (float((apart <= NEAR_DAYS).sum()) + n_near / n_days) / (len(apart) + 1.0) / n_near
    on_it = float((apart == 0).mean()) if len(apart) else 0.0
    return max(on_it, near, 1.0 / n_days)
