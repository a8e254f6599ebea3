"""Runs the estimators over the analyses: rows of ``causal.effect_estimates``. Which method runs is stated here."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from liftos_pipeline.causal import estimate
from liftos_pipeline.causal.licence import licensed
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.analysis import analyses, to_panel
from liftos_pipeline.stages.memory import remembered
from liftos_pipeline.stages.roles import ROLES

PRIMARY_METHOD = "doubly_robust"
METHODS = ("difference_in_means", "ipw", PRIMARY_METHOD)
"""Methods of a landmarked analysis; the first is the labelled naive comparison, the others weigh by the scores."""

OUTCOMES = ("count", "value")


def estimate_effects(
    rows: pd.DataFrame,
    scores: pd.DataFrame,
    treatments: pd.DataFrame,
    certificates: pd.DataFrame,
    level: float,
    seed: int,
    min_effective_controls: float,
) -> pd.DataFrame:
    """Effects of every analysis, outcome and method.

    An analysis that the treatments call for and the data cannot carry has a row with the reason and no number. What the
    certificate of a method says about it is applied: an interval is widened, a blocked method's effect refused.

    Parameters
    ----------
    rows, scores, treatments, certificates : DataFrame
        ``causal.causal_marketing_data``, ``causal.propensity_scores``, ``causal.treatments``, ``causal.certificates``
        as of one day.
    level : float
        Level of the intervals.
    seed : int
        Seed of folds and draws.
    min_effective_controls : float
        Effective number of control units below which an effect is refused.
    """
    rule = OverlapRule(min_effective_units=min_effective_controls)
    licences = _licences(certificates)
    answers: list[dict] = []
    keys = ["platform", "treatment_type", "window_start", "unit_id"]
    scored = rows.merge(scores[[*keys, "propensity"]], on=keys, how="left") if len(rows) else rows
    done = set()
    for platform, kind, part in analyses(scored):
        done.add((platform, kind))
        for outcome in OUTCOMES:
            licence = licences.get((platform, _column(platform, outcome)), {})
            found = _analysis(platform, kind, part, outcome, licence, level, seed, rule)
            answers.extend(found.to_dict("records"))
    wanted = set(zip(treatments["platform"], treatments["treatment_type"], strict=True))
    for platform, kind in sorted(wanted - done):
        reason = "no unit has 28 observed days before its start and 28 mature days after it, with a control"
        answers.extend(
            _refusal(platform, kind, outcome, method, level, reason) for outcome in OUTCOMES for method in METHODS
        )
    return pd.DataFrame(answers)


Licence = Mapping[str, Mapping[str, object]]
"""Method to its row of a certificate."""


def _licences(certificates: pd.DataFrame) -> Mapping[tuple[str, str], Licence]:
    found: dict[tuple[str, str], dict[str, Mapping[str, object]]] = {}
    for row in certificates.to_dict("records"):
        known = {name: None if pd.isna(value) else value for name, value in row.items() if name in _LICENSED}
        found.setdefault((row["platform"], row["outcome"]), {})[row["method"]] = known
    return found


_LICENSED = (
    *("status", "reason", "size", "size_low", "size_high", "coverage", "widening", "n_replays", "answered"),
    *("treatment_type", "windows_until"),
)
"""What an estimate carries of its certificate."""


def method_options(method: str, rule: OverlapRule) -> dict[str, object]:
    """Options of a landmarked analysis."""
    return {"estimand": "att"} if method == METHODS[0] else {"estimand": "att", "overlap_rule": rule}


@remembered
def _analysis(
    platform: str,
    kind: str,
    part: pd.DataFrame,
    outcome: str,
    licence: Licence,
    level: float,
    seed: int,
    rule: OverlapRule,
) -> pd.DataFrame:
    """Rows of one analysis and outcome."""
    has_scores = bool(part["propensity"].notna().all())
    try:
        panel = to_panel(part, outcome, part["propensity"].to_numpy() if has_scores else None)
    except LiftosError as error:
        return pd.DataFrame([_refusal(platform, kind, outcome, method, level, str(error)) for method in METHODS])
    rows = []
    for method in METHODS:
        try:
            result = estimate(method, panel, level=level, seed=seed, **method_options(method, rule))
        except LiftosError as error:
            rows.append(_refusal(platform, kind, outcome, method, level, str(error)))
        else:
            certified = licensed(result, licence[method]) if method in licence else result
            rows.append(_row(platform, kind, outcome, certified, licence.get(method)))
    return pd.DataFrame(rows)


def _column(platform: str, outcome: str) -> str:
    roles = ROLES[platform]
    return roles.count if outcome == "count" else roles.value


def _head(platform: str, kind: str, outcome: str) -> dict[str, object]:
    return {
        "platform": platform,
        "treatment_type": kind,
        "outcome": _column(platform, outcome),
        "label": ROLES[platform].label,
    }


def _row(
    platform: str, kind: str, outcome: str, result: EffectEstimate, licence: Mapping[str, object] | None
) -> dict[str, object]:
    told = result.to_row()
    return {
        **_head(platform, kind, outcome),
        "method": result.method,
        "estimand": result.estimand,
        "estimate": _known(result.estimate),
        "std_error": _known(result.std_error),
        "ci_low": _known(result.ci_low),
        "ci_high": _known(result.ci_high),
        "level": result.level,
        "p_value": _known(result.p_value),
        "n_rows": result.n_rows,
        "n_units": result.n_units,
        "n_treated": result.n_treated,
        "n_clusters": result.n_clusters,
        "refused": told["refused"],
        "undefined": result.without_interval,
        "warnings": told["warnings"],
        "diagnostics": told["diagnostics"],
        "certificate": None if licence is None else licence["status"],
        "certified_size": None if licence is None else licence["size"],
    }


def _refusal(platform: str, kind: str, outcome: str, method: str, level: float, reason: str) -> dict[str, object]:
    return {
        **_head(platform, kind, outcome),
        "method": method,
        "estimand": "att",
        "estimate": None,
        "std_error": None,
        "ci_low": None,
        "ci_high": None,
        "level": level,
        "p_value": None,
        "n_rows": 0,
        "n_units": 0,
        "n_treated": 0,
        "n_clusters": 0,
        "refused": reason,
        "undefined": None,
        "warnings": None,
        "diagnostics": "{}",
        "certificate": None,
        "certified_size": None,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
