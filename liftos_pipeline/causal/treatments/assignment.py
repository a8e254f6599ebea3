"""How treatments were assigned, and the test behind it. Declarations outrank inference, and are tested all the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from liftos_pipeline.causal.treatments.adoption_hazard import HazardTest
from liftos_pipeline.causal.treatments.cutoff import Cutoff
from liftos_pipeline.domain import AssignmentMethod

ALPHA = 0.01
"""Chance of calling a coincidence of dates a design, over all accounts of one kind."""


@dataclass(frozen=True)
class Experiment:
    """What somebody declared: an experiment, the probability of its treated arm, its control group."""

    experiment_id: str
    probability: float
    control_group: str | None = None


@dataclass(frozen=True)
class Assignment:
    """How one treatment was assigned. ``test`` says what was tested and found."""

    method: AssignmentMethod
    probability: float | None
    control_group: str | None
    test: str


OBSERVATIONAL = Assignment("observational", None, None, "no experiment is declared and no design was found")
UNLOGGED = Assignment("observational", None, None, "seen in the data only: nobody logged a decision")


def of_experiment(experiment: Experiment, hazard: HazardTest | None) -> Assignment:
    """Randomised where the declared experiment passes the hazard test; quasi-experimental where that cannot tell.

    Parameters
    ----------
    hazard : HazardTest or None
        Joint test of pre-treatment covariates; None where it could not be computed.
    """
    named = f"declared experiment {experiment.experiment_id}"
    if hazard is None:
        return Assignment("quasi_experimental", None, experiment.control_group, f"{named}; nothing to test it by")
    told = (
        f"{named}; joint Wald test of {hazard.wald.n_restrictions} covariates on the hazard p = {hazard.wald.p_value:.2g}, "
        f"{hazard.n_adopters} adopters, power {hazard.power:.2f} at {hazard.gamma:g} a standard deviation"
    )
    if hazard.is_silent:
        return Assignment("randomized", experiment.probability, experiment.control_group, told)
    if hazard.wald.p_value > hazard.alpha:
        return Assignment(
            "quasi_experimental", None, experiment.control_group, f"{told}: too little power to confirm it"
        )
    return Assignment("observational", None, None, f"{told}: adoption follows covariates")


def of_cutoff(cutoff: Cutoff) -> Assignment:
    """Quasi-experimental where adoption jumps at a declared cutoff and units do not crowd on one side."""
    told = (
        f"cutoff: adoption jumps by {cutoff.jump:.2f} (p = {cutoff.jump_p:.2g}), "
        f"density p = {cutoff.density_p:.2g}, {cutoff.n_below} units below and {cutoff.n_above} above"
    )
    if cutoff.is_design:
        return Assignment("quasi_experimental", None, "below the cutoff", told)
    return Assignment("observational", None, None, f"{told}: not a design")


def single_dates(treatments: pd.DataFrame, accounts: Collection[str], n_days: int) -> Mapping[str, Assignment]:
    """Accounts all of whose first treatments of one kind fall on one day, too many for chance.

    Were the k starts of an account spread evenly over ``n_days`` days, all would fall on one with probability
    ``n_days ** (1 - k)``, which is held against ``ALPHA`` over the number of accounts. Another account must have started
    on another day or not at all, or there is nothing to compare with.

    Parameters
    ----------
    treatments : DataFrame
        account, unit, day: logged treatments of one kind on one platform.
    accounts : collection of str
        All accounts that could have started.
    n_days : int
        Days on which they could have started.

    Returns
    -------
    mapping of account to Assignment
        Accounts with a single date.
    """
    firsts = treatments.groupby(["account", "unit"], as_index=False)["day"].min()
    dates = firsts.groupby("account")["day"].agg(["nunique", "count", "first"])
    found = {}
    for account, row in dates[dates["nunique"] == 1].iterrows():
        p_value = float(n_days) ** (1.0 - row["count"])
        on_the_day = set(dates.index[(dates["first"] == row["first"]) & (dates["nunique"] == 1)])
        if p_value * len(accounts) > ALPHA or not set(accounts) - on_the_day:
            continue
        told = (
            f"all {row['count']} units of account {account} start on {row['first']:%Y-%m-%d} (p = {p_value:.2g})"
        )
        found[str(account)] = Assignment("quasi_experimental", None, "accounts without that date", told)
    return found
