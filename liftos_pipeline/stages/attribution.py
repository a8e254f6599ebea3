"""Adds the effects up over the treated unit-days: rows of ``causal.attribution``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from liftos_pipeline.stages.analysis import ANALYSIS_KEY
from liftos_pipeline.stages.effects import name_of
from liftos_pipeline.stages.money import Joint, LiftStudy
from liftos_pipeline.stages.roles import AFTER_DAYS, GEO_EXPERIMENT, PRIMARY_OUTCOMES, ROLES, role_of_column

ALL = "all"
_TOLD = ("report", "widen")
_NO_HOLDOUT = "all spend against none is not identified: that takes a holdout, a pause or a lift study"
_NO_MONEY = "a marginal return is told of the value of budget changes on ad platforms"
_BUDGET = "budget_change"
_EMPTY = dict.fromkeys(("incremental", "incremental_low", "incremental_high", "incremental_spend"))
_NO_RETURN = dict.fromkeys(("marginal_iroas", "marginal_iroas_low", "marginal_iroas_high", "wasted_spend"))


def attribute(
    rows: pd.DataFrame,
    effects: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    break_even: float,
    studies: Mapping[str, LiftStudy],
) -> pd.DataFrame:
    """Incremental sales of every analysis, of each campaign in it, and of every channel, beside what was reported.

    A campaign has the mean effect of its analysis over its own days; limits are those of the mean. A channel is the sum of
    its analyses, with their joint covariance; changes of one unit that start on one day cannot be told apart and are counted
    once, by equal shares. Regions are told for themselves: their orders are part of no channel's reported sales. What the
    policy refuses, or tells by its direction alone, has its reason in place of a number.

    Parameters
    ----------
    rows, effects, verdicts : DataFrame
        ``causal.causal_marketing_data``, ``causal.effect_estimates`` and ``causal.verdicts`` as of one day.
    break_even : float
        Value that a unit of spend must bring.
    studies : mapping of platform to LiftStudy
        What turns reported sales into incremental ones.
    """
    if len(verdicts) == 0:
        return pd.DataFrame()
    treated = rows[rows["is_treated"] == 1].reset_index(drop=True) if len(rows) else rows
    if len(treated):
        bundle = treated.groupby(["platform", "unit_id", "started_on"])["treatment_type"].transform("nunique")
        treated = treated.assign(share=1.0 / bundle)
    by_analysis = dict(list(treated.groupby(ANALYSIS_KEY))) if len(treated) else {}
    answers: list[dict[str, object]] = []
    for platform, told in verdicts.groupby("platform", sort=True):
        joint = Joint(effects[effects["platform"] == platform], studies.get(str(platform)))
        accounts = _Accounts(str(platform), joint, break_even)
        for verdict in told.to_dict("records"):
            part = by_analysis.get(tuple(verdict[name] for name in ANALYSIS_KEY))
            answers.append(accounts.treatment(verdict, part))
            answers.extend(accounts.campaigns(verdict, part))
        for outcome, column in _sales(str(platform)):
            answers.append(accounts.channel(told[told["outcome"] == column], by_analysis, outcome))
    return pd.DataFrame(answers)


def _sales(platform: str) -> list[tuple[str, str]]:
    return [(outcome, ROLES[platform].outcomes[outcome]) for outcome in PRIMARY_OUTCOMES]


class _Accounts:
    """Rows of one platform."""

    def __init__(self, platform: str, joint: Joint, break_even: float) -> None:
        self._platform, self._joint, self._break_even = platform, joint, break_even

    def treatment(self, verdict: dict, part: pd.DataFrame | None) -> dict[str, object]:
        """One analysis."""
        outcome = role_of_column(self._platform, verdict["outcome"])
        head = {
            "scope": "treatment",
            **{name: verdict[name] for name in (*ANALYSIS_KEY, "outcome", "label", "method", "level")},
            "unit_id": ALL,
            "average_iroas": None,
            **_reported(part, outcome),
        }
        days = _days(part)
        if part is None and verdict["design"] == GEO_EXPERIMENT:
            units, days = self._joint.treated(name_of(verdict["treatment_type"], verdict["design"], outcome))
            head |= {"treated_units": units, "treated_unit_days": days}
        if not days or verdict["verdict"] not in _TOLD:
            reason = _reason(verdict) if days else verdict["reasons"] or "no treated unit-day"
            return {**head, **_EMPTY, **_NO_RETURN, "iroas_reason": reason, "refused": reason}
        days_of = {(verdict["treatment_type"], verdict["design"]): days}
        return {**head, **self._summed(days_of, outcome), "refused": None}

    def campaigns(self, verdict: dict, part: pd.DataFrame | None) -> Iterator[dict[str, object]]:
        """Each treated unit of one analysis, with the mean effect over its own days."""
        if part is None or verdict["verdict"] not in _TOLD:
            return
        for unit, own in part.groupby("unit_id", sort=True):
            yield {**self.treatment(verdict, own), "scope": "campaign", "unit_id": unit}

    def channel(
        self, told: pd.DataFrame, by_analysis: Mapping[tuple[str, ...], pd.DataFrame], outcome: str
    ) -> dict[str, object]:
        """All analyses of the platform together."""
        parts: list[pd.DataFrame] = []
        days_of: dict[tuple[str, str], float] = {}
        labels = sorted(set(told["label"]))
        for verdict in told[told["verdict"].isin(_TOLD)].to_dict("records"):
            part = by_analysis.get(tuple(verdict[name] for name in ANALYSIS_KEY))
            if part is not None:
                days_of[verdict["treatment_type"], verdict["design"]] = AFTER_DAYS * float(part["share"].sum())
                parts.append(part)
        together = pd.concat(parts, ignore_index=True) if parts else None
        left_out = int((~told["verdict"].isin(_TOLD)).sum())
        head = {
            "scope": "channel",
            "platform": self._platform,
            **dict.fromkeys(("treatment_type", "design", "unit_id"), ALL),
            "outcome": ROLES[self._platform].outcomes[outcome],
            "label": labels[0] if labels else ROLES[self._platform].label,
            "method": "sum",
            "level": float(told["level"].iloc[0]) if len(told) else math.nan,
            "average_iroas": self._average(together, outcome),
            **_reported(together, outcome),
        }
        if not days_of:
            reason = "no effect of this channel may be told"
            return {**head, **_EMPTY, **_NO_RETURN, "iroas_reason": reason, "refused": reason}
        found = {**head, **self._summed(days_of, outcome), "refused": None}
        if head["average_iroas"] is None and found["iroas_reason"] is None:
            found["iroas_reason"] = _NO_HOLDOUT
        if left_out:
            found["refused"] = f"{left_out} of {len(told)} analyses may not be told and are left out"
        return found

    def _summed(self, days_of: Mapping[tuple[str, str], float], outcome: str) -> dict[str, object]:
        """Totals over analyses, by treatment type and design, each with its unit-days."""
        total = self._joint.total(_weights(days_of, outcome))
        is_money = ROLES[self._platform].volume == "spend"
        spend = _weights(days_of, "volume")
        found = {
            "incremental": total.value,
            "incremental_low": _finite(total.low),
            "incremental_high": _finite(total.high),
            "incremental_spend": self._joint.total(spend).value
            if is_money and self._joint.is_usable(spend)
            else None,
        }
        budgets = {name: days for name, days in days_of.items() if name[0] == _BUDGET}
        moved = _weights(budgets, "volume")
        if outcome != PRIMARY_OUTCOMES[1] or not is_money or not budgets or not self._joint.is_usable(moved):
            return {**found, **_NO_RETURN, "iroas_reason": _NO_MONEY}
        return {**found, **self._returns(_weights(budgets, outcome), moved)}

    def _returns(self, value: Mapping[str, float], spend: Mapping[str, float]) -> dict[str, object]:
        """Marginal return by Fieller, where the spend was moved for sure; what is spent below break-even."""
        moved = self._joint.total(spend)
        if not (moved.low > 0.0 or moved.high < 0.0):
            reason = f"spend did not move for sure: {moved.value:,.0f} ({moved.low:,.0f} to {moved.high:,.0f})"
            return {**_NO_RETURN, "iroas_reason": reason}
        ratio = self._joint.ratio(value, spend)
        is_bounded = ratio.kind == "interval"
        is_wasted = moved.value > 0.0 and ratio.ratio < self._break_even
        return {
            "marginal_iroas": ratio.ratio,
            "marginal_iroas_low": ratio.low if is_bounded else None,
            "marginal_iroas_high": ratio.high if is_bounded else None,
            "wasted_spend": moved.value if is_wasted else 0.0,
            "iroas_reason": None if is_bounded else "its confidence set is unbounded",
        }

    def _average(self, part: pd.DataFrame | None, outcome: str) -> float | None:
        """Value of all spend against none, per spend: what a lift study says of what is reported."""
        study = self._joint.study
        if part is None or study is None or outcome != PRIMARY_OUTCOMES[1]:
            return None
        spent = float(part["volume_after"].sum())
        return study.share * float(part[f"{outcome}_after"].sum()) / spent if spent > 0.0 else None


def _weights(days_of: Mapping[tuple[str, str], float], outcome: str) -> dict[str, float]:
    return {name_of(kind, design, outcome): days for (kind, design), days in days_of.items()}


def _reported(part: pd.DataFrame | None, outcome: str) -> dict[str, object]:
    """What was reported on the treated unit-days, and how it changed; nothing is known without rows."""
    if part is None:
        return {"treated_units": 0, "treated_unit_days": 0, "reported": None, "reported_change": None}
    after, before = float(part[f"{outcome}_after"].sum()), float(part[f"{outcome}_before"].sum())
    return {
        "treated_units": part["unit_id"].nunique(),
        "treated_unit_days": int(_days(part)),
        "reported": AFTER_DAYS * after,
        "reported_change": AFTER_DAYS * (after - before),
    }


def _days(part: pd.DataFrame | None) -> float:
    return 0.0 if part is None else float(AFTER_DAYS * len(part))


def _reason(verdict: dict) -> str:
    return f"{verdict['verdict']}: {verdict['reasons'] or 'no reason'}"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
