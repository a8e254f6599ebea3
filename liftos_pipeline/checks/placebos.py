"""Placebos in time: did units that were going to be treated move apart from the others before they were?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.multiplicity import cauchy_combination
from liftos_pipeline.checks.outcome import CheckOutcome

Floats = NDArray[np.float64]
_POWER = 0.8
_ANALYSIS = ["platform", "treatment_type", "design"]


def no_effect_before_the_start(
    placebos: pd.DataFrame, effects: pd.DataFrame, rows: pd.DataFrame, level: float, small: float
) -> list[CheckOutcome]:
    """One outcome per analysis: the placebo's effect beside zero and beside the effect that it stands for.

    An error where zero is rejected and the placebo is not small beside the effect. A warning, ``undetermined``, where a
    violation as large as the effect would have been overlooked in more than a fifth of cases, or nothing could be tested.
    Both outcomes of an analysis stand or fall with its count.

    Parameters
    ----------
    placebos : DataFrame
        ``quality.placebos`` as of one day: effects in log points.
    effects : DataFrame
        ``causal.effect_estimates`` as of the same day; the primary ones are compared with.
    rows : DataFrame
        ``causal.causal_marketing_data``: the treated rows' outcome before, to tell effects in log points.
    level : float
        Chance that any of the day's analyses fails where no trend is broken, and share of the failing ones that is borne
        to fail wrongly where some are.
    small : float
        Share of the effect up to which a violation is borne.

    References
    ----------
    Benjamini and Hochberg (1995), JRSS B 57(1).
    """
    if len(placebos) == 0:
        return []
    sizes = _log_effects(effects, rows)
    each = _threshold(placebos["p_value"].dropna().to_numpy(dtype=float), level)
    return [
        _outcome(row, sizes.get((*(row[name] for name in _ANALYSIS), row["outcome"])), each, small)
        for row in placebos.sort_values(_ANALYSIS).to_dict("records")
    ]


def paths_were_parallel(placebos: pd.DataFrame, level: float) -> list[CheckOutcome]:
    """One outcome per platform with several analyses: their placebos together, whatever their dependence.

    A trend that all treated units of a platform share shows in none of its analyses as clearly as in all.

    Parameters
    ----------
    placebos : DataFrame
        ``quality.placebos`` as of one day.
    level : float
        Chance that any platform fails without a violation.

    References
    ----------
    Liu and Xie (2020), Journal of the American Statistical Association 115(529).
    """
    outcomes = []
    for platform, part in placebos[placebos["p_value"].notna()].groupby("platform", sort=True):
        if len(part) < 2:
            continue
        p = float(cauchy_combination(part["p_value"].to_numpy(dtype=float)))
        each = level / placebos["platform"].nunique()
        passed = p >= each
        ordered = part.sort_values("p_value")
        outcomes.append(
            CheckOutcome(
                gate="pre_trends",
                subject=str(platform),
                passed=passed,
                severity="error",
                seen=f"p {p:.5f} over the placebos of {len(part)} analyses",
                expected=f"no effect before the start in any of them, at p {each:.4f}",
                way_out=""
                if passed
                else "Treated and control units of the platform were on different paths: compare within a cutoff or an "
                "experiment.",
                offenders=()
                if passed
                else tuple(
                    {
                        "treatment_type": row.treatment_type,
                        "placebo_log_points": round(float(row.estimate), 4),
                        "p_value": float(row.p_value),
                    }
                    for row in ordered.itertuples()
                ),
            )
        )
    return outcomes


def _threshold(p_values: Floats, level: float) -> float:
    """Largest p-value that fails, by Benjamini and Hochberg; that of a single failure where none does."""
    n = max(len(p_values), 1)
    limits = level * np.arange(1, len(p_values) + 1) / n
    failing = np.flatnonzero(np.sort(p_values) < limits)
    return float(limits[failing[-1]]) if len(failing) else level / n


def _outcome(row: dict[str, Any], effect: float | None, level: float, small: float) -> CheckOutcome:
    from scipy import stats

    subject = ".".join(row[name] for name in _ANALYSIS)
    expected = f"no effect {row['shift_days']} days before the start, at p {level:.4f}"
    if pd.isna(row["p_value"]):
        return CheckOutcome(
            gate="placebo_in_time",
            subject=subject,
            passed=False,
            severity="warn",
            seen=f"undetermined: {row['reason']}",
            expected=expected,
            way_out="Widen LIFTOS_LOOK_BACK_DAYS: a placebo needs 70 days before the start.",
        )
    freedom = max(int(row["n_clusters"]) - 1, 1)
    visible = float(row["std_error"]) * float(stats.t.ppf(1 - level / 2, freedom) + stats.norm.ppf(_POWER))
    against = "" if effect is None else f", the effect is {effect:+.1%}"
    seen = (
        f"{math.expm1(row['estimate']):+.1%} (p {row['p_value']:.4f}) before anybody was treated{against}; a violation of "
        f"{math.expm1(visible):.1%} would have been seen in {_POWER:.0%} of cases"
    )
    is_large = effect is None or abs(float(row["estimate"])) >= small * abs(math.log1p(effect))
    is_broken = bool(row["p_value"] < level and is_large)
    is_blind = effect is None or visible > abs(math.log1p(effect))
    return CheckOutcome(
        gate="placebo_in_time",
        subject=subject,
        passed=not (is_broken or is_blind),
        severity="warn" if is_blind and not is_broken else "error",
        seen=seen if is_broken or not is_blind else f"undetermined: {seen}",
        expected=expected,
        way_out="Treated and control units were on different paths before the start: compare within a cutoff or an "
        "experiment, or find the covariate that explains the paths."
        if is_broken
        else "Believe the sign only as far as the design does: the data cannot show that paths were parallel."
        if is_blind
        else "",
        offenders=(
            {
                "platform": row["platform"],
                "treatment_type": row["treatment_type"],
                "placebo_log_points": round(float(row["estimate"]), 4),
                "p_value": float(row["p_value"]),
            },
        )
        if is_broken
        else (),
    )


def _log_effects(effects: pd.DataFrame, rows: pd.DataFrame) -> dict[tuple[str, ...], float]:
    """Relative effect of each analysis and count outcome that has an estimate."""
    if len(effects) == 0 or len(rows) == 0:
        return {}
    usual = rows[rows["is_treated"] == 1].groupby(_ANALYSIS)["count_before"].mean()
    counts = {"meta": "conversions_reported", "google_ads": "conversions_reported", "klaviyo": "orders"}
    found: dict[tuple[str, ...], float] = {}
    for row in effects[effects["role"] == "primary"].to_dict("records"):
        key = tuple(str(row[name]) for name in _ANALYSIS)
        base = usual.get(key, 0.0)
        if (
            row["outcome"] == counts.get(row["platform"])
            and base > 0
            and np.isfinite(float(row["estimate"] or np.nan))
        ):
            found[*key, row["outcome"]] = max(float(row["estimate"]) / base, -0.99)
    return found
