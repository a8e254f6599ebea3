"""Applies the policy to every primary effect: rows of ``causal.verdicts``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from liftos_pipeline.causal.inference.multiplicity import benjamini_hochberg
from liftos_pipeline.stages.designs import DESIGNS
from liftos_pipeline.stages.effects import name_of
from liftos_pipeline.stages.money import Joint, LiftStudy, Sum
from liftos_pipeline.stages.policy import POLICY_VERSION, Facts, FailedGate, Judgement, applies, judge
from liftos_pipeline.stages.roles import PRIMARY_OUTCOMES, ROLES, role_of_column

_TOLD = ("report", "widen")


def verdict_rows(
    effects: pd.DataFrame,
    gates: pd.DataFrame,
    certificates: pd.DataFrame,
    *,
    break_even: float,
    studies: Mapping[str, LiftStudy],
) -> pd.DataFrame:
    """Verdict, direction, net return and decision of every primary effect on sales.

    Parameters
    ----------
    effects, gates, certificates : DataFrame
        ``causal.effect_estimates``, ``quality.gates`` and ``causal.certificates`` as of one day.
    break_even : float
        Value that a unit of spend must bring.
    studies : mapping of platform to LiftStudy
        What turns reported sales into incremental ones.

    Notes
    -----
    A decision follows the sign of the net return where the effect may be reported: with the loss of a wrong ``go`` that of
    a wrong ``no_go``, waiting for significance keeps what loses money (Stoye 2009, Journal of Econometrics 151(1)).
    """
    if len(effects) == 0:
        return pd.DataFrame()
    primary = effects[(effects["role"] == "primary") & (effects["label"] != "secondary")].reset_index(drop=True)
    p_values = np.array([_p_value(row) for row in primary.to_dict("records")])
    adjusted = benjamini_hochberg(p_values)
    reasons = _certificate_reasons(certificates)
    failed = gates[~gates["passed"].astype(bool)] if len(gates) else gates
    rows = []
    for platform, part in primary.groupby("platform", sort=True):
        joint = Joint(effects[effects["platform"] == platform], studies.get(str(platform)))
        for place, row in zip(part.index, part.to_dict("records"), strict=True):
            rows.append(_verdict(row, float(adjusted[place]), _failed(failed, row), reasons, joint, break_even))
    return pd.DataFrame(rows)


def _verdict(
    row: dict,
    q_value: float,
    failed: tuple[FailedGate, ...],
    reasons: Mapping[tuple[str, str, str], str],
    joint: Joint,
    break_even: float,
) -> dict[str, object]:
    diagnostics = json.loads(row["diagnostics"])
    low, high = _number(row["ci_low"]), _number(row["ci_high"])
    is_told = low > 0.0 or high < 0.0
    e_value = diagnostics.get("e_value_limit")
    facts = Facts(
        tier=DESIGNS[row["design"]].tier,
        refused=row["refused"] if isinstance(row["refused"], str) else None,
        undefined=row["undefined"] if isinstance(row["undefined"], str) else None,
        failed=failed,
        certificate=row["certificate"] if isinstance(row["certificate"], str) else None,
        certificate_reason=reasons.get((row["platform"], row["outcome"], row["method"])),
        e_value=float(e_value) if isinstance(e_value, int | float) else None,
        is_told_from_zero=is_told,
    )
    judged = judge(facts)
    direction, notes = _direction(judged, low, high, q_value, row["level"])
    net = _net(row, joint, break_even) if judged.verdict in _TOLD else None
    is_shown = judged.verdict in _TOLD
    name = name_of(row["treatment_type"], row["design"], role_of_column(row["platform"], row["outcome"]))
    return {
        **{key: row[key] for key in ("platform", "treatment_type", "design", "outcome", "method", "level")},
        "label": "calibrated_by_lift_study" if joint.is_calibrated(name) else row["label"],
        "tier": judged.tier,
        "verdict": judged.verdict,
        "reasons": "\n".join((*judged.reasons, *notes)) or None,
        "estimate": row["estimate"] if is_shown else None,
        "ci_low": row["ci_low"] if is_shown else None,
        "ci_high": row["ci_high"] if is_shown else None,
        "direction": direction,
        "q_value": None if math.isnan(q_value) else q_value,
        "robustness": facts.e_value,
        "net_return": None if net is None else net.value,
        "net_low": None if net is None or not math.isfinite(net.low) else net.low,
        "net_high": None if net is None or not math.isfinite(net.high) else net.high,
        "decision": "keep" if net is None else "go" if net.value > 0.0 else "no_go",
        "gates_failed": json.dumps(sorted({gate.gate for gate in failed})),
        "policy_version": POLICY_VERSION,
    }


def _direction(
    judged: Judgement, low: float, high: float, q_value: float, level: float
) -> tuple[str | None, tuple[str, ...]]:
    """Up or down where the interval and the adjusted p-value tell it; what is to be said about it."""
    if judged.verdict == "refuse":
        return None, ()
    if not (low > 0.0 or high < 0.0):
        return "unclear", ()
    if not q_value <= 1.0 - level:
        told = f"not told from zero once all effects of this report are counted (q = {q_value:.2g})"
        return "unclear", (told,)
    return ("up" if low > 0.0 else "down"), ()


def _net(row: dict, joint: Joint, break_even: float) -> Sum | None:
    """Value less what the treatment adds to spend at break-even; sends of a list cost nothing."""
    value = name_of(row["treatment_type"], row["design"], PRIMARY_OUTCOMES[1])
    spend = name_of(row["treatment_type"], row["design"], "volume")
    weights = {value: 1.0}
    if ROLES[row["platform"]].volume == "spend":
        weights[spend] = -break_even
    return joint.total(weights) if joint.is_usable(weights) else None


def _failed(failed: pd.DataFrame, row: dict) -> tuple[FailedGate, ...]:
    analysis = f"{row['platform']}.{row['treatment_type']}.{row['design']}"
    return tuple(
        FailedGate(gate["gate"], gate["severity"], gate["seen"])
        for gate in failed.to_dict("records")
        if applies(gate["subject"], analysis)
    )


def _certificate_reasons(certificates: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    return {
        (row["platform"], row["outcome"], row["method"]): row["reason"]
        for row in certificates.to_dict("records")
        if isinstance(row["reason"], str)
    }


def _p_value(row: dict) -> float:
    """The p-value, or, where a certificate widened the interval, that of the wider one; NaN for what is refused."""
    from scipy import special

    if isinstance(row["refused"], str):
        return math.nan
    known = _number(row["p_value"])
    half = (_number(row["ci_high"]) - _number(row["ci_low"])) / 2
    if not math.isnan(known) or not (math.isfinite(half) and half > 0.0):
        return known
    reach = special.ndtri(0.5 + row["level"] / 2) * abs(_number(row["estimate"])) / half
    return float(2.0 * special.ndtr(-reach))


def _number(value: object) -> float:
    return math.nan if value is None or pd.isna(value) else float(str(value))
