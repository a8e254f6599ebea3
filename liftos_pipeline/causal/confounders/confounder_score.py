"""Confounder scoring: which candidates matter both for who is treated when and for the outcome without treatment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders.adoption_hazard import Slopes, adoption_hazard
from liftos_pipeline.causal.confounders.answers import no_events
from liftos_pipeline.causal.confounders.candidates import ABSORBED, CONSTANT, Candidates, read_candidates
from liftos_pipeline.causal.confounders.untreated_outcome import untreated_outcome
from liftos_pipeline.causal.inference.multiplicity import adafilter, benjamini_hochberg
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

POWER = 0.8
FEWEST_ADOPTERS = 20
ADOPTERS_PER_CANDIDATE = 3
FEWEST_CLUSTERS = 10


ADJUSTED_LEVEL = 0.05
"""Of either p-value: a candidate to adjust for need not survive the count of candidates, since leaving it out costs bias."""
_COLUMNS = (
    *("unit", "candidate", "status", "role", "statistic", "p_value", "adjusted_p", "confidence", "estimate"),
    *("gamma", "gamma_p", "beta", "beta_p", "n_adopters", "n_needed", "adjust", "reason"),
)


@dataclass(frozen=True, eq=False)
class Scores:
    """Both regressions of the tested candidates; arrays of shape (k,).

    Attributes
    ----------
    gamma, beta : Slopes
        Log hazard of adoption per standard deviation; outcome in standard deviations per standard deviation.
    gamma_p, beta_p, adjusted : ndarray
        ``adjusted`` is the larger of the two, adjusted for the number of candidates.
    freedom : float
        Clusters less one.
    """

    gamma: Slopes
    beta: Slopes
    gamma_p: Floats
    beta_p: Floats
    adjusted: Floats
    freedom: float


def confounder_score(
    df: Tabular,
    *,
    unit: str,
    period: str,
    treatment: str,
    outcome: str,
    candidates: Sequence[str],
    cluster: str | None = None,
    q: float = 0.05,
    rule: str = "larger_p",
    min_gamma: float = 0.3,
    min_beta: float = 0.15,
) -> Detection:
    """Score candidates by what they do to adoption and to the outcome, both given the other candidates and the calendar.

    Only rows of units not yet treated are used: what treatment itself moves (mediators, colliders) is not moved there.
    From these rows alone it cannot be told that a candidate is measured before treatment; that is for the graph to say.
    A candidate is a confounder where both the hazard of adoption, on its value of the period before, and the untreated
    outcome depend on it: the larger of the two p-values, with the false discovery rate controlled at ``q``.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per unit and period.
    treatment : str
        0/1 per row; a unit counts as treated from its first 1 on.
    outcome : str
    candidates : sequence of str
    cluster : str, optional
        Column of what shares shocks, such as the account; by default the unit.
    q : float
        False discovery rate.
    rule : {"larger_p", "adafilter"}
        ``adafilter`` finds more and needs the two estimates to be independent.
    min_gamma, min_beta : float
        Sizes that matter: log hazard, and outcome in standard deviations, per standard deviation of the candidate
        (within periods). A candidate that is not found although smaller ones could not have been seen either is
        ``undetermined``.

    Returns
    -------
    Detection
        ``table``: one row per candidate: unit and candidate (both its name), status, role (confounder, instrument,
        prognostic, none, absorbed_by_calendar; None where it is open), statistic (the smaller of the two absolute t),
        p_value (the larger of the two), adjusted_p, confidence (1 - p_value), estimate (gamma times beta: strength
        and sign of the confounding), gamma, gamma_p, beta, beta_p, n_adopters, n_needed (adopters), adjust (whether it
        belongs to the adjustment set), reason. ``events``: empty. ``diagnostics``: adjustment_set, smallest effects
        that could be found, counts of rows and units.

    Raises
    ------
    LiftosError
        A table that cannot be read, or an option outside its range.

    References
    ----------
    Belloni, Chernozhukov and Hansen (2014), Review of Economic Studies 81(2): adjustment by double selection. Benjamini
    and Hochberg (1995), JRSS B 57(1). Berger (1982), Technometrics 24(4): intersection-union tests.
    """
    if not 0.0 < q <= 0.5:
        raise LiftosError("q in (0, 0.5]", repr(q), "0.05 is usual.")
    for name, size in (("min_gamma", min_gamma), ("min_beta", min_beta)):
        if not size > 0.0:
            raise LiftosError(f"{name} above zero", repr(size), "It is the effect that matters.")
    one_of("rule", rule, ("larger_p", "adafilter"))
    data = read_candidates(df, unit, period, treatment, outcome, candidates, cluster)
    reason, n_needed = _too_little(data)
    if reason is None:
        tested = _tested(data, _score(data, rule), q, min_gamma, min_beta)
    else:
        open_rows = {"candidate": data.names, "status": "undetermined", "n_needed": n_needed, "reason": reason}
        tested = pd.DataFrame(open_rows, columns=_COLUMNS)
    names = [candidates] if isinstance(candidates, str) else list(candidates)
    table = pd.concat([part for part in (tested, _excluded(data)) if len(part)], ignore_index=True)
    table = table.set_index("candidate", drop=False).loc[names].reset_index(drop=True)
    table["unit"] = table["candidate"]
    table["n_adopters"] = data.n_adopters
    table["adjust"] = table["adjust"].eq(True)
    found: dict[str, object] = {
        "adjustment_set": tuple(table.loc[table["adjust"], "candidate"]),
        "n_clusters": data.n_clusters,
        "q": q,
        "rule": rule,
        **data.counts,
    }
    return Detection("confounder_score", table, no_events(np.array([], dtype="datetime64[us]")), found)


def _too_little(data: Candidates) -> tuple[str | None, int]:
    """Why nothing can be tested, if so, and the number of adopters needed."""
    n_needed = max(FEWEST_ADOPTERS, ADOPTERS_PER_CANDIDATE * len(data.names))
    if data.n_adopters < n_needed:
        return f"{data.n_adopters} adopters with known candidates, at least {n_needed} are needed", n_needed
    if data.n_clusters < FEWEST_CLUSTERS:
        return f"{data.n_clusters} clusters, at least {FEWEST_CLUSTERS} are needed for a standard error", n_needed
    return None, n_needed


def _score(data: Candidates, rule: str) -> Scores:
    from scipy import special

    gamma = adoption_hazard(data.X[:, :, :-1], data.at_risk, data.adopts, data.cluster)
    beta = untreated_outcome(data.X, data.y, data.rows, data.cluster)
    freedom = data.n_clusters - 1.0
    gamma_p, beta_p = (2.0 * special.stdtr(freedom, -np.abs(part.statistic)) for part in (gamma, beta))
    if rule == "adafilter":
        adjusted = adafilter(np.stack([gamma_p, beta_p], axis=1))
    else:
        adjusted = benjamini_hochberg(np.maximum(gamma_p, beta_p))
    return Scores(gamma, beta, gamma_p, beta_p, adjusted, freedom)


def _tested(data: Candidates, scores: Scores, q: float, min_gamma: float, min_beta: float) -> pd.DataFrame:
    from scipy import special

    larger = np.maximum(scores.gamma_p, scores.beta_p)
    found = scores.adjusted <= q
    level = q * max(int(found.sum()), 1) / len(found)
    reach = special.stdtrit(scores.freedom, 1.0 - level / 2) + special.ndtri(POWER)
    excess = [
        np.where(p_value > level, reach * part.std_error / size, 0.0)
        for p_value, part, size in (
            (scores.gamma_p, scores.gamma, min_gamma),
            (scores.beta_p, scores.beta, min_beta),
        )
    ]
    settled = ((excess[0] > 0) & (excess[0] <= 1)) | ((excess[1] > 0) & (excess[1] <= 1))
    is_open = ~found & ~settled
    moves_adoption, moves_outcome = (benjamini_hochberg(p) <= q for p in (scores.gamma_p, scores.beta_p))
    role = np.select(
        [found, is_open | (moves_outcome & moves_adoption), moves_outcome, moves_adoption],
        ["confounder", "", "prognostic", "instrument"],
        "none",
    )
    at_most = np.abs(scores.beta.estimate) + special.stdtrit(scores.freedom, 0.95) * scores.beta.std_error
    adjust = (
        found | (scores.beta_p <= ADJUSTED_LEVEL) | ((scores.gamma_p <= ADJUSTED_LEVEL) & (at_most >= min_beta))
    )
    factor = np.maximum(*excess) ** 2
    n_needed = np.where(is_open, np.ceil(data.n_adopters * factor), math.nan)
    return pd.DataFrame(
        {
            "candidate": data.names,
            "status": np.select([found, is_open], ["detected", "undetermined"], "not_detected"),
            "role": [str(name) or None for name in role],
            "statistic": np.minimum(np.abs(scores.gamma.statistic), np.abs(scores.beta.statistic)),
            "p_value": larger,
            "adjusted_p": scores.adjusted,
            "confidence": 1.0 - larger,
            "estimate": scores.gamma.estimate * scores.beta.estimate,
            "gamma": scores.gamma.estimate,
            "gamma_p": scores.gamma_p,
            "beta": scores.beta.estimate,
            "beta_p": scores.beta_p,
            "n_needed": n_needed,
            "adjust": adjust,
            "reason": [
                _why_open(scores, place, reach, n_needed[place]) if is_open[place] else None
                for place in range(len(found))
            ],
        },
        columns=_COLUMNS,
    )


def _why_open(scores: Scores, place: int, reach: float, n_needed: float) -> str:
    return (
        f"found with a chance of {POWER:.0%} only from gamma {reach * scores.gamma.std_error[place]:.2f} and "
        f"beta {reach * scores.beta.std_error[place]:.2f} on; about {n_needed:.0f} adopters are needed"
    )


def _excluded(data: Candidates) -> pd.DataFrame:
    roles = {ABSORBED: "absorbed_by_calendar", CONSTANT: "none"}
    rows = [
        {"candidate": name, "status": "not_identified", "role": roles.get(reason), "reason": reason}
        for name, reason in data.excluded.items()
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
